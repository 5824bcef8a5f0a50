//! Reads small text files within bounds, with messages that name the file.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::diagnostic::Diagnostic;
use super::node::Span;
use crate::code::Code;

/// No configuration, query or credential that people write is larger.
const MAX_BYTES: u64 = 8 << 20;

/// The content of a file of at most 8 MiB. `what` begins the message.
pub(super) fn read(path: &Path, what: &str) -> Result<Vec<u8>, Diagnostic> {
    let fail = |e: std::io::Error| {
        let reason = match e.kind() {
            ErrorKind::NotFound => "there is no such file".to_owned(),
            ErrorKind::PermissionDenied => "permission denied".to_owned(),
            ErrorKind::IsADirectory => "it is a directory".to_owned(),
            _ => e.to_string(),
        };
        Diagnostic::new(format!("could not read {what} \"{}\": {reason}", path.display())).code(Code::File)
    };
    let mut bytes = Vec::new();
    File::open(path).and_then(|f| f.take(MAX_BYTES + 1).read_to_end(&mut bytes)).map_err(fail)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Diagnostic::new(format!("{what} \"{}\" is larger than 8 MiB", path.display())).code(Code::File));
    }
    Ok(bytes)
}

/// UTF-8 text without a byte order mark and without control characters.
pub(super) fn decode<'a>(bytes: &'a [u8], what: &str) -> Result<&'a str, Diagnostic> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Diagnostic::new(format!("{what} is UTF-16, not UTF-8")).hint("save it as UTF-8").code(Code::File));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|e| {
        Diagnostic::new(format!("{what} is not UTF-8 text"))
            .at(place(&bytes[..e.valid_up_to()]))
            .hint("save it as UTF-8")
            .code(Code::File)
    })?;
    // A YAML parser may take NUL for the end of the text, which would drop all that follows.
    let control = |b: &u8| (*b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r')) || *b == 0x7f;
    match bytes.iter().position(control) {
        None => Ok(text),
        Some(at) => Err(Diagnostic::new(format!("{what} holds the control character U+{:04X}", bytes[at]))
            .at(place(&bytes[..at]))
            .hint("remove it; inside double quotes it can be written as an escape, such as \"\\0\"")
            .code(Code::File)),
    }
}

/// The place behind `before`.
fn place(before: &[u8]) -> Span {
    let text = String::from_utf8_lossy(before).replace("\r\n", "\n").replace('\r', "\n");
    let line = text.matches('\n').count() + 1;
    Span { line, column: text.chars().rev().take_while(|c| *c != '\n').count() + 1, length: 1 }
}

/// The directory that relative paths in the configuration start from: the working directory for a pipe or device.
pub fn directory(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !is_stream(path) && !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// Whether `path` is a pipe or device, which can be read only once.
pub fn is_stream(path: &Path) -> bool {
    path.starts_with("/dev") || path.starts_with("/proc") || std::fs::metadata(path).is_ok_and(|m| !m.is_file())
}
