//! What the two makes of servers are told differently.

use std::fmt::Write as _;

use crate::cell::{Form, Row};
use crate::tables::{TABLES, Table, VIEW};

/// A make of servers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Engine {
    Postgres,
    Mysql,
}

/// An INSERT ends after so many bytes: servers refuse statements of more than 16 MiB, and gain nothing by large ones.
const STATEMENT: usize = 1 << 20;

impl Engine {
    pub fn name(self) -> &'static str {
        if self == Self::Postgres { "PostgreSQL" } else { "MySQL" }
    }

    pub fn client(self) -> &'static str {
        self.programs()[0]
    }

    pub fn programs(self) -> &'static [&'static str] {
        if self == Self::Postgres { &["psql"] } else { &["mariadb", "mysql"] }
    }

    pub fn package(self) -> &'static str {
        if self == Self::Postgres { "postgresql-client" } else { "mariadb-client" }
    }

    pub fn schemes(self) -> &'static [&'static str] {
        if self == Self::Postgres { &["postgresql", "postgres"] } else { &["mysql"] }
    }

    /// Asks which of the names are taken.
    pub fn present(self) -> String {
        let names: Vec<String> = TABLES.iter().map(|t| t.name).chain([VIEW]).map(|name| format!("'{name}'")).collect();
        let schema = if self == Self::Postgres { "current_schema()" } else { "database()" };
        format!(
            "select table_name from information_schema.tables where table_schema = {schema} and table_name in ({}) order by 1",
            names.join(", ")
        )
    }

    /// In PostgreSQL all is one transaction, so that a failure leaves nothing.
    pub fn begin(self) -> &'static str {
        match self {
            Self::Postgres => "BEGIN; SET LOCAL synchronous_commit = off; SET LOCAL client_min_messages = warning;\n",
            Self::Mysql => {
                "SET SESSION sql_mode = 'STRICT_ALL_TABLES', time_zone = '+00:00', unique_checks = 0, foreign_key_checks = 0;\n"
            }
        }
    }

    pub fn create(self, table: &Table) -> String {
        let columns: Vec<String> =
            table.columns.iter().map(|(name, kind)| format!("{name} {}", self.kind(kind))).collect();
        let mut sql = format!("CREATE TABLE {} ({});\n", table.name, columns.join(", "));
        match self {
            Self::Postgres => {
                let _ = writeln!(sql, "COPY {} FROM STDIN;", table.name);
            }
            Self::Mysql => sql.push_str("START TRANSACTION;\n"),
        }
        sql
    }

    /// Types by the names that PostgreSQL gives them.
    fn kind(self, kind: &str) -> String {
        if self == Self::Postgres {
            return kind.to_owned();
        }
        let pairs = [
            ("bigserial", "bigint auto_increment"),
            ("serial", "int auto_increment"),
            ("numeric", "decimal"),
            ("jsonb", "json"),
            ("timestamp", "datetime"),
            ("text", "mediumtext"),
        ];
        let of = pairs.iter().find(|(postgres, _)| kind.split([' ', '(']).next() == Some(*postgres));
        of.map_or(kind.to_owned(), |(postgres, mysql)| kind.replacen(postgres, mysql, 1))
    }

    /// What follows the rows: indexes are made faster when the rows are there.
    pub fn finish(self, table: &Table) -> String {
        let mut sql = if self == Self::Postgres { String::new() } else { "COMMIT;\n".to_owned() };
        for column in table.indexes {
            let _ = writeln!(sql, "CREATE INDEX {0}_{column} ON {0} ({column});", table.name);
        }
        if self == Self::Postgres && table.columns[0].1.contains("serial") {
            let name = table.name;
            let _ = writeln!(sql, "SELECT setval(pg_get_serial_sequence('{name}', 'id'), max(id)) FROM {name};");
        }
        sql
    }

    pub fn end(self) -> String {
        let view = format!(
            "CREATE VIEW {VIEW} AS SELECT row_number() OVER (ORDER BY id) AS chunk_rownum, id, payload FROM orders_sparse;\n"
        );
        let names: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
        match self {
            Self::Postgres => format!("{view}COMMIT;\nANALYZE {};\n", names.join(", ")),
            Self::Mysql => format!("{view}ANALYZE TABLE {};\n", names.join(", ")),
        }
    }

    pub fn batch(self, table: &Table, rows: u64) -> Batch {
        let form = if self == Self::Postgres { Form::Copy } else { Form::Insert };
        Batch { form, head: format!("INSERT INTO {} VALUES ", table.name), most: rows, rows: 0, bytes: 0 }
    }
}

/// Drops what exists of the tables.
pub fn drop_all() -> String {
    let mut sql = format!("DROP VIEW IF EXISTS {VIEW};\n");
    for table in TABLES {
        let _ = writeln!(sql, "DROP TABLE IF EXISTS {};", table.name);
    }
    sql
}

/// Rows between what they begin and end with.
pub struct Batch {
    form: Form,
    head: String,
    most: u64,
    rows: u64,
    bytes: usize,
}

impl Batch {
    pub fn row(&mut self, out: &mut Vec<u8>, fill: impl FnOnce(&mut Row<'_>)) {
        if self.form == Form::Copy {
            fill(&mut Row::new(out, self.form));
            out.push(b'\n');
            return;
        }
        let before = out.len();
        out.extend_from_slice(if self.rows == 0 { self.head.as_bytes() } else { b"," });
        out.push(b'(');
        fill(&mut Row::new(out, self.form));
        out.push(b')');
        self.rows += 1;
        self.bytes += out.len() - before;
        if self.rows >= self.most || self.bytes >= STATEMENT {
            self.close(out);
        }
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if self.rows > 0 {
            out.extend_from_slice(b";\n");
        }
        (self.rows, self.bytes) = (0, 0);
    }

    pub fn end(&mut self, out: &mut Vec<u8>) {
        match self.form {
            Form::Copy => out.extend_from_slice(b"\\.\n"),
            Form::Insert => self.close(out),
        }
    }
}
