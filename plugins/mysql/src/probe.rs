//! What `doctor` wants to know of a server: who answers, who we are there, and what is risky about it.

use rivet_plugin_api::{Probe, Result};

use crate::wire::Connection;

/// Rights that a reader does not need, as `SHOW GRANTS` words them.
const WRITING: [&str; 8] = ["ALL PRIVILEGES", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "SUPER"];

/// Asks the server about itself.
pub(crate) fn probe(connection: &mut Connection) -> Result<Probe> {
    let mut row = connection.query("SELECT DATABASE(), CURRENT_USER()")?.pop().unwrap_or_default().into_iter();
    let (database, user) = (row.next().flatten(), row.next().flatten());
    let mut warnings = Vec::new();
    if may_write(connection)? {
        warnings.push("the user may write: use one that may only read".to_owned());
    }
    warnings.extend(connection.warning().map(str::to_owned));
    Ok(Probe {
        server: connection.server().product().to_owned(),
        version: connection.server().version.clone(),
        user,
        database,
        encrypted: Some(connection.is_encrypted()),
        warnings,
    })
}

fn may_write(connection: &mut Connection) -> Result<bool> {
    let grants = connection.query("SHOW GRANTS")?;
    let lists = grants.iter().filter_map(|row| {
        let grant = row.first()?.as_deref()?.strip_prefix("GRANT ")?;
        // What everybody may do, as in MariaDB's database "test", no other user would lack.
        if grant.contains(" TO PUBLIC") {
            return None;
        }
        Some(grant.split_once(" ON ")?.0)
    });
    Ok(lists.flat_map(|list| list.split(", ")).any(|right| WRITING.iter().any(|w| right.starts_with(w))))
}
