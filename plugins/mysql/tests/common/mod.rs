//! What the tests against a real server share: its address, set-up through the command line client (the connector itself
//! cannot write), and reading a request whole.

#![expect(clippy::unwrap_used, clippy::print_stderr, unreachable_pub, reason = "helpers of tests")]

use arrow_array::RecordBatch;
use rivet_plugin_api::{Context, Error, ReadRequest, Source};
use rivet_plugin_mysql::{Mysql, Options};

pub use client::client;

mod client;

/// The server's URL. Without one the test says why it is skipped, and fails where that must not happen.
pub fn url() -> Option<String> {
    let url = std::env::var("RIVET_TEST_MYSQL_URL").ok();
    if url.is_none() {
        assert!(std::env::var_os("CI").is_none(), "RIVET_TEST_MYSQL_URL is not set, and CI demands it");
        eprintln!("skipped: RIVET_TEST_MYSQL_URL is not set");
    }
    url
}

pub fn options(url: &str) -> Options {
    serde_json::from_value(serde_json::json!({ "url": url })).unwrap()
}

pub fn open(url: &str) -> Mysql {
    Mysql::open(options(url), &Context::default()).unwrap()
}

pub fn request(query: &str) -> ReadRequest {
    ReadRequest { query: query.into(), ..ReadRequest::default() }
}

pub fn read(source: &mut Mysql, request: &ReadRequest) -> Result<Vec<RecordBatch>, Error> {
    let mut reader = source.read(request, &Context::default())?;
    let mut batches = Vec::new();
    while let Some(batch) = reader.next()? {
        assert!(batch.num_rows() > 0);
        batches.push(batch);
    }
    reader.close()?;
    Ok(batches)
}
