use bytes::Bytes;

use super::*;

fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &'static str) -> Answer {
    let status = StatusCode::from_u16(status).unwrap();
    let headers = headers.iter().map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap())).collect();
    Answer { status, headers, body: Bytes::from_static(body.as_bytes()) }
}

fn error(code: &str, rest: &str) -> &'static str {
    let xml = format!("<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>The Words.</Message>{rest}</Error>");
    Box::leak(xml.into_boxed_str())
}

#[test]
fn codes_come_before_statuses() {
    let cases = [
        (403, "AccessDenied", Category::Auth, false),
        (403, "SignatureDoesNotMatch", Category::Auth, false),
        (403, "RequestTimeTooSkewed", Category::Auth, false),
        (403, "", Category::Auth, false),
        (400, "ExpiredToken", Category::Auth, false),
        (401, "", Category::Auth, false),
        (404, "NoSuchBucket", Category::NotFound, false),
        (404, "NoSuchUpload", Category::Network, false),
        (400, "BadDigest", Category::Network, true),
        (400, "MalformedXML", Category::Network, true),
        (400, "RequestTimeout", Category::Timeout, true),
        (400, "EntityTooSmall", Category::Permanent, false),
        (409, "OperationAborted", Category::Network, true),
        (412, "PreconditionFailed", Category::Conflict, false),
        (412, "", Category::Conflict, false),
        (500, "InternalError", Category::Network, true),
        (503, "SlowDown", Category::Capacity, true),
        (503, "", Category::Capacity, true),
        (429, "", Category::Capacity, true),
        (504, "", Category::Timeout, true),
        (501, "NotImplemented", Category::Unsupported, false),
        (507, "", Category::Permanent, false),
        (200, "InternalError", Category::Network, true),
    ];
    for (status, code, category, is_passing) in cases {
        let body = if code.is_empty() { "" } else { error(code, "") };
        let failure = Failure::refused(answer(status, &[], body));
        assert_eq!((failure.error.category(), failure.is_passing), (category, is_passing), "{status} {code}");
        let shown = if code.is_empty() { status.to_string() } else { code.to_owned() };
        assert_eq!(failure.code(), shown);
    }
}

#[test]
fn the_region_of_a_bucket_elsewhere_is_named() {
    let region = [("x-amz-bucket-region", "eu-west-3")];
    let malformed = error("AuthorizationHeaderMalformed", "<Region>ap-east-1</Region>");
    let redirect = error("PermanentRedirect", "<Endpoint>bkt.s3-us-west-2.amazonaws.com</Endpoint>");
    let cases = [
        (301, &region[..], "", "eu-west-3"),
        (400, &region[..], "", "eu-west-3"),
        (400, &[], malformed, "ap-east-1"),
        (301, &[], redirect, "us-west-2"),
    ];
    for (status, headers, body, region) in cases {
        let error = Failure::refused(answer(status, headers, body)).error;
        assert_eq!(error.category(), Category::Config);
        let hint = error.hint_text().unwrap_or_default();
        assert!(hint.contains(&format!("`region: {region}`")), "{status} {hint}");
    }
    assert_eq!(Failure::refused(answer(301, &[], "")).error.hint_text(), Some("correct `region` or `endpoint`"));
}

#[test]
fn a_refusal_is_told_without_what_it_quotes_of_the_request() {
    let body =
        error("SignatureDoesNotMatch", "<StringToSign>secret</StringToSign><SignatureProvided>s</SignatureProvided>");
    let error = Failure::refused(answer(403, &[], body)).error;
    assert_eq!(error.to_string(), "the store answered: the Words (SignatureDoesNotMatch)");
    let plain = Failure::refused(answer(502, &[], "<html>nginx</html>")).error;
    assert_eq!(plain.to_string(), "the store answered 502 bad gateway (502)");
}

#[test]
fn pauses_are_taken_over_and_stale_credentials_known() {
    let failure = Failure::refused(answer(503, &[("retry-after", "7")], error("SlowDown", "")));
    assert_eq!(failure.error.retry_after_hint(), Some(Duration::from_secs(7)));
    let is_stale = |status, code| Failure::refused(answer(status, &[], error(code, ""))).is_stale;
    assert!(is_stale(400, "ExpiredToken") && is_stale(401, "Unauthorized") && !is_stale(403, "AccessDenied"));
}

