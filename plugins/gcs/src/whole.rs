//! An object in one request, by Google's JSON: its sum goes along in the metadata, and the store refuses other bytes.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{Method, Request};
use opendal::raw::percent_encode_path;
use rivet_plugin_base::object::{Object, Whole};
use serde_json::json;

/// Makes requests to the endpoint for objects of the bucket.
pub(crate) fn whole(endpoint: &str, bucket: &str) -> Whole {
    let url = format!("{endpoint}/upload/storage/v1/b/{bucket}/o?uploadType=multipart");
    Arc::new(move |object: Object<'_>| {
        let guard = if object.exclusive { "&ifGenerationMatch=0" } else { "" };
        let uri = format!("{url}&name={}{guard}", percent_encode_path(object.key).replace('/', "%2F"));
        // Text that the object does not hold, or its sum would be in it.
        let boundary = format!("rivet-{}", object.md5.replace(['+', '/', '='], "-"));
        let kind = format!("multipart/related; boundary={boundary}");
        let request = Request::builder().method(Method::POST).uri(uri).header("content-type", kind);
        request.body(body(&object, &boundary))
    })
}

fn body(object: &Object<'_>, boundary: &str) -> Bytes {
    let metadata = json!({ "name": object.key, "contentType": object.kind, "md5Hash": object.md5 });
    let mut body = BytesMut::with_capacity(object.body.len() + 1024);
    let json = "Content-Type: application/json; charset=UTF-8";
    body.put_slice(format!("--{boundary}\r\n{json}\r\n\r\n{metadata}\r\n").as_bytes());
    body.put_slice(format!("--{boundary}\r\nContent-Type: {}\r\n\r\n", object.kind).as_bytes());
    body.put_slice(&object.body);
    body.put_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    body.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_comes_before_the_content() {
        let object = Object {
            key: "a/b c.csv",
            body: Bytes::from("id\n"),
            kind: "text/csv",
            md5: "x+/=".into(),
            exclusive: true,
        };
        let request = whole("http://h", "b")(object).expect("a request");
        assert_eq!(
            request.uri(),
            "http://h/upload/storage/v1/b/b/o?uploadType=multipart&name=a%2Fb%20c.csv&ifGenerationMatch=0"
        );
        let text = "--rivet-x---\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n\
                    {\"contentType\":\"text/csv\",\"md5Hash\":\"x+/=\",\"name\":\"a/b c.csv\"}\r\n\
                    --rivet-x---\r\nContent-Type: text/csv\r\n\r\nid\n\r\n--rivet-x-----\r\n";
        assert_eq!(request.body(), text);
    }
}
