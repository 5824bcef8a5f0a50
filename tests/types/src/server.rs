//! The servers that cases run on, spoken to by their own command line clients.

use std::fmt;
use std::io::Write;
use std::process::{Command, Stdio};

use rivet_e2e::{Sandbox, skip};

use crate::{Case, Version};

/// The sources that have cases.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Connector {
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
    /// SQLite files.
    Sqlite,
}

impl Connector {
    /// The `type:` of a source.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::Sqlite => "sqlite",
        }
    }

    /// Every server that the environment names: `RIVET_TEST_<NAME>_URL` and the further ones in `_MORE`.
    pub fn servers(self) -> Vec<Server> {
        if self == Self::Sqlite {
            let version = Version::parse(rusqlite::version()).unwrap();
            return vec![Server { connector: self, product: "sqlite".into(), version, url: String::new() }];
        }
        let variable = |end| format!("RIVET_TEST_{}_{end}", self.name().to_uppercase());
        let Ok(main) = std::env::var(variable("URL")) else {
            skip(&format!("{} names no server: use scripts/test", variable("URL")));
            return Vec::new();
        };
        let more = std::env::var(variable("MORE")).unwrap_or_default();
        std::iter::once(main.as_str()).chain(more.split_whitespace()).map(|url| self.server(url)).collect()
    }

    fn server(self, url: &str) -> Server {
        let mut server =
            Server { connector: self, product: self.name().into(), version: Version(0, 0), url: url.into() };
        let question = if self == Self::Postgres { "show server_version" } else { "select version()" };
        let answer = server.sql(None, question).unwrap_or_else(|e| panic!("{}: {e}", self.name()));
        server.version = Version::parse(answer.trim()).unwrap();
        if answer.contains("MariaDB") {
            server.product = "mariadb".into();
        }
        server
    }
}

/// A server, or the SQLite that is built in.
#[derive(Clone, Debug)]
pub struct Server {
    connector: Connector,
    product: String,
    version: Version,
    url: String,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.product, self.version)
    }
}

impl Server {
    /// Whether the server has what the case is about.
    pub(crate) fn has(&self, case: &Case) -> bool {
        // `until: 13` means all of 13.
        let ends = |until: Version| self.version <= until || (until.1 == 0 && until.0 == self.version.0);
        case.since.is_none_or(|since| self.version >= since)
            && case.until.is_none_or(ends)
            && case.only.as_ref().is_none_or(|only| *only == self.product)
    }

    /// Makes a schema, database or file for the case and runs its `[setup]`. `Ok(false)` says that the server lacks the
    /// case's extension.
    pub(crate) fn set_up(&self, case: &Case, sandbox: &Sandbox) -> Result<bool, String> {
        let setup = case.section("setup").unwrap_or_default();
        let space = space(case);
        match self.connector {
            Connector::Sqlite => {
                let database = rusqlite::Connection::open(sandbox.path().join("case.db")).map_err(|e| e.to_string())?;
                database.execute_batch(setup).map_err(|e| e.to_string())?;
            }
            Connector::Postgres => {
                if let Some(name) = &case.extension {
                    let create = format!("create extension if not exists {name} schema public");
                    if let Err(reason) = self.sql(None, &create) {
                        eprintln!("{self}: {}: skipped: no extension \"{name}\": {reason}", case.name);
                        return Ok(false);
                    }
                }
                // The search path may name a schema before it is there.
                let schema = format!("drop schema if exists {space} cascade; create schema {space};\n");
                self.sql(Some(&space), &(schema + setup))?;
            }
            Connector::Mysql => {
                let database = format!("drop database if exists {space}; create database {space}; use {space};\n");
                self.sql(None, &(database + setup))?;
            }
        }
        Ok(true)
    }

    /// Drops what `set_up` made.
    pub(crate) fn tear_down(&self, case: &Case) -> Result<(), String> {
        let space = space(case);
        match self.connector {
            Connector::Sqlite => Ok(()),
            Connector::Postgres => self.sql(None, &format!("drop schema {space} cascade")).map(drop),
            Connector::Mysql => self.sql(None, &format!("drop database {space}")).map(drop),
        }
    }

    /// The lines under `source:` that lead to the case's tables.
    pub(crate) fn source(&self, case: &Case, sandbox: &mut Sandbox) -> String {
        let url = match self.connector {
            Connector::Sqlite => return "type: sqlite\npath: case.db\n".to_owned(),
            Connector::Postgres => {
                let separator = if self.url.contains('?') { '&' } else { '?' };
                format!("{}{separator}options=-csearch_path%3D{}%2Cpublic", self.url, space(case))
            }
            Connector::Mysql => {
                let (server, parameters) = self.url.split_once('?').unwrap_or((&self.url, ""));
                let (server, _) = server.rsplit_once('/').unwrap();
                format!("{server}/{}?{parameters}", space(case)).trim_end_matches('?').to_owned()
            }
        };
        sandbox.env("DATABASE_URL", url);
        format!("type: {}\nurl_env: DATABASE_URL\n", self.connector.name())
    }

    /// Runs statements through the command line client, names being looked up in `space`; what it prints.
    fn sql(&self, space: Option<&str>, statements: &str) -> Result<String, String> {
        let mut command = match self.connector {
            Connector::Postgres => self.psql(space.unwrap_or("public")),
            _ => self.mariadb(space),
        };
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut client = spawned.map_err(|e| format!("{}: {e}", command.get_program().display()))?;
        client.stdin.take().unwrap().write_all(statements.as_bytes()).map_err(|e| e.to_string())?;
        let output = client.wait_with_output().map_err(|e| e.to_string())?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
        }
    }

    fn psql(&self, schema: &str) -> Command {
        let mut command = Command::new(std::env::var("RIVET_TEST_PSQL").unwrap_or_else(|_| "psql".into()));
        let options = format!("-c search_path={schema},public -c timezone=UTC -c client_min_messages=error");
        command.args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-f", "-", &self.url]).env("PGOPTIONS", options);
        command.env("PGCLIENTENCODING", "UTF8");
        command
    }

    /// The client gets the URL in parts, which need no decoding in the tests' URLs.
    fn mariadb(&self, database: Option<&str>) -> Command {
        let (server, _) = self.url.split_once('?').unwrap_or((&self.url, ""));
        let (login, server) = server.split_once("://").unwrap().1.rsplit_once('@').unwrap();
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let (address, default) = server.split_once('/').unwrap_or((server, ""));
        let (host, port) = address.split_once(':').unwrap_or((address, "3306"));
        let mut command = Command::new("mariadb");
        command.args(["--no-defaults", "-h", host, "-P", port, "-u", user, "-D", database.unwrap_or(default)]);
        command.args(["-N", "-B", "--default-character-set=utf8mb4"]).env("MYSQL_PWD", password);
        command
    }
}

/// The schema or database of a case.
fn space(case: &Case) -> String {
    format!("types_{}", case.name.replace(|c: char| !c.is_ascii_alphanumeric(), "_"))
}
