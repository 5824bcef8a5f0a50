//! A place for tables in a server of either kind, for tests that ask the same of both.

use std::process::Child;
use std::time::{Duration, Instant};
use std::{env, thread};

use crate::{Mysql, Postgres, Sandbox, skip};

/// The makes of servers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
}

impl Kind {
    /// The `type:` of a source.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
        }
    }

    /// Runs `test` in an empty schema or database called `e2e_<name>`, on every server that the environment names.
    pub fn each(self, name: &str, test: impl Fn(&Database)) {
        let variable = |end| format!("RIVET_TEST_{}_{end}", self.name().to_uppercase());
        let Ok(main) = env::var(variable("URL")) else {
            return skip(&format!("{} names no server: use scripts/test", variable("URL")));
        };
        let more = env::var(variable("MORE")).unwrap_or_default();
        for url in std::iter::once(main.as_str()).chain(more.split_whitespace()) {
            test(&self.on(url, name));
        }
    }

    /// An empty schema or database called `e2e_<name>` on the server of `url`.
    pub fn on(self, url: &str, name: &str) -> Database {
        let name = format!("e2e_{name}");
        match self {
            Self::Postgres => Database::Postgres(Postgres::on(url, &name)),
            Self::Mysql => Database::Mysql(Mysql::on(url, &name)),
        }
    }
}

/// Makes two tests, `postgres::NAME` and `mysql::NAME`, of each function that takes a [`Kind`].
#[macro_export]
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod postgres {
            $(#[test] fn $name() { super::$name($crate::Kind::Postgres) })+
        }
        mod mysql {
            $(#[test] fn $name() { super::$name($crate::Kind::Mysql) })+
        }
    };
}

/// A schema or database that is dropped at the end.
pub enum Database {
    /// A schema of PostgreSQL.
    Postgres(Postgres),
    /// A database of MySQL or MariaDB.
    Mysql(Mysql),
}

impl Database {
    /// The make of its server.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Postgres(_) => Kind::Postgres,
            Self::Mysql(_) => Kind::Mysql,
        }
    }

    /// The server's URL, password included.
    pub fn url(&self) -> &str {
        match self {
            Self::Postgres(postgres) => &postgres.url,
            Self::Mysql(mysql) => &mysql.url,
        }
    }

    /// As [`Self::url`], for sessions that begin in another zone, with other formats and with backslashes that escape,
    /// where a URL can say so.
    pub fn foreign_url(&self) -> String {
        let options = "options=-c%20TimeZone%3DAsia/Tokyo%20-c%20DateStyle%3DGerman\
            %20-c%20standard_conforming_strings%3Doff";
        match self {
            Self::Postgres(Postgres { url, .. }) => {
                format!("{url}{}{options}", if url.contains('?') { '&' } else { '?' })
            }
            Self::Mysql(mysql) => mysql.url.clone(),
        }
    }

    /// What queries qualify their tables with.
    pub fn name(&self) -> &str {
        match self {
            Self::Postgres(postgres) => &postgres.schema,
            Self::Mysql(mysql) => &mysql.database,
        }
    }

    /// Runs statements; what the server's client prints, without headings.
    pub fn sql(&self, statements: &str) -> String {
        match self {
            Self::Postgres(postgres) => postgres.sql(statements),
            Self::Mysql(mysql) => mysql.sql(statements),
        }
    }

    /// Whether the server applies the bounds of a run to the tables in a query, rather than to a copy of its rows.
    pub fn merges_subqueries(&self) -> bool {
        self.kind() != Kind::Mysql || !self.sql("select version()").starts_with("5.6.")
    }

    /// Starts statements in a session of their own.
    pub fn start(&self, statements: &str) -> Child {
        match self {
            Self::Postgres(postgres) => postgres.start(statements),
            Self::Mysql(mysql) => mysql.start(statements),
        }
    }

    /// One of two texts, by the make of the server.
    pub fn either<'a>(&self, postgres: &'a str, mysql: &'a str) -> &'a str {
        match self {
            Self::Postgres(_) => postgres,
            Self::Mysql(_) => mysql,
        }
    }

    /// A sandbox whose runs find the server's URL, or another way to it, in `DATABASE_URL`.
    pub fn sandbox(&self, url: &str) -> Sandbox {
        let mut sandbox = Sandbox::new();
        sandbox.env("DATABASE_URL", url);
        sandbox
    }

    /// A configuration with the export `lines` of `query` into CSV files in `out`.
    pub fn config(&self, query: &str, tuning: &str) -> String {
        format!(
            "source: {{ type: {}, url_env: DATABASE_URL, tuning: {{ {tuning} }} }}
exports:
  - name: lines
    query: |
      {}
    format: csv
    destination: {{ type: local, path: out }}
",
            self.kind().name(),
            query.replace('\n', "\n      "),
        )
    }

    /// Makes a table of `rows` rows: `id` from 1 on, and `note`, which [`line`] repeats.
    pub fn fill(&self, table: &str, rows: u32) {
        self.sql(&format!("create table {table} (id int primary key, note varchar(200))"));
        let numbers = match self {
            Self::Postgres(_) => format!("generate_series(1, {rows}) as n(i)"),
            // For servers without WITH as well.
            Self::Mysql(_) => {
                let digit = "(select 0 as d union all select 1 union all select 2 union all select 3 union all \
                    select 4 union all select 5 union all select 6 union all select 7 union all select 8 union all select 9)";
                let digits = ["a", "b", "c", "d", "e"].map(|alias| format!("{digit} {alias}")).join(", ");
                format!(
                    "(select 1 + a.d + 10 * b.d + 100 * c.d + 1000 * d.d + 10000 * e.d as i from {digits}) n where i <= {rows}"
                )
            }
        };
        self.sql(&format!("insert into {table} select i, concat('note ', i, repeat('.', 90)) from {numbers}"));
    }

    /// How many other sessions are in a statement that holds `mark`, or between two of its pages.
    pub fn running(&self, mark: &str) -> u32 {
        let count = match self {
            Self::Postgres(_) => format!(
                "select count(*) from pg_stat_activity where state <> 'idle' and query like '%{mark}%' and pid <> pg_backend_pid()"
            ),
            Self::Mysql(_) => format!(
                "select count(*) from information_schema.processlist where info like '%{mark}%' and id <> connection_id()"
            ),
        };
        self.sql(&count).trim().parse().unwrap()
    }

    /// Waits until some session runs a statement that holds `mark`, or until none does.
    pub fn wait_until_runs(&self, mark: &str, runs: bool, limit: Duration) {
        let start = Instant::now();
        while (self.running(mark) > 0) != runs {
            assert!(start.elapsed() < limit, "after {limit:?}, \"{mark}\" runs: {}", !runs);
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The row `id` of a table made by [`Database::fill`], as it stands in a CSV file.
pub fn line(id: u32) -> String {
    format!("{id},note {id}{}", ".".repeat(90))
}
