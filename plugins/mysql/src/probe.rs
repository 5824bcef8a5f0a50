//! What `doctor` wants to know of a server: who answers, who we are there, and what is risky about it.

use rivet_plugin_api::{Probe, Result};

use crate::wire::Connection;

/// Rights that a reader does not need, as `SHOW GRANTS` words them.
const WRITING: [&str; 8] = ["ALL PRIVILEGES", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "SUPER"];

/// How servers answer whom they follow; the older ones know only the second.
const FOLLOWS: [&str; 2] = ["SHOW REPLICA STATUS", "SHOW SLAVE STATUS"];

/// Asks the server about itself.
pub(crate) fn probe(connection: &mut Connection) -> Result<Probe> {
    let mut row = connection.query("SELECT DATABASE(), CURRENT_USER()")?.pop().unwrap_or_default().into_iter();
    let (database, user) = (row.next().flatten(), row.next().flatten());
    let mut warnings = Vec::new();
    let grants = grants(connection)?;
    if grants.iter().any(|(rights, on)| has(rights, &["SUPER"]) || on == "*.*" && has(rights, &["ALL PRIVILEGES"])) {
        warnings.push("the user may do everything on the server: use one that may only read".to_owned());
    } else if grants.iter().any(|(rights, _)| has(rights, &WRITING)) {
        warnings.push("the user may write: use one that may only read".to_owned());
    }
    warnings.extend(connection.warning().map(str::to_owned));
    Ok(Probe {
        server: connection.server().product().to_owned(),
        version: connection.server().version.clone(),
        user,
        database,
        encrypted: Some(connection.is_encrypted()),
        remote: Some(connection.is_remote()),
        replica: is_replica(connection),
        warnings,
    })
}

/// The rights of the user, and on what each list of them is.
fn grants(connection: &mut Connection) -> Result<Vec<(String, String)>> {
    let grants = connection.query("SHOW GRANTS")?;
    let parse = |row: Vec<Option<String>>| {
        let grant = row.into_iter().next()??;
        let (rights, on) = grant.strip_prefix("GRANT ")?.split_once(" ON ")?;
        let (on, to) = on.split_once(" TO ")?;
        // What everybody may do, as in MariaDB's database "test", no other user would lack.
        (!to.starts_with("PUBLIC")).then(|| (rights.to_owned(), on.to_owned()))
    };
    Ok(grants.into_iter().filter_map(parse).collect())
}

fn has(rights: &str, any: &[&str]) -> bool {
    rights.split(", ").any(|right| any.iter().any(|one| right.starts_with(one)))
}

/// Whether the server follows another one, where the user may know that.
fn is_replica(connection: &mut Connection) -> Option<bool> {
    FOLLOWS.iter().find_map(|statement| connection.query(statement).ok()).map(|rows| !rows.is_empty())
}
