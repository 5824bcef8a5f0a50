//! Sorts errors by their words, which is the last resort: for connectors that report what a library told them, without a
//! code and without a category.

use rivet_plugin_api::{Category, Error};

use Category::{Capacity, Deadlock, Network, Permanent, Timeout};

/// Phrases by what they mean. The first that occurs decides, so that what no retry can cure comes first.
const PHRASES: [(Category, &[&str]); 5] = [
    (
        Permanent,
        &[
            "loading credential",
            "loadcredential",
            "metadata.google.internal",
            "permission denied",
            "access denied",
            "invalid_grant",
            "token has been expired or revoked",
        ],
    ),
    (
        Network,
        &[
            "connection reset",
            "broken pipe",
            "connection refused",
            "no route to host",
            "network is unreachable",
            "name resolution",
            "dns",
            "ssl handshake",
            "i/o timeout",
            "unexpected eof",
            "closed the connection unexpectedly",
            "got an error reading communication packets",
            "gone away",
            "lost connection",
            "the server closed the connection",
            "can't connect to",
        ],
    ),
    (Timeout, &["timed out", "timeout", "canceling statement", "lock wait timeout", "execution time exceeded"]),
    (Capacity, &["too many connections", "database system is starting up", "database system is shutting down"]),
    (Deadlock, &["deadlock", "could not serialize access"]),
];

/// The category of an error: its connector's, unless that only says that it does not know.
pub(super) fn category(error: &Error) -> Category {
    if error.category() != Permanent || error.code_text().is_some_and(|code| !code.is_empty()) {
        return error.category();
    }
    let text = words(error.message());
    let meant = PHRASES.iter().find(|(_, phrases)| phrases.iter().any(|phrase| text.contains(phrase)));
    meant.map_or(Permanent, |(category, _)| *category)
}

/// The message without its values, which stand in quotes: a file may be called `timeout`.
fn words(message: &str) -> String {
    message.split('"').step_by(2).collect::<String>().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_decides_wherever_it_stands_and_however_it_is_written() {
        for (meant, phrases) in PHRASES {
            for phrase in phrases {
                let error = Error::permanent(format!("Driver said: {} (again)", phrase.to_uppercase()));
                assert_eq!(category(&error), meant, "{phrase}");
            }
        }
        assert_eq!(category(&Error::permanent("syntax error")), Permanent);
        assert_eq!(category(&Error::permanent("Permission denied: connection reset")), Permanent);
    }

    #[test]
    fn categories_codes_and_values_come_before_words() {
        assert_eq!(category(&Error::auth("timeout")), Category::Auth);
        assert_eq!(category(&Error::permanent("column timeout is missing").code("42703")), Permanent);
        assert_eq!(category(&Error::permanent("could not write \"out/dns\": too large")), Permanent);
        assert_eq!(category(&Error::permanent("no").context("could not read export \"deadlock\"")), Permanent);
    }
}
