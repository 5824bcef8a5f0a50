//! A file that may be a plug-in: looking into it never fails worse than by a refusal.

use rivet_plugin_api::abi::{Library, inspect};

pub(crate) fn run(input: &[u8]) {
    crate::scratch::with_file("librivet_plugin_fuzz.so", input, |path, file| {
        match inspect(path, file) {
            Ok(marker) => assert!(marker.abi.starts_with("1."), "{marker:?}"),
            Err(refusal) => assert!(!refusal.to_string().is_empty()),
        }
        // What `rivet plugin inspect` tells of a file, also of one that is refused.
        drop(Library::read(file));
    });
}
