//! Errors of the file system, with the path and the code that an operator searches for.

use std::io::{self, ErrorKind};
use std::path::Path;

use rivet_plugin_api::{Category, Error};

/// The number of an input/output error on every Unix; the standard library has no name for it.
const EIO: i32 = 5;

/// `could not {doing} "{path}": {reason} ({code})`.
pub(crate) fn failed(doing: &str, path: &Path, error: &io::Error) -> Error {
    let (category, code, hint) = classify(error);
    let described = Error::new(category, format!("could not {doing} \"{}\": {}", path.display(), reason(error)));
    let described = if code.is_empty() { described } else { described.code(code) };
    if hint.is_empty() { described } else { described.hint(hint) }
}

fn classify(error: &io::Error) -> (Category, &'static str, &'static str) {
    const ROOM: &str = "free space or change destination.path";
    const RIGHT: &str = "give this user the right to write there, or change destination.path";
    match error.kind() {
        ErrorKind::StorageFull => (Category::Permanent, "ENOSPC", ROOM),
        ErrorKind::QuotaExceeded => {
            (Category::Permanent, "EDQUOT", "raise the quota, free space or change destination.path")
        }
        ErrorKind::FileTooLarge => {
            (Category::Permanent, "EFBIG", "set max_file_size, or raise the limit of file sizes")
        }
        ErrorKind::PermissionDenied if error.raw_os_error() == Some(1) => (Category::Auth, "EPERM", RIGHT),
        ErrorKind::PermissionDenied => (Category::Auth, "EACCES", RIGHT),
        ErrorKind::ReadOnlyFilesystem => (Category::Auth, "EROFS", "mount it writable, or change destination.path"),
        ErrorKind::NotFound => (Category::NotFound, "ENOENT", "check destination.path, and that nobody removes it"),
        ErrorKind::AlreadyExists => (Category::Conflict, "EEXIST", "remove or rename it, or change destination.path"),
        ErrorKind::CrossesDevices => {
            (Category::Permanent, "EXDEV", "name a directory in destination.path that is wholly on one file system")
        }
        ErrorKind::NotADirectory => (Category::Config, "ENOTDIR", "name a directory in destination.path"),
        ErrorKind::IsADirectory => {
            (Category::Conflict, "EISDIR", "move the directory away, or change destination.path")
        }
        ErrorKind::InvalidFilename => {
            (Category::Config, "ENAMETOOLONG", "shorten the export's name or destination.path")
        }
        _ if error.raw_os_error() == Some(EIO) => {
            (Category::Permanent, "EIO", "check the disk, or change destination.path")
        }
        _ => (Category::Permanent, "", ""),
    }
}

/// The system's text in the house style: no capital, no number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split_once(" (os error").map_or(text.as_str(), |(text, _)| text);
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_where_and_what_next() {
        let error = failed("write", Path::new("out/x"), &io::Error::from_raw_os_error(28));
        assert_eq!(error.to_string(), "could not write \"out/x\": no space left on device (ENOSPC)");
        assert_eq!(error.hint_text(), Some("free space or change destination.path"));
        let error = failed("write", Path::new("x"), &io::Error::from_raw_os_error(5));
        assert_eq!(error.to_string(), "could not write \"x\": input/output error (EIO)");
        let error = failed("open", Path::new("x"), &io::Error::from_raw_os_error(13));
        assert_eq!((error.category(), error.code_text()), (Category::Auth, Some("EACCES")));
    }
}
