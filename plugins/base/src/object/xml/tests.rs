use super::*;

#[test]
fn etags_are_those_that_stores_make_of_sums() {
    let sum: Sum = Md5::digest(b"abc").into();
    assert_eq!(hex(&sum), "900150983cd24fb0d6963f7d28e17f72");
    assert_eq!(base64(&sum), "kAFQmDzST7DWlj99KOF/cg==");
    let piece = |number, text: &[u8]| Piece { number, etag: String::new(), sum: Md5::digest(text).into() };
    // As `md5(md5("abc") + md5("def"))` comes from another tool.
    assert_eq!(etag_of(&[piece(1, b"abc"), piece(2, b"def")]), "4c8e93283780e078db9e0c6b9b3f8043-2");
}

#[test]
fn answers_are_read_with_and_without_namespace() {
    let id = "<?xml version=\"1.0\"?><InitiateMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
              <Bucket>b</Bucket><Key>k</Key><UploadId>a/b+c</UploadId></InitiateMultipartUploadResult>";
    assert_eq!(parse::<Initiated>(id.as_bytes()).unwrap().upload_id, "a/b+c");
    let done = "<CompleteMultipartUploadResult><ETag>&quot;abc-2&quot;</ETag></CompleteMultipartUploadResult>";
    assert_eq!(parse::<Completed>(done.as_bytes()).unwrap().etag.as_deref(), Some("\"abc-2\""));
    let upload = |key: &str| {
        format!(
            "<Upload><Key>{key}</Key><UploadId>1</UploadId><Initiator><ID>x</ID></Initiator>\
             <Initiated>2026-11-25T22:55:30.123Z</Initiated></Upload>"
        )
    };
    let page = format!(
        "<ListMultipartUploadsResult><Bucket>b</Bucket><IsTruncated>true</IsTruncated><NextKeyMarker>z&amp;</NextKeyMarker>\
         {}{}<CommonPrefixes><Prefix>p</Prefix></CommonPrefixes></ListMultipartUploadsResult>",
        upload("a"),
        upload("b c")
    );
    let page: Page = parse(page.as_bytes()).unwrap();
    let keys: Vec<_> = page.upload.iter().map(|upload| upload.key.as_str()).collect();
    assert!(page.is_truncated && page.next_key_marker == "z&" && keys == ["a", "b c"]);
    assert!(page.upload[0].initiated.is_some());
    let empty: Page =
        parse(b"<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>").unwrap();
    assert!(empty.upload.is_empty());
}

#[test]
fn values_in_queries_are_escaped_whole() {
    assert_eq!(escape("a/b c+d&e=f"), "a%2Fb%20c%2Bd%26e%3Df");
}
