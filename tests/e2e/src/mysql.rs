//! A database of one test in a server of MySQL's family, spoken to through MariaDB's client.

use std::process::{Child, Command, Stdio};

/// A database that is dropped at the end.
pub struct Mysql {
    /// The server's URL, password included, which leads to another database.
    pub url: String,
    /// The database's name, which queries qualify their tables with.
    pub database: String,
}

impl Mysql {
    /// An empty database called `database` on the server of `url`.
    pub fn on(url: &str, database: &str) -> Self {
        let this = Self { url: url.to_owned(), database: database.to_owned() };
        let statements =
            format!("set lock_wait_timeout = 20; drop database if exists {database}; create database {database}");
        finish(&mut this.client(&statements, false), &statements);
        this
    }

    /// Runs statements, tables being looked up in the database; what the client prints, without headings.
    pub fn sql(&self, statements: &str) -> String {
        finish(&mut self.client(statements, true), statements)
    }

    /// Starts statements in a session of their own.
    pub fn start(&self, statements: &str) -> Child {
        self.client(statements, true).stdout(Stdio::null()).spawn().unwrap()
    }

    /// The client gets the URL in parts, which need no decoding in the tests' URLs.
    fn client(&self, statements: &str, in_database: bool) -> Command {
        let (login, server) = self.url.split_once("://").unwrap().1.rsplit_once('@').unwrap();
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let (address, default) = server.split_once('/').unwrap();
        let (host, port) = address.split_once(':').unwrap();
        let database = if in_database { &self.database } else { default };
        let mut command = Command::new("mariadb");
        command.args(["--no-defaults", "-h", host, "-P", port, "-u", user, "-D", database, "-N", "-B", "-e"]);
        command.args([statements, "--default-character-set=utf8mb4"]).env("MYSQL_PWD", password);
        command
    }
}

fn finish(command: &mut Command, statements: &str) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{statements}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

impl Drop for Mysql {
    fn drop(&mut self) {
        let statements = format!("set lock_wait_timeout = 20; drop database if exists {}", self.database);
        // After a failure the server may be gone, and a second panic would hide the first.
        let _ = self.client(&statements, false).output();
    }
}
