//! Turns what the server and the socket report into errors that say what to do next, sorted by SQLSTATE first.

use std::io;
use std::time::Duration;

use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::{ErrorFields, ErrorResponseBody};
use rivet_plugin_api::{Category, Error};

/// The server's "query cancelled", which a time limit and our own cancel request both raise.
pub(crate) const QUERY_CANCELED: &str = "57014";

/// "Protocol violation", the one code that pgbouncer has for nearly all that it says itself.
const POOLER: &str = "08P01";

/// Text that has no place in the client's encoding, or is none in the server's.
const UNTRANSLATABLE: &str = "22P05";
const NOT_IN_ENCODING: &str = "22021";

/// The parts of a server message that a user can act on.
#[derive(Debug, Default)]
pub(crate) struct ServerMessage {
    pub(crate) severity: String,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) detail: Option<String>,
    pub(crate) hint: Option<String>,
    /// Which character of the statement is meant, from 1.
    pub(crate) position: Option<usize>,
}

impl ServerMessage {
    /// Reads the fields of an error or a notice.
    pub(crate) fn read(mut fields: ErrorFields<'_>) -> io::Result<Self> {
        let mut out = Self::default();
        while let Some(field) = fields.next()? {
            let value = String::from_utf8_lossy(field.value_bytes()).into_owned();
            match field.type_() {
                b'S' => out.severity = value,
                b'C' => out.code = value,
                b'M' => out.message = value,
                b'D' => out.detail = Some(value),
                b'H' => out.hint = Some(value),
                b'P' => out.position = value.parse().ok(),
                _ => {}
            }
        }
        Ok(out)
    }
}

/// The error for an `ErrorResponse`, and which character of the statement it means.
pub(crate) fn server_error(body: &ErrorResponseBody) -> (Error, Option<usize>) {
    match ServerMessage::read(body.fields()) {
        Ok(message) => {
            let position = message.position;
            (from_message(message), position)
        }
        Err(e) => (protocol(format!("unreadable error message: {e}")), None),
    }
}

fn from_message(m: ServerMessage) -> Error {
    if m.code == POOLER && m.message.starts_with("unsupported startup parameter") {
        return Error::config(m.message)
            .code(m.code)
            .hint("a pooler refuses it: leave \"options\" out of the URL, or name it in pgbouncer's ignore_startup_parameters");
    }
    let (category, pause_s) = match m.code.as_str() {
        POOLER => (of_pooler(&m.message), 0),
        code => classify(code),
    };
    let mut text = m.message;
    if let Some(detail) = m.detail {
        text = format!("{text} ({})", detail.trim_end_matches('.'));
    }
    let mut error = Error::new(category, text).code(m.code.clone());
    if pause_s > 0 {
        error = error.retry_after(Duration::from_secs(pause_s));
    }
    let of_pooler = (m.code == POOLER && !category.is_transient())
        .then_some("check user, password and database, and that the pooler knows them");
    match m.hint.or_else(|| own_hint(&m.code).or(of_pooler).map(str::to_owned)) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// The category of an SQLSTATE and the seconds to wait before a retry.
fn classify(code: &str) -> (Category, u64) {
    match code {
        "53300" | "57P01" | "57P02" | "57P03" => (Category::Capacity, 15),
        "40001" | "40P01" => (Category::Deadlock, 1),
        // 55P03 is a lock that did not come within lock_timeout, 57P05 a session that idled too long.
        QUERY_CANCELED | "55P03" => (Category::Timeout, 0),
        "57P05" => (Category::Network, 0),
        "42501" => (Category::Auth, 0),
        "3D000" => (Category::NotFound, 0),
        UNTRANSLATABLE | NOT_IN_ENCODING => (Category::Data, 0),
        _ => match code.get(..2) {
            Some("08") => (Category::Network, 0),
            Some("53") => (Category::Capacity, 5),
            Some("28") => (Category::Auth, 0),
            _ => (Category::Permanent, 0),
        },
    }
}

/// The category of what a pooler says, for which there is nothing but its words. Most of it passes.
fn of_pooler(message: &str) -> Category {
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| message.contains(phrase));
    if says(&["authentication failed", "no such user", "login rejected", "wrong password", "TLS required"]) {
        Category::Auth
    } else if says(&["no such database", "does not exist"]) {
        Category::NotFound
    } else if says(&["no more connections allowed"]) {
        Category::Capacity
    } else {
        Category::Network
    }
}

