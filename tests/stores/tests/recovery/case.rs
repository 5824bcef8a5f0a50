//! What a sweep exports, and the table that it exports from.

use rivet_e2e::Sandbox;
use rivet_stores::{Make, Step};
use rusqlite::Connection;

/// One export.
#[derive(Clone, Debug)]
pub struct Case {
    pub make: Make,
    /// Where a run was killed before the one that is swept: at the n-th request of a kind.
    pub killed_at: Option<(Step, u32)>,
    /// Whether later runs add to the files of earlier ones, rather than exporting everything anew.
    pub windows: bool,
    /// Whether an interrupted run is continued with `--resume`.
    pub resumes: bool,
    /// How many rows there are before the first export, during the run that is swept, and from its repair on. Of
    /// windows a later one must get what came meanwhile; exports of everything are compared one by one.
    pub rows: [u64; 3],
    /// Bytes of a row.
    row_bytes: u64,
    /// The id behind which the rows are numbered.
    base: u64,
    mode: String,
}

/// Rows that make a piece of an upload with few of them: twenty are a batch of 2 MB.
const LARGE: u64 = 100_000;

impl Case {
    fn new(make: Make, mode: &str) -> Self {
        let mode = mode.replace(", ", "\n    ");
        let (rows, row_bytes) = ([100; 3], 110);
        Self { make, killed_at: None, windows: false, resumes: false, rows, row_bytes, base: 0, mode }
    }

    fn windows(make: Make, mode: &str, rows: [u64; 3]) -> Self {
        Self { windows: true, rows, ..Self::new(make, &format!("mode: incremental, cursor_column: id, {mode}")) }
    }

    /// Everything, in three objects.
    pub fn full(make: Make) -> Self {
        Self::new(make, "format: csv, max_file_size: 4KB")
    }

    /// Windows of two objects each.
    pub fn incremental(make: Make) -> Self {
        Self::windows(make, "format: parquet, max_file_size: 1KB", [60, 100, 120])
    }

    /// Seven chunks of one object each.
    pub fn chunked(make: Make, parallel: u32, checkpoint: bool) -> Self {
        let chunks = format!("chunk_column: id, chunk_size: 15, parallel: {parallel}, chunk_checkpoint: {checkpoint}");
        Self { resumes: checkpoint, ..Self::new(make, &format!("mode: chunked, {chunks}, format: csv")) }
    }

    /// The rows since the day before yesterday, which are all.
    pub fn time_window(make: Make) -> Self {
        let mode = "mode: time_window, time_column: id, time_column_type: unix, days_window: 2, format: csv";
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        Self { base: now - 1000, ..Self::new(make, mode) }
    }

    /// A window of one object that goes out in two pieces while it is encoded.
    pub fn pieces(make: Make) -> Self {
        Self { row_bytes: LARGE, ..Self::windows(make, "format: csv", [5, 105, 110]) }
    }

    /// A window whose first object waits in a file until there is a second one, and goes out in pieces then.
    pub fn split(make: Make) -> Self {
        Self { row_bytes: LARGE, ..Self::windows(make, "format: csv, max_file_size: 9MB", [5, 145, 150]) }
    }

    /// The same, behind a run that was killed at the n-th request for `step`.
    pub fn after(self, step: Step, number: u32) -> Self {
        Self { killed_at: Some((step, number)), ..self }
    }

    /// How the run that is swept is called.
    pub fn args(&self) -> &'static [&'static str] {
        if self.resumes && self.killed_at.is_some() { &["--resume"] } else { &[] }
    }

    /// The configuration that exports the table to `destination`. It asks for so many retries, which come at once.
    pub fn config(&self, destination: &str, retries: u32) -> String {
        let tuning = format!("throttle_ms: 0, batch_size: 20, max_retries: {retries}, retry_backoff_ms: 1");
        format!(
            "source: {{ type: sqlite, path: shop.db, tuning: {{ {tuning} }} }}
exports:
  - name: orders
    query: select * from orders
    {}
    destination: {destination}
",
            self.mode
        )
    }

    /// Makes the table have the first `rows` rows.
    pub fn fill(&self, sandbox: &Sandbox, rows: u64) {
        let (base, last, filling) = (self.base, self.base + rows, self.row_bytes / 2);
        database(sandbox)
            .execute_batch(&format!(
                "create table if not exists orders (id integer primary key, note text);
                 delete from orders where id > {last};
                 insert into orders with recursive n(i) as
                     (select coalesce(max(id), {base}) + 1 from orders union all select i + 1 from n where i < {last})
                     select i, 'note ' || i || replace(hex(zeroblob({filling})), '0', '.') from n where i <= {last}"
            ))
            .unwrap();
    }

    /// The rows of the table in a CSV file with a header, as the database itself tells them.
    pub fn expected(&self, sandbox: &Sandbox) -> String {
        self.fill(sandbox, self.rows[2]);
        let query = "select group_concat(id || ',' || note, char(10)) from orders";
        let rows: String = database(sandbox).query_row(query, [], |row| row.get(0)).unwrap();
        format!("id,note\n{rows}")
    }
}

fn database(sandbox: &Sandbox) -> Connection {
    Connection::open(sandbox.path().join("shop.db")).unwrap()
}
