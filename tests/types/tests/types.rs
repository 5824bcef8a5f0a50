//! One test a connector, and one that its page of the documentation says the same.

use rivet_types::{Connector, check, check_docs};

#[test]
fn postgres() {
    check(Connector::Postgres);
}

#[test]
fn mysql() {
    check(Connector::Mysql);
}

#[test]
fn sqlite() {
    check(Connector::Sqlite);
}

#[test]
fn docs_postgres() {
    check_docs(Connector::Postgres);
}

#[test]
fn docs_mysql() {
    check_docs(Connector::Mysql);
}

#[test]
fn docs_sqlite() {
    check_docs(Connector::Sqlite);
}
