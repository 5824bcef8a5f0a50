//! A table to export, and whether what a store holds of it is the whole of it, once.

use std::fs;

use rivet_e2e::{Sandbox, read_with};
use rusqlite::Connection;

use crate::Bucket;

/// A sandbox with a table `notes` of random text, which no codec makes small.
pub struct Notes {
    /// Where runs are.
    pub sandbox: Sandbox,
    /// What they know of the store besides the configuration comes from here.
    pub bucket: Bucket,
    rows: u32,
}

/// Of one row, in files of any format.
const BYTES: usize = 600;

impl Notes {
    /// A table of `rows` rows of about 600 bytes, to be exported to `bucket`.
    pub fn new(bucket: Bucket, rows: u32) -> Self {
        let mut sandbox = Sandbox::new();
        bucket.admit(&mut sandbox);
        let mut this = Self { sandbox, bucket, rows: 0 };
        this.database().execute_batch("CREATE TABLE notes (id INTEGER PRIMARY KEY, note TEXT)").unwrap();
        this.grow(rows);
        this
    }

    /// Adds rows.
    pub fn grow(&mut self, rows: u32) {
        let (first, last) = (self.rows + 1, self.rows + rows);
        let random = BYTES / 2;
        self.database()
            .execute_batch(&format!(
                "INSERT INTO notes WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {last})
                     SELECT i, hex(randomblob({random})) FROM n"
            ))
            .unwrap();
        self.rows = last;
    }

    fn database(&self) -> Connection {
        Connection::open(self.sandbox.path().join("notes.db")).unwrap()
    }

    /// The configuration of an export `notes`, with further keys of it, by way of `endpoint`.
    pub fn config(&self, endpoint: &str, tuning: &str, keys: &str) -> String {
        let destination = self.bucket.destination_at(endpoint);
        format!(
            "source: {{ type: sqlite, path: notes.db, tuning: {{ {tuning} }} }}
exports:
  - name: notes
    query: SELECT id, note FROM notes
    destination: {destination}
    {keys}
"
        )
    }

    /// As [`Self::config`], at the store itself and without pauses.
    pub fn plain(&self, keys: &str) -> String {
        self.config(&self.bucket.endpoint, "throttle_ms: 0", keys)
    }

    /// The store holds every row once, in files that `rivet state files` names, and nothing else. Answers how many files.
    pub fn assert_whole(&self) -> Option<usize> {
        let out = self.sandbox.path().join("out");
        fs::remove_dir_all(&out).unwrap();
        fs::create_dir(&out).unwrap();
        let found = self.bucket.fetch(&out)?;
        assert!(found.uploads.is_empty(), "uploads were left: {:?}", found.uploads);
        let listed = self.sandbox.rivet(&["state", "files", "--config", "rivet.yaml", "--last", "1000"]);
        for name in found.names() {
            listed.expect(0, &[name]);
        }
        let database = self.sandbox.path().join("notes.db");
        // Files of one name up to the first `_` are one dataset.
        let args = [database.to_str().unwrap(), "SELECT id, note FROM notes", out.to_str().unwrap()];
        let datasets = read_with("dataset.py", &args)?;
        assert_eq!(datasets.trim(), "1");
        Some(found.objects.len())
    }

    /// Whether these are the lines of a CSV file with every row once, as the database itself tells them.
    pub fn is_all_of(&self, csv: &str) -> bool {
        let database = self.database();
        let mut statement = database.prepare("SELECT id || ',' || note FROM notes").unwrap();
        let mut expected: Vec<String> =
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        let mut lines = csv.lines();
        let is_headed = lines.next() == Some("id,note");
        let mut found: Vec<&str> = lines.collect();
        expected.sort_unstable();
        found.sort_unstable();
        is_headed && found == expected
    }

    /// The store holds nothing, finished or not.
    pub fn assert_empty(&self) {
        if let Some(found) = self.bucket.list() {
            assert!(found.objects.is_empty() && found.uploads.is_empty(), "{found:?}");
        }
    }
}