#[test]
fn google_says_it_in_json() {
    let body = |status: u16, reason: &str, message: &str| -> Failure {
        let text = format!(
            r#"{{"error": {{"code": {status}, "message": "{message}", "errors": [{{"domain": "global", "reason": "{reason}"}}]}}}}"#
        );
        Failure::refused(answer(status, &[], Box::leak(text.into_boxed_str())))
    };
    let cases = [
        (401, "authError", "Invalid Credentials", Category::Auth, false),
        (403, "forbidden", "No access.", Category::Auth, false),
        (403, "rateLimitExceeded", "Slower.", Category::Capacity, true),
        (404, "notFound", "The specified bucket does not exist.", Category::NotFound, false),
        (400, "invalid", "Provided MD5 hash doesn't match calculated MD5 hash.", Category::Network, true),
        (400, "badRequest", "Malformed multipart body.", Category::Network, true),
        (412, "conditionNotMet", "No.", Category::Conflict, false),
        (503, "backendError", "Later.", Category::Capacity, true),
    ];
    for (status, reason, message, category, is_passing) in cases {
        let failure = body(status, reason, message);
        assert_eq!((failure.error.category(), failure.is_passing), (category, is_passing), "{reason}");
    }
    assert_eq!(body(404, "notFound", "The specified bucket does not exist.").code(), "NoSuchBucket");
    assert!(body(401, "authError", "").is_stale);
    let bare = Failure::refused(answer(400, &[], "Malformed multipart body."));
    assert_eq!((bare.error.category(), bare.is_passing), (Category::Network, true));
    // fake-gcs-server, and a body that is no refusal.
    assert_eq!(Refusal::of(br#"{"error": {"code": 404, "message": "Not Found"}}"#).message, "Not Found");
    assert!(Refusal::of(br#"{"name": "x"}"#).code.is_empty());
}

#[test]
fn the_right_that_is_missing_is_named() {
    let google = "a@p.iam.gserviceaccount.com does not have storage.objects.create access to the Google Cloud Storage \
                  object. Permission 'storage.objects.create' denied on resource (or it may not exist).";
    let json = format!(
        r#"{{"error": {{"code": 403, "message": "{google}", "errors": [{{"domain": "global", "reason": "forbidden"}}]}}}}"#
    );
    let amazon = "<Error><Code>AccessDenied</Code><Message>User: arn:aws:iam::1:user/a is not authorized to perform: \
                  s3:PutObject on resource: \"arn:aws:s3:::b/k\"</Message></Error>";
    let details = "<Error><Code>AccessDenied</Code><Message>Access denied.</Message><Details>a@p.iam.gserviceaccount.com \
                   does not have storage.multipartUploads.create access to the Google Cloud Storage object.</Details></Error>";
    let cases = [
        (json.as_str(), "storage.objects.create", "does not have storage.objects.create access"),
        (amazon, "s3:PutObject", "is not authorized to perform"),
        (details, "storage.multipartUploads.create", "a@p.iam.gserviceaccount.com does not have"),
    ];
    for (body, right, text) in cases {
        let error = Failure::refused(answer(403, &[], Box::leak(body.to_owned().into_boxed_str()))).error;
        assert_eq!(error.category(), Category::Auth);
        assert_eq!(error.hint_text(), Some(format!("grant {right} to these credentials").as_str()));
        assert!(error.to_string().contains(text), "{error}");
    }
    let unnamed = Failure::refused(answer(403, &[], error("AccessDenied", ""))).error;
    assert!(unnamed.hint_text().is_some_and(|hint| hint.contains("the connector's page")));
}

#[test]
fn a_clock_that_is_off_is_told_with_its_drift() {
    let hint = |headers: &[(&'static str, &'static str)]| {
        let failure = Failure::refused(answer(403, headers, error("RequestTimeTooSkewed", "")));
        failure.error.hint_text().unwrap_or_default().to_owned()
    };
    assert!(hint(&[("date", "Mon, 03 Jan 2000 10:00:00 GMT")]).ends_with("days ahead of the store's"));
    assert_eq!(hint(&[]), "set the clock of this machine");
}
