//! A schema of one test in the PostgreSQL server that `scripts/services` starts, spoken to through psql.

use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A schema that is dropped at the end.
pub struct Postgres {
    /// The server's URL, password included.
    pub url: String,
    /// The schema's name, which queries qualify their tables with.
    pub schema: String,
}

impl Postgres {
    /// An empty schema called `schema`, or `None` when there is no server.
    pub fn schema(schema: &str) -> Option<Self> {
        let Ok(url) = std::env::var("RIVET_TEST_POSTGRES_URL") else {
            crate::skip("RIVET_TEST_POSTGRES_URL names no server: use scripts/test");
            return None;
        };
        Some(Self::on(&url, schema))
    }

    /// An empty schema called `schema` on the server of `url`.
    pub fn on(url: &str, schema: &str) -> Self {
        let this = Self { url: url.to_owned(), schema: schema.to_owned() };
        this.sql(&format!("drop schema if exists {schema} cascade; create schema {schema}"));
        this
    }

    /// Runs statements, tables being looked up in the schema; what psql prints, unaligned and without headings.
    pub fn sql(&self, statements: &str) -> String {
        let output = self.psql().args(["-c", statements]).output().unwrap();
        assert!(output.status.success(), "{statements}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts statements in a session of their own.
    pub fn start(&self, statements: &str) -> Child {
        self.psql().args(["-c", statements]).stdout(Stdio::null()).spawn().unwrap()
    }

    /// A client that runs the statements on its standard input, each in a transaction of its own.
    pub fn session(&self) -> Command {
        let mut command = self.psql();
        command.args(["-f", "-"]).stdout(Stdio::null());
        command
    }

    fn psql(&self) -> Command {
        let mut command = Command::new(std::env::var("RIVET_TEST_PSQL").unwrap_or_else(|_| "psql".into()));
        let options =
            format!("-c search_path={} -c lock_timeout=20s -c timezone=UTC -c client_min_messages=error", self.schema);
        command.args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-d", &self.url]).env("PGOPTIONS", options);
        command
    }

    /// Loads a CSV file with a header line, as `COPY` reads it.
    pub fn copy_from(&self, table: &str, csv: impl AsRef<Path>) {
        self.sql(&format!("\\copy {table} from '{}' with (format csv, header true)", csv.as_ref().display()));
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let statement = format!("drop schema if exists {} cascade", self.schema);
        // After a failure the server may be gone, and a second panic would hide the first.
        let _ = self.psql().args(["-c", &statement]).output();
    }
}
