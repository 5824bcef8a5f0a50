//! The tools of these tests, tried on clients of other makes: what they show is what is there.

use rivet_stores::{Bucket, HttpProxy, Make, Rule, Step, Trouble};

#[test]
fn another_client_sees_what_is_in_each_store() {
    for make in [Make::S3, Make::Gcs, Make::FakeGcs] {
        let Some(bucket) = Bucket::new(make) else { continue };
        let Some(found) = bucket.list() else { continue };
        assert!(found.objects.is_empty(), "{make:?}: {found:?}");
        bucket.put("id\n1\n", &["a b/ü.csv"]).unwrap();
        assert_eq!(bucket.list().unwrap().names(), ["a b/ü.csv"], "{make:?}");
    }
}

#[test]
fn uploads_that_were_left_are_seen() {
    let Some(bucket) = Bucket::new(Make::S3) else { return };
    let Some(()) = bucket.leave(&["left.parquet"]) else { return };
    let found = bucket.list().unwrap();
    assert_eq!((found.names().len(), found.uploads.as_slice()), (0, ["left.parquet".to_owned()].as_slice()));
}

#[test]
fn a_proxy_passes_signed_requests_on_and_breaks_those_it_is_told_to() {
    let Some(mut bucket) = Bucket::new(Make::S3) else { return };
    let proxy = HttpProxy::new(&bucket.endpoint);
    bucket.endpoint.clone_from(&proxy.url);
    proxy.add(Rule::new(Step::Put, Trouble::Answer(503, &[("Retry-After", "0")], "")).times(1));
    proxy.add(Rule::new(Step::Put, Trouble::Lost).times(1));
    // boto3 repeats what failed.
    let Some(()) = bucket.put("id\n", &["x.csv"]) else { return };
    assert_eq!((proxy.count(Step::Put), proxy.hit()), (3, 2), "{:?}", proxy.seen());
    assert_eq!(bucket.list().unwrap().objects["x.csv"], 3);
}
