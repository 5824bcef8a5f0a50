//! Errors of drivers as those of Rivet: which category, without a secret, and with the code of the database.

use adbc_core::error::{Error as AdbcError, Status};
use rivet_plugin_api::{Category, Error};

/// The values that no message may show.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    pub(crate) fn new(secrets: impl Iterator<Item = String>) -> Self {
        let mut all = Vec::new();
        for secret in secrets {
            // A driver may show a URI with its password in parts.
            let userinfo = secret.split_once("://").and_then(|(_, rest)| rest.split_once('@'));
            if let Some((_, password)) = userinfo.and_then(|(user, _)| user.split_once(':')) {
                all.push(password.to_owned());
            }
            all.push(secret);
        }
        all.retain(|secret| !secret.is_empty());
        all.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self(all)
    }

    fn hide(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "***"))
    }

    /// What a driver said, as an error that the host knows how to treat.
    pub(crate) fn error(&self, error: &AdbcError) -> Error {
        let state: String = error.sqlstate.iter().map(|c| char::from(*c as u8)).collect();
        let state = Some(state).filter(|state| state != "00000" && state.bytes().all(|c| c.is_ascii_alphanumeric()));
        // Drivers mark "no code" by 0, and by the lowest number in errors with details.
        let vendor = Some(error.vendor_code).filter(|code| *code != 0 && *code != i32::MIN);
        let text = one_line(&self.hide(&error.message));
        let category = state.as_deref().map_or_else(|| of_status(error.status, &text), of_sqlstate);
        let result = Error::new(category, text);
        match state.or(vendor.map(|code| code.to_string())) {
            Some(code) => result.code(code),
            None => result,
        }
    }
}

/// One line without a full stop, and without what is drawn under it.
fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "^");
    let line = lines.collect::<Vec<_>>().join("; ");
    let line = line.trim_end_matches(['.', ';', ' ']);
    if line.is_empty() { "the driver gave no reason".to_owned() } else { line.to_owned() }
}

/// The SQLSTATEs that mean the same everywhere.
fn of_sqlstate(state: &str) -> Category {
    match state {
        "42501" => Category::Auth,
        "3D000" | "3F000" => Category::NotFound,
        "40001" | "40P01" => Category::Deadlock,
        "55P03" | "57014" => Category::Timeout,
        "57P01" | "57P02" => Category::Network,
        "57P03" => Category::Capacity,
        _ if state.starts_with("08") => Category::Network,
        _ if state.starts_with("22") => Category::Data,
        _ if state.starts_with("28") => Category::Auth,
        _ if state.starts_with("53") => Category::Capacity,
        _ => Category::Permanent,
    }
}

fn of_status(status: Status, text: &str) -> Category {
    match status {
        // A server that refuses a login has no statement to attach an SQLSTATE to, and drivers call it I/O.
        _ if text.contains("authentication failed") => Category::Auth,
        Status::IO if text.contains("does not exist") => Category::NotFound,
        Status::IO => Category::Network,
        Status::Timeout | Status::Cancelled => Category::Timeout,
        Status::Unauthenticated | Status::Unauthorized => Category::Auth,
        Status::NotFound => Category::NotFound,
        Status::NotImplemented => Category::Unsupported,
        Status::InvalidData => Category::Data,
        _ => Category::Permanent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(message: &str, status: Status, state: &[u8; 5]) -> Error {
        let secrets = Secrets::new(["postgresql://u:pa55@h/d".to_owned()].into_iter());
        let sqlstate = state.map(|c| c as _);
        secrets.error(&AdbcError { sqlstate, ..AdbcError::with_message_and_status(message, status) })
    }

    #[test]
    fn an_sqlstate_says_more_than_a_status() {
        let deadlock = error("deadlock detected.", Status::Internal, b"40P01");
        assert_eq!((deadlock.category(), deadlock.code_text()), (Category::Deadlock, Some("40P01")));
        assert_eq!(deadlock.message(), "deadlock detected");
        assert_eq!(error("x", Status::IO, b"\0\0\0\0\0").category(), Category::Network);
        assert_eq!(error("password authentication failed", Status::IO, b"\0\0\0\0\0").category(), Category::Auth);
    }

    #[test]
    fn secrets_are_hidden_whole_and_in_parts() {
        let shown = error("no postgresql://u:pa55@h/d, and pa55\n  ^\n", Status::IO, b"\0\0\0\0\0");
        assert_eq!(shown.message(), "no ***, and ***");
    }
}
