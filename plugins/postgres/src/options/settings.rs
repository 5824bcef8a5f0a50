//! Parameters of a URL of which only some values can be honoured, or which there is nothing to do for. As everywhere with
//! URLs, messages quote no value.

use rivet_plugin_api::{Error, Result};
use rivet_plugin_base::net::Target;

/// Parameters with the values that they may have, and what to do about another one.
const CHOICES: [(&str, &[&str], &str); 6] = [
    ("channel_binding", &["disable", "prefer", "require"], "use disable, prefer or require"),
    // Text is asked for in UTF-8, whatever else the server may offer.
    ("client_encoding", &["auto", "UTF8", "utf8", "UTF-8", "utf-8"], "remove it: text is always read as UTF-8"),
    ("gssencmode", &["disable", "prefer"], "remove it, and encrypt by \"sslmode\": GSSAPI is not offered"),
    // A URL names one host.
    ("load_balance_hosts", &["disable", "random"], "use disable or random"),
    ("sslnegotiation", &["postgres"], "remove it: TLS is always asked for in the way of PostgreSQL before 17"),
    (
        "target_session_attrs",
        &["any", "read-write", "read-only", "primary", "standby", "prefer-standby"],
        "use any, read-write, read-only, primary or standby",
    ),
];

/// Settings of the socket, which have no effect: a server that vanished is noticed without them.
const NUMBERS: [&str; 6] = [
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "tcp_user_timeout",
];

/// Checks what the URL says under the names of this file.
pub(super) fn check(target: &Target) -> Result<()> {
    for (name, known, hint) in CHOICES {
        if target.setting(name).is_some_and(|value| !known.contains(&value)) {
            return Err(Error::config(format!("URL parameter \"{name}\" has a value that is not supported")).hint(hint));
        }
    }
    for name in NUMBERS {
        if target.setting(name).is_some_and(|value| value.parse::<i64>().is_err()) {
            return Err(Error::config(format!("URL parameter \"{name}\" is not a number")));
        }
    }
    Ok(())
}
