//! SQLite's result codes as errors of the contract: what the host or the user does next, and the extended code's name.

use rivet_plugin_api::{Category, CursorValue, Error};
use rusqlite::ErrorCode as E;
use rusqlite::ffi;
use rusqlite::types::ValueRef;

use crate::options::Location;

/// What the message of the functions that read dates and timestamps begins with; the value that is none follows.
pub(crate) const NO_TIME: &str = "no date or timestamp: ";

/// The most characters of a text, and digits of a blob, that a message shows.
const MOST_SHOWN: usize = 60;

/// The error of a statement.
pub(crate) fn driver(error: rusqlite::Error) -> Error {
    match error {
        rusqlite::Error::SqliteFailure(code, message) => {
            failure(code, message.unwrap_or_else(|| "the database refused the call".to_owned()))
        }
        rusqlite::Error::SqlInputError { error, msg, .. } => failure(error, msg),
        rusqlite::Error::MultipleStatement => Error::permanent("the query holds more than one statement"),
        other => Error::internal(other.to_string()),
    }
}

/// The error of preparing what the user wrote as `query`; `origin` tells where a byte of the statement stands in it.
pub(crate) fn of_query(error: rusqlite::Error, query: &str, origin: impl FnOnce(usize) -> usize) -> Error {
    let rusqlite::Error::SqlInputError { error, msg, offset, .. } = error else { return driver(error) };
    // SQLite names no place by a negative one.
    let place = usize::try_from(offset).ok().and_then(|offset| query.get(..origin(offset)));
    failure(error, msg + &place.map(at).unwrap_or_default())
}

/// The error of opening the database or of touching its file for the first time.
pub(crate) fn opening(error: rusqlite::Error, location: &Location) -> Error {
    let error = driver(error).context(format!("could not open \"{}\"", location.display()));
    match error.code_text() {
        Some("SQLITE_NOTADB") => error.hint("the file is not an SQLite database, or it is encrypted"),
        Some(code) if code.starts_with("SQLITE_CANTOPEN") || code.starts_with("SQLITE_READONLY") => error.hint(
            "check the path and its rights; a database in WAL mode also needs its -shm file, or the right to create it",
        ),
        _ => error,
    }
}

fn failure(code: ffi::Error, message: String) -> Error {
    if let Some(value) = message.strip_prefix(NO_TIME) {
        let text =
            format!("the date or timestamp column that selects or orders rows holds a value that is none: {value}");
        return Error::data(text)
            .code(name(ffi::SQLITE_MISMATCH))
            .hint("correct the value, or make the column a number or text with CAST in the query");
    }
    let category = match code.code {
        E::OperationInterrupted => return Error::cancelled().code(name(code.extended_code)),
        E::DatabaseBusy | E::FileLockingProtocolFailed => Category::Timeout,
        E::DatabaseLocked | E::SchemaChanged => Category::Deadlock,
        E::OutOfMemory | E::DiskFull => Category::Capacity,
        E::PermissionDenied | E::AuthorizationForStatementDenied => Category::Auth,
        E::CannotOpen => Category::NotFound,
        E::TooBig | E::TypeMismatch => Category::Data,
        E::ApiMisuse | E::InternalMalfunction | E::ParameterOutOfRange => Category::Internal,
        _ => Category::Permanent,
    };
    let error = Error::new(category, message).code(name(code.extended_code));
    match code.code {
        E::DatabaseBusy => {
            error.hint("a writer holds the lock: raise the lock timeout, or switch the database to WAL mode")
        }
        E::DatabaseCorrupt => error.hint("run PRAGMA integrity_check on the database, or restore it from a backup"),
        _ => error,
    }
}

