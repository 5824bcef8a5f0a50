//! Errors of standard output, with the code that an operator searches for.

use std::io::{self, ErrorKind};

use rivet_plugin_api::{Category, Error};

/// Nobody gave the process a standard output.
pub(crate) fn closed() -> Error {
    Error::new(Category::Permanent, "standard output is closed, or is the null device for reading and writing")
        .code("EBADF")
        .hint("redirect it to a file or a program; `>/dev/null` throws the rows away")
}

/// None of these is cured by another attempt: what was written cannot be taken back.
pub(crate) fn failed(error: &io::Error) -> Error {
    let permanent = |text: &str, code, hint: &str| Error::new(Category::Permanent, text).code(code).hint(hint);
    match error.kind() {
        ErrorKind::BrokenPipe => permanent(
            "the program that reads standard output has ended before it had everything",
            "EPIPE",
            "run again; the cursor has not moved",
        ),
        ErrorKind::StorageFull => permanent(
            "could not write to standard output: no space left on device",
            "ENOSPC",
            "free space and run again",
        ),
        _ => permanent(&format!("could not write to standard output: {error}"), "STDOUT", "run again"),
    }
}
