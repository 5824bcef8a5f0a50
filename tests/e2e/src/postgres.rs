//! A schema of one test in the PostgreSQL server that `scripts/services` starts, spoken to through psql.

use std::path::Path;
use std::process::Command;

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
        let this = Self { url, schema: schema.to_owned() };
        this.sql(&format!("drop schema if exists {schema} cascade; create schema {schema}"));
        Some(this)
    }

    /// Runs statements, tables being looked up in the schema; what psql prints, unaligned and without headings.
    pub fn sql(&self, statements: &str) -> String {
        let psql = std::env::var("RIVET_TEST_PSQL").unwrap_or_else(|_| "psql".into());
        let output = Command::new(psql)
            .args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-c", statements, &self.url])
            .env("PGOPTIONS", format!("-c search_path={} -c timezone=UTC -c client_min_messages=error", self.schema))
            .output()
            .unwrap();
        assert!(output.status.success(), "{statements}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Loads a CSV file with a header line, as `COPY` reads it.
    pub fn copy_from(&self, table: &str, csv: impl AsRef<Path>) {
        self.sql(&format!("\\copy {table} from '{}' with (format csv, header true)", csv.as_ref().display()));
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.sql(&format!("drop schema if exists {} cascade", self.schema));
    }
}