/// What to do about errors to which the server adds no hint.
fn own_hint(code: &str) -> Option<&'static str> {
    Some(match code {
        "28P01" | "28000" => "check user and password, and the server's pg_hba.conf for this host and TLS mode",
        "42501" => "grant SELECT on what the query reads to this role",
        "3D000" => "check the database name",
        "53300" => "lower the number of parallel readers, or raise max_connections or the role's connection limit",
        QUERY_CANCELED => "raise \"statement_timeout_s\", or read in smaller chunks",
        UNTRANSLATABLE | NOT_IN_ENCODING => {
            "the database stores text that is no UTF-8 (SQL_ASCII), or names bytes of another encoding: convert the \
             column in the query, as by convert_from(column::bytea, 'LATIN1')"
        }
        "55P03" => "raise \"lock_timeout_s\", or run when nobody holds the lock",
        "25006" => "sessions are read-only: the query must not write or lock rows",
        "40001" => "on a standby, long reads conflict with replay: raise max_standby_streaming_delay or read in chunks",
        "42P01" => "check the table's name and schema, and the role's search_path",
        _ => return None,
    })
}

/// The server, or what sits between, does not speak the protocol as documented.
pub(crate) fn protocol(what: impl std::fmt::Display) -> Error {
    Error::internal(format!("unexpected answer of the server: {what}"))
        .hint("is this a PostgreSQL server or a proxy that speaks its protocol, version 3")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_follow_the_sqlstate() {
        for (code, category, pause_s) in [
            ("08006", Category::Network, 0),
            ("57P01", Category::Capacity, 15),
            ("53300", Category::Capacity, 15),
            ("53200", Category::Capacity, 5),
            ("40001", Category::Deadlock, 1),
            ("40P01", Category::Deadlock, 1),
            ("57014", Category::Timeout, 0),
            ("28P01", Category::Auth, 0),
            ("42501", Category::Auth, 0),
            ("42P01", Category::Permanent, 0),
            ("3D000", Category::NotFound, 0),
            ("22021", Category::Data, 0),
            ("", Category::Permanent, 0),
        ] {
            assert_eq!(classify(code), (category, pause_s), "{code}");
        }
    }

    #[test]
    fn a_pooler_is_understood_by_its_words() {
        for (message, category) in [
            ("SASL authentication failed", Category::Auth),
            ("no such user: x", Category::Auth),
            ("database \"x\" does not exist", Category::NotFound),
            ("no such database: x", Category::NotFound),
            ("no more connections allowed (max_client_conn)", Category::Capacity),
            ("server conn crashed?", Category::Network),
            ("query_wait_timeout", Category::Network),
        ] {
            let message = ServerMessage { code: POOLER.into(), message: message.into(), ..ServerMessage::default() };
            assert_eq!(from_message(message).category(), category);
        }
    }

    #[test]
    fn detail_and_hint_of_the_server_are_kept() {
        let error = from_message(ServerMessage {
            code: "42703".into(),
            message: "column \"x\" does not exist".into(),
            detail: Some("There is one elsewhere.".into()),
            hint: Some("Perhaps you meant \"y\".".into()),
            ..ServerMessage::default()
        });
        assert_eq!(error.to_string(), "column \"x\" does not exist (There is one elsewhere) (42703)");
        assert_eq!(error.hint_text(), Some("Perhaps you meant \"y\"."));
    }
}
