//! Tables of one test in any source, for what has to hold whatever the connector is.

use rusqlite::Connection;

use crate::{Database, Kind, Sandbox};

/// The sources.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// A file in the sandbox.
    Sqlite,
    /// A server of this make.
    Server(Kind),
}

impl Source {
    /// Runs `test` with the embedded database, or in an empty schema or database called `e2e_<name>` on every server that
    /// the environment names.
    pub fn each(self, name: &str, test: impl Fn(&Tables<'_>)) {
        match self {
            Self::Sqlite => test(&Tables::embedded()),
            Self::Server(kind) => kind.each(name, |database| test(&Tables(Some(database)))),
        }
    }
}

/// Makes three tests, `sqlite::NAME`, `postgres::NAME` and `mysql::NAME`, of each function that takes a [`Source`].
#[macro_export]
macro_rules! on_all {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test] fn $name() { super::$name($crate::Source::Sqlite) })+
        }
        mod postgres {
            $(#[test] fn $name() { super::$name($crate::Source::Server($crate::Kind::Postgres)) })+
        }
        mod mysql {
            $(#[test] fn $name() { super::$name($crate::Source::Server($crate::Kind::Mysql)) })+
        }
    };
}

/// A place for tables. That of the embedded database is the file `shop.db` of the sandbox at hand, so that each sandbox
/// has its own; all others share the one of the server.
pub struct Tables<'a>(Option<&'a Database>);

impl Tables<'_> {
    /// In the embedded database.
    pub fn embedded() -> Self {
        Self(None)
    }

    /// A sandbox whose runs find the tables.
    pub fn sandbox(&self) -> Sandbox {
        self.0.map_or_else(Sandbox::new, |database| database.sandbox(database.url()))
    }

    /// Runs statements.
    pub fn sql(&self, sandbox: &Sandbox, statements: &str) {
        match self.0 {
            None => Connection::open(sandbox.path().join("shop.db")).unwrap().execute_batch(statements).unwrap(),
            Some(database) => drop(database.sql(statements)),
        }
    }

    /// The line `source:` of a configuration.
    pub fn source(&self, tuning: &str) -> String {
        let to = match self.0 {
            None => "type: sqlite, path: shop.db".to_owned(),
            Some(database) => format!("type: {}, url_env: DATABASE_URL", database.kind().name()),
        };
        format!("source: {{ {to}, tuning: {{ {tuning} }} }}")
    }

    /// What queries call a table.
    pub fn table(&self, name: &str) -> String {
        self.0.map_or_else(|| name.to_owned(), |database| format!("{}.{name}", database.name()))
    }

    /// One of three texts, by the source.
    pub fn pick<'a>(&self, sqlite: &'a str, postgres: &'a str, mysql: &'a str) -> &'a str {
        self.0.map_or(sqlite, |database| database.either(postgres, mysql))
    }
}
