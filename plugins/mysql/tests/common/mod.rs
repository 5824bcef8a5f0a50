//! What the tests against real servers share: their addresses, set-up through the command line client (the connector
//! itself cannot write), and reading a request whole.

#![expect(clippy::unwrap_used, clippy::print_stderr, unreachable_pub, reason = "helpers of tests")]

use arrow_array::RecordBatch;
use rivet_plugin_api::{Context, Error, ReadRequest, Source};
use rivet_plugin_mysql::{Mysql, Options};

pub use client::client;

mod client;

/// A server to test on.
pub struct Server {
    pub url: String,
    pub is_mariadb: bool,
    /// Major and minor version.
    pub version: (u32, u32),
}

impl Server {
    fn new(url: &str) -> Self {
        let text = client(url, "SELECT VERSION()");
        let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap());
        let version = (numbers.next().unwrap(), numbers.next().unwrap());
        Self { url: url.to_owned(), is_mariadb: text.contains("MariaDB"), version }
    }

    /// Whether it is this version of Oracle's server, or a newer one.
    pub fn is_mysql(&self, version: (u32, u32)) -> bool {
        !self.is_mariadb && self.version >= version
    }

    /// Whether it is an Oracle server before version 8, which has no `WITH`.
    pub fn is_old(&self) -> bool {
        !self.is_mariadb && self.version < (8, 0)
    }

    /// Says why a part of a test does not run here.
    pub fn skip(&self, what: &str) {
        let product = if self.is_mariadb { "MariaDB" } else { "MySQL" };
        eprintln!("skipped on {product} {}.{}: {what}", self.version.0, self.version.1);
    }

    pub fn open(&self) -> Mysql {
        open(&self.url)
    }

    pub fn client(&self, sql: &str) -> String {
        client(&self.url, sql)
    }
}

/// The server in `RIVET_TEST_MYSQL_URL` and those in `RIVET_TEST_MYSQL_MORE`. Without any the test says why it is
/// skipped, and fails where that must not happen.
pub fn servers() -> Vec<Server> {
    let Ok(main) = std::env::var("RIVET_TEST_MYSQL_URL") else {
        assert!(std::env::var_os("CI").is_none(), "RIVET_TEST_MYSQL_URL is not set, and CI demands it");
        eprintln!("skipped: RIVET_TEST_MYSQL_URL is not set");
        return Vec::new();
    };
    let more = std::env::var("RIVET_TEST_MYSQL_MORE").unwrap_or_default();
    std::iter::once(main.as_str()).chain(more.split_whitespace()).map(Server::new).collect()
}

/// Runs `test` on one server after the other, and says on which it fails.
pub fn on_each_server(test: impl Fn(&Server)) {
    for server in servers() {
        eprintln!("on {} {:?}", if server.is_mariadb { "MariaDB" } else { "MySQL" }, server.version);
        test(&server);
    }
}

/// The numbers from 0 to 999 as a derived table with the column `i`, for servers without `WITH` as well.
pub fn thousand(alias: &str) -> String {
    let digits = "(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL \
                  SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)";
    format!("(SELECT a.d + 10 * b.d + 100 * c.d AS i FROM {digits} AS a, {digits} AS b, {digits} AS c) AS {alias}")
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
