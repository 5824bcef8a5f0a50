//! Turns what the server and the socket report into errors that say what to do next, sorted by error number first.

use std::time::Duration;

use mysql_common::constants::CapabilityFlags;
use mysql_common::io::ParseBuf;
use mysql_common::packets::ErrPacket;
use rivet_plugin_api::{Category, Error};

/// "Query execution was interrupted": a `KILL QUERY`, by us or by an administrator.
pub(crate) const INTERRUPTED: &str = "1317";

/// The error for a packet that begins with 0xff.
pub(crate) fn server_error(packet: &[u8]) -> Error {
    // Without the marker of an SQLSTATE the error comes from before the handshake: the server is full, for example.
    let capabilities = match packet.get(3) {
        Some(b'#') => CapabilityFlags::CLIENT_PROTOCOL_41,
        _ => CapabilityFlags::empty(),
    };
    match ParseBuf(packet).parse::<ErrPacket<'_>>(capabilities) {
        Ok(ErrPacket::Error(e)) => from_number(e.error_code(), &e.message_str()),
        Ok(ErrPacket::Progress(_)) => protocol("a progress report that nobody asked for"),
        Err(_) => protocol("an unreadable error message"),
    }
}

fn from_number(number: u16, message: &str) -> Error {
    let (category, pause_s) = classify(number);
    let mut error = Error::new(category, message).code(number.to_string());
    if pause_s > 0 {
        error = error.retry_after(Duration::from_secs(pause_s));
    }
    match hint(number) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// The category of an error number and the seconds to wait before a retry.
fn classify(number: u16) -> (Category, u64) {
    match number {
        // Too many connections, shutting down, a limit of the user, offline for maintenance, out of memory or of temporary
        // space.
        1040 | 1053 | 1203 | 1226 | 3032 | 3168 => (Category::Capacity, 15),
        1037 | 1038 | 1041 | 1135 => (Category::Capacity, 5),
        1213 => (Category::Deadlock, 1),
        // A lock that did not come, the limits of MySQL and MariaDB, and a statement that somebody killed.
        1205 | 1317 | 1907 | 1969 | 3024 | 3572 => (Category::Timeout, 0),
        // Connections that were killed or lost, packets that did not arrive whole, idle sessions that were closed, and
        // ProxySQL without a server to hand on to (9001).
        1042 | 1043 | 1080 | 1152..=1161 | 1184 | 1927 | 2002 | 2003 | 2006 | 2013 | 4031 | 9001 => {
            (Category::Network, 0)
        }
        1044 | 1045 | 1130 | 1142 | 1143 | 1227 | 1251 | 1275 | 1370 | 1524 | 1698 | 1820 | 1862 | 1873 | 3118
        | 3159 | 3955 | 4151 => (Category::Auth, 0),
        1049 => (Category::NotFound, 0),
        _ => (Category::Permanent, 0),
    }
}

/// What to do about an error: the server itself never says.
fn hint(number: u16) -> Option<&'static str> {
    Some(match number {
        1045 | 1698 => "check user and password, and from which hosts the user may log in",
        1044 | 1142 | 1143 | 1227 | 1370 => "grant SELECT on what the query reads to this user",
        1130 => "allow this machine in the user's host part",
        1820 | 1862 => "set a new password for this user",
        1049 => "check the database name",
        1146 => "check the table's name and database; names may be case-sensitive",
        1046 => "name a database in the connection, or write it before the table's name",
        1040 | 1203 | 1226 => "lower the number of parallel readers, or raise the server's or the user's limit",
        1205 => "raise \"lock_timeout_s\", or run when nobody holds the lock",
        1969 | 3024 => "raise \"statement_timeout_s\", or read in smaller chunks",
        1317 => "somebody ended the statement on the server: an administrator or a watchdog",
        1792 => "sessions are read-only: the query must not write or lock rows",
        3159 => "this user may only log in with TLS: set the TLS mode to \"require\" or more",
        _ => return None,
    })
}

/// The server, or what sits between, does not speak the protocol as documented.
pub(crate) fn protocol(what: impl std::fmt::Display) -> Error {
    Error::internal(format!("unexpected answer of the server: {what}"))
        .hint("is this a MySQL or MariaDB server or a proxy that speaks their protocol")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_follow_the_number() {
        for (number, category, pause_s) in [
            (1045, Category::Auth, 0),
            (1044, Category::Auth, 0),
            (1142, Category::Auth, 0),
            (1049, Category::NotFound, 0),
            (1146, Category::Permanent, 0),
            (1064, Category::Permanent, 0),
            (1040, Category::Capacity, 15),
            (1053, Category::Capacity, 15),
            (1226, Category::Capacity, 15),
            (1205, Category::Timeout, 0),
            (1969, Category::Timeout, 0),
            (3024, Category::Timeout, 0),
            (1213, Category::Deadlock, 1),
            (2013, Category::Network, 0),
            (9001, Category::Network, 0),
            (3032, Category::Capacity, 15),
        ] {
            assert_eq!(classify(number), (category, pause_s), "{number}");
        }
    }

    #[test]
    fn the_servers_words_are_kept() {
        let error = server_error(b"\xff\x15\x04#28000Access denied for user 'u'@'h'");
        assert_eq!(error.to_string(), "Access denied for user 'u'@'h' (1045)");
        assert!(error.hint_text().is_some());
        let full = server_error(b"\xff\x10\x04Too many connections");
        assert_eq!((full.category(), full.message()), (Category::Capacity, "Too many connections"));
        assert_eq!(server_error(b"\xff").category(), Category::Internal);
    }
}