/// A value for a message: one line, shortened, and of a form that tells its storage class.
pub(crate) fn shown(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(value) => value.to_string(),
        ValueRef::Real(value) if value.is_infinite() => if value > 0.0 { "Inf" } else { "-Inf" }.to_owned(),
        // With a point or an exponent, so that it is no integer and not hundreds of digits long.
        ValueRef::Real(value) => format!("{value:?}"),
        ValueRef::Text(text) => {
            // No character has more than four bytes.
            let begin = String::from_utf8_lossy(&text[..text.len().min(4 * (MOST_SHOWN + 1))]);
            let line: String = begin.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
            format!("\"{}\"", shortened(&line))
        }
        ValueRef::Blob(blob) => {
            let begin = blob.iter().take(MOST_SHOWN).copied().collect();
            format!("x'{}'", shortened(&CursorValue::Bytes(begin).to_string()))
        }
    }
}

/// The first [`MOST_SHOWN`] characters of `text`, the last of which says that there are more.
fn shortened(text: &str) -> String {
    if text.chars().count() <= MOST_SHOWN {
        return text.to_owned();
    }
    text.chars().take(MOST_SHOWN - 1).chain(['…']).collect()
}

/// ` at line 2, column 5`, where `before` is the text before that place.
fn at(before: &str) -> String {
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
    format!(" at line {line}, column {column}")
}

/// The extended code's name as SQLite documents it; one that is not listed here falls back to its primary code's.
fn name(code: i32) -> &'static str {
    match code {
        ffi::SQLITE_BUSY_RECOVERY => "SQLITE_BUSY_RECOVERY",
        ffi::SQLITE_BUSY_SNAPSHOT => "SQLITE_BUSY_SNAPSHOT",
        ffi::SQLITE_BUSY_TIMEOUT => "SQLITE_BUSY_TIMEOUT",
        ffi::SQLITE_CANTOPEN_ISDIR => "SQLITE_CANTOPEN_ISDIR",
        ffi::SQLITE_CANTOPEN_FULLPATH => "SQLITE_CANTOPEN_FULLPATH",
        ffi::SQLITE_CORRUPT_INDEX => "SQLITE_CORRUPT_INDEX",
        ffi::SQLITE_CORRUPT_VTAB => "SQLITE_CORRUPT_VTAB",
        ffi::SQLITE_ERROR_MISSING_COLLSEQ => "SQLITE_ERROR_MISSING_COLLSEQ",
        ffi::SQLITE_IOERR_READ => "SQLITE_IOERR_READ",
        ffi::SQLITE_IOERR_SHORT_READ => "SQLITE_IOERR_SHORT_READ",
        ffi::SQLITE_IOERR_FSTAT => "SQLITE_IOERR_FSTAT",
        ffi::SQLITE_IOERR_LOCK => "SQLITE_IOERR_LOCK",
        ffi::SQLITE_IOERR_RDLOCK => "SQLITE_IOERR_RDLOCK",
        ffi::SQLITE_IOERR_SHMOPEN => "SQLITE_IOERR_SHMOPEN",
        ffi::SQLITE_IOERR_SHMMAP => "SQLITE_IOERR_SHMMAP",
        ffi::SQLITE_IOERR_NOMEM => "SQLITE_IOERR_NOMEM",
        ffi::SQLITE_LOCKED_SHAREDCACHE => "SQLITE_LOCKED_SHAREDCACHE",
        ffi::SQLITE_READONLY_RECOVERY => "SQLITE_READONLY_RECOVERY",
        ffi::SQLITE_READONLY_CANTLOCK => "SQLITE_READONLY_CANTLOCK",
        ffi::SQLITE_READONLY_ROLLBACK => "SQLITE_READONLY_ROLLBACK",
        ffi::SQLITE_READONLY_CANTINIT => "SQLITE_READONLY_CANTINIT",
        ffi::SQLITE_READONLY_DIRECTORY => "SQLITE_READONLY_DIRECTORY",
        code => primary_name(code & 0xff),
    }
}

