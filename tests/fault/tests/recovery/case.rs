//! What a sweep exports, and the source that it exports from.

use rivet_e2e::{Postgres, Sandbox};
use rusqlite::Connection;

/// The make of a source.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Make {
    Sqlite,
    Postgres,
}

/// What happened before the run that is swept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Before {
    /// There is not even a state file.
    Nothing,
    /// A run that succeeded.
    Export,
    /// That, and a run that was killed at the n-th call of this kind.
    KilledAt(&'static str, usize),
}

/// One export.
#[derive(Clone, Debug)]
pub struct Case {
    pub make: Make,
    pub before: Before,
    /// Whether later runs add to the files of earlier ones, rather than exporting everything anew.
    pub windows: bool,
    /// Whether an interrupted run is continued with `--resume`.
    pub resumes: bool,
    mode: String,
}

impl Case {
    /// Windows of several files each.
    pub fn incremental(make: Make, before: Before) -> Self {
        let mode = "mode: incremental\n    cursor_column: id\n    format: parquet\n    max_file_size: 1KB".to_owned();
        Self { make, before, windows: true, resumes: false, mode }
    }

    /// Seven chunks of one file each.
    pub fn chunked(make: Make, parallel: u32, checkpoint: bool, before: Before) -> Self {
        let mode = format!(
            "mode: chunked\n    chunk_column: id\n    chunk_size: 15\n    parallel: {parallel}
    chunk_checkpoint: {checkpoint}\n    format: csv"
        );
        Self { make, before, windows: false, resumes: checkpoint, mode }
    }

    /// The configuration that exports `table` as `orders`.
    pub fn config(&self, table: &str) -> String {
        let source = match self.make {
            Make::Sqlite => "type: sqlite, path: shop.db",
            Make::Postgres => "type: postgres, url_env: DATABASE_URL",
        };
        format!(
            "source: {{ {source}, tuning: {{ throttle_ms: 0, max_retries: 0, batch_size: 20 }} }}
exports:
  - name: orders
    query: select * from {table}
    {}
    destination: {{ type: local, path: out }}
",
            self.mode
        )
    }

    /// How many rows there are before the first export, during the run that is swept, and from its repair on. Of windows
    /// a later one must get what came meanwhile. An export of everything would, when it is repeated, have more rows than
    /// the one that it repeats, and nobody could say which are right.
    pub fn rows(&self) -> [u32; 3] {
        if self.windows { [60, 100, 120] } else { [100; 3] }
    }
}

/// The table that is exported: a file in each sandbox, or one in a server.
pub enum Source {
    Sqlite,
    Postgres(Postgres),
}

impl Source {
    /// An empty table, `None` when there is no server.
    pub fn of(make: Make, case: &str) -> Option<Self> {
        match make {
            Make::Sqlite => Some(Self::Sqlite),
            Make::Postgres => {
                let schema = Postgres::schema(&format!("recovery_{case}"))?;
                schema.sql("create table orders (id int primary key, note text)");
                Some(Self::Postgres(schema))
            }
        }
    }

    /// What a query calls the table.
    pub fn table(&self) -> String {
        match self {
            Self::Sqlite => "orders".to_owned(),
            Self::Postgres(postgres) => format!("{}.orders", postgres.schema),
        }
    }

    /// A sandbox whose runs find the table.
    pub fn sandbox(&self) -> Sandbox {
        let mut sandbox = Sandbox::new();
        match self {
            Self::Sqlite => {
                database(&sandbox).execute_batch("create table orders (id integer primary key, note text)").unwrap();
            }
            Self::Postgres(postgres) => sandbox.env("DATABASE_URL", &postgres.url),
        }
        sandbox
    }

    /// Makes the table have the rows 1 to `rows`.
    pub fn fill(&self, sandbox: &Sandbox, rows: u32) {
        match self {
            Self::Sqlite => database(sandbox)
                .execute_batch(&format!(
                    "delete from orders where id > {rows};
                     insert into orders with recursive n(i) as
                         (select coalesce(max(id), 0) + 1 from orders union all select i + 1 from n where i < {rows})
                         select i, 'note ' || i || replace(hex(zeroblob(45)), '0', '.') from n where i <= {rows}"
                ))
                .unwrap(),
            Self::Postgres(postgres) => {
                postgres.sql(&format!(
                    "delete from orders where id > {rows};
                     insert into orders select i, 'note ' || i || repeat('.', 90)
                         from generate_series((select coalesce(max(id), 0) + 1 from orders), {rows}) n(i)"
                ));
            }
        }
    }

    /// The rows of the table in a CSV file with a header, as the database itself tells them.
    pub fn rows(&self, sandbox: &Sandbox) -> String {
        let rows = match self {
            Self::Sqlite => database(sandbox)
                .query_row("select group_concat(id || ',' || note, char(10)) from orders", [], |row| row.get(0))
                .unwrap(),
            Self::Postgres(postgres) => postgres.sql("select id || ',' || note from orders"),
        };
        format!("id,note\n{rows}")
    }
}

fn database(sandbox: &Sandbox) -> Connection {
    Connection::open(sandbox.path().join("shop.db")).unwrap()
}
