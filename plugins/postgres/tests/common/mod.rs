//! What the tests against a real server share: its address, set-up through `psql` (the connector itself cannot write),
//! and reading a request whole.

#![expect(clippy::unwrap_used, clippy::print_stderr, unreachable_pub, reason = "helpers of tests")]

use std::process::Command;

use arrow_array::RecordBatch;
use rivet_plugin_api::{Context, Error, ReadRequest, Source, Strategy};
use rivet_plugin_postgres::{Options, Postgres};

pub const STRATEGIES: [Strategy; 2] = [Strategy::Stream, Strategy::Cursor];

/// The server's URL. Without one the test says why it is skipped, and fails where that must not happen.
pub fn url() -> Option<String> {
    url_in("RIVET_TEST_POSTGRES_URL")
}

/// The same for the server that another variable names.
pub fn url_in(variable: &str) -> Option<String> {
    let url = std::env::var(variable).ok();
    if url.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{variable} is not set, and CI demands it");
        eprintln!("skipped: {variable} is not set");
    }
    url
}

pub fn options(url: &str) -> Options {
    serde_json::from_value(serde_json::json!({ "url": url })).unwrap()
}

pub fn open(url: &str) -> Postgres {
    Postgres::open(options(url), &Context::default()).unwrap()
}

pub fn psql(url: &str, sql: &str) -> String {
    let out = Command::new("psql").args([url, "-AtqX", "-v", "ON_ERROR_STOP=1", "-c", sql]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

pub fn request(query: &str) -> ReadRequest {
    ReadRequest { query: query.into(), ..ReadRequest::default() }
}

pub fn read(source: &mut Postgres, request: &ReadRequest) -> Result<Vec<RecordBatch>, Error> {
    let mut reader = source.read(request, &Context::default())?;
    let mut batches = Vec::new();
    while let Some(batch) = reader.next()? {
        assert!(batch.num_rows() > 0);
        batches.push(batch);
    }
    reader.close()?;
    Ok(batches)
}
