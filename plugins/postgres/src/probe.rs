//! What `doctor` wants to know of a server: who answers, who we are there, and what is risky about it.

use rivet_plugin_api::{Probe, Result};

use crate::wire::Connection;

/// Rights are asked for in one statement; the search for a writable table ends with the first.
const QUESTIONS: &str = "SELECT pg_catalog.current_database(), current_user, \
     (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user), \
     EXISTS (SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
       WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
       AND n.nspname NOT LIKE 'pg\\_%' \
       AND pg_catalog.has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')), \
     pg_catalog.pg_is_in_recovery()";

/// Asks the server about itself, inside a transaction.
pub(crate) fn probe(connection: &mut Connection) -> Result<Probe> {
    let mut row = connection.query(QUESTIONS)?.pop().unwrap_or_default().into_iter();
    let mut next = || row.next().flatten();
    let (database, user) = (next(), next());
    let (superuser, writer, standby) = (is_true(next()), is_true(next()), is_true(next()));
    let mut warnings = Vec::new();
    if superuser {
        warnings.push("the role is a superuser: use one that may only read".to_owned());
    } else if writer {
        warnings.push("the role may write to tables: use one that may only read".to_owned());
    }
    if standby {
        warnings.push("the server is a standby: it may cancel long reads that conflict with replay".to_owned());
    }
    warnings.extend(connection.warning().map(str::to_owned));
    Ok(Probe {
        server: "PostgreSQL".to_owned(),
        version: connection.parameter("server_version").unwrap_or("unknown").to_owned(),
        user,
        database,
        encrypted: Some(connection.is_encrypted()),
        remote: Some(connection.is_remote()),
        replica: Some(standby),
        warnings,
    })
}

fn is_true(cell: Option<String>) -> bool {
    cell.as_deref() == Some("t")
}