fn primary_name(code: i32) -> &'static str {
    match code {
        ffi::SQLITE_INTERNAL => "SQLITE_INTERNAL",
        ffi::SQLITE_PERM => "SQLITE_PERM",
        ffi::SQLITE_ABORT => "SQLITE_ABORT",
        ffi::SQLITE_BUSY => "SQLITE_BUSY",
        ffi::SQLITE_LOCKED => "SQLITE_LOCKED",
        ffi::SQLITE_NOMEM => "SQLITE_NOMEM",
        ffi::SQLITE_READONLY => "SQLITE_READONLY",
        ffi::SQLITE_INTERRUPT => "SQLITE_INTERRUPT",
        ffi::SQLITE_IOERR => "SQLITE_IOERR",
        ffi::SQLITE_CORRUPT => "SQLITE_CORRUPT",
        ffi::SQLITE_FULL => "SQLITE_FULL",
        ffi::SQLITE_CANTOPEN => "SQLITE_CANTOPEN",
        ffi::SQLITE_PROTOCOL => "SQLITE_PROTOCOL",
        ffi::SQLITE_SCHEMA => "SQLITE_SCHEMA",
        ffi::SQLITE_TOOBIG => "SQLITE_TOOBIG",
        ffi::SQLITE_MISMATCH => "SQLITE_MISMATCH",
        ffi::SQLITE_MISUSE => "SQLITE_MISUSE",
        ffi::SQLITE_AUTH => "SQLITE_AUTH",
        ffi::SQLITE_RANGE => "SQLITE_RANGE",
        ffi::SQLITE_NOTADB => "SQLITE_NOTADB",
        _ => "SQLITE_ERROR",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_decide_what_happens_next() {
        let of = |code| driver(rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some("x".into())));
        for (code, category, name) in [
            (ffi::SQLITE_BUSY, Category::Timeout, "SQLITE_BUSY"),
            (ffi::SQLITE_BUSY_RECOVERY, Category::Timeout, "SQLITE_BUSY_RECOVERY"),
            (ffi::SQLITE_LOCKED, Category::Deadlock, "SQLITE_LOCKED"),
            (ffi::SQLITE_NOTADB, Category::Permanent, "SQLITE_NOTADB"),
            (ffi::SQLITE_CORRUPT, Category::Permanent, "SQLITE_CORRUPT"),
            (ffi::SQLITE_INTERRUPT, Category::Cancelled, "SQLITE_INTERRUPT"),
            (ffi::SQLITE_CANTOPEN, Category::NotFound, "SQLITE_CANTOPEN"),
            (ffi::SQLITE_FULL, Category::Capacity, "SQLITE_FULL"),
        ] {
            assert_eq!((of(code).category(), of(code).code_text()), (category, Some(name)));
        }
    }

    #[test]
    fn values_are_shown_in_one_short_line() {
        let (long, wide) = ("x".repeat(61), "漢".repeat(1000));
        for (value, expected) in [
            (ValueRef::Null, "NULL".to_owned()),
            (ValueRef::Integer(-7), "-7".to_owned()),
            (ValueRef::Real(7.0), "7.0".to_owned()),
            (ValueRef::Real(f64::NEG_INFINITY), "-Inf".to_owned()),
            (ValueRef::Text(b"a\n\0b\xff"), "\"a\u{fffd}\u{fffd}b\u{fffd}\"".to_owned()),
            (ValueRef::Text(&long.as_bytes()[1..]), format!("\"{}\"", &long[1..])),
            (ValueRef::Text(long.as_bytes()), format!("\"{}…\"", &long[2..])),
            (ValueRef::Text(wide.as_bytes()), format!("\"{}…\"", "漢".repeat(59))),
            (ValueRef::Blob(b"\x00\xff"), "x'00ff'".to_owned()),
            (ValueRef::Blob(&[1; 31]), format!("x'{}0…'", "01".repeat(29))),
        ] {
            assert_eq!(shown(value), expected);
        }
    }

    #[test]
    fn places_are_lines_and_columns() {
        assert_eq!(at(""), " at line 1, column 1");
        assert_eq!(at("SELECT 1\n, é "), " at line 2, column 5");
    }
}
