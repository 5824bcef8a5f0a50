//! Files that are no plug-ins, or not for this host, are refused in one line before any of their code runs.

use std::path::Path;

use rivet_plugin_api::abi::Trust;

use super::support::{self, CLibrary};

/// The reason for which a file is refused.
fn refusal(path: &Path) -> String {
    let refusal = support::load(path, Trust::Foreign).map(drop).expect_err("it was loaded");
    let text = refusal.to_string();
    assert!(text.starts_with(&format!("{}: ", path.display())), "the file is not named: {text}");
    assert!(!text.contains('\n') && !text.ends_with('.'), "{text}");
    assert!(!text.contains("/proc/self"), "the user knows the file by another name: {text}");
    refusal.reason
}

fn written(content: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plugin.so");
    std::fs::write(&path, content).unwrap();
    (directory, path)
}

/// A library with nothing but a marker.
fn marked(abi: &str, needs: &str, panic: &str) -> CLibrary {
    let pair = |key: &str, value: &str| format!("\\\"{key}\\\":\\\"{value}\\\"");
    let json = [
        pair("name", "newer"),
        pair("version", "3.1.0"),
        pair("kinds", "source"),
        pair("abi", abi),
        pair("needs", needs),
        pair("panic", panic),
    ];
    support::compile_text(&format!("#include \"rivet_plugin.h\"\nRV_MARKER(\"{{{}}}\");\n", json.join(",")))
}

#[test]
fn that_are_empty_or_text() {
    let (_directory, path) = written(b"");
    assert_eq!(refusal(&path), "the file is empty");
    let (_directory, path) = written(b"#!/bin/sh\necho this is long enough to hold the header of a library\n");
    assert_eq!(refusal(&path), "not a shared library for this system");
    let (_directory, path) = written(b"\x7fELF");
    assert_eq!(refusal(&path), "not a shared library for this system");
}

#[test]
fn that_are_directories() {
    let directory = tempfile::tempdir().unwrap();
    refusal(directory.path());
}

#[test]
fn that_are_cut_short_anywhere() {
    let whole = support::compile(Path::new(super::batches::BAD_BATCH));
    let bytes = std::fs::read(&whole.path).unwrap();
    for cut in (1..bytes.len()).step_by(bytes.len() / 97).chain([bytes.len() - 1, 64, 63, 20]) {
        let (_directory, path) = written(&bytes[..cut]);
        refusal(&path);
    }
}

#[test]
fn that_have_no_marker() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let libc = maps.split_whitespace().find(|word| word.contains("/libc.so") || word.contains("/libc-")).unwrap();
    assert!(refusal(Path::new(libc)).contains("not a rivet plug-in"));
}

#[test]
fn that_are_of_another_abi() {
    let text = refusal(&marked("2.0", "2.0", "unwind").path);
    assert!(text.contains("newer 3.1.0 was built for plug-in ABI 2.0") && text.contains("upgrade rivet"), "{text}");
    let text = refusal(&marked("0.9", "0.9", "unwind").path);
    assert!(text.contains("install a newer version of the plug-in"), "{text}");
    let text = refusal(&marked("1.7", "1.7", "unwind").path);
    assert!(text.contains("newer 3.1.0 needs plug-in ABI 1.7") && text.contains("upgrade rivet"), "{text}");
    let text = refusal(&marked("1.0", "1.0", "abort").path);
    assert!(text.contains("panic = \"abort\""), "{text}");
    let text = refusal(&marked("one", "1.0", "unwind").path);
    assert!(text.contains("no ABI version"), "{text}");
}

#[test]
fn that_have_a_marker_but_no_entry() {
    let text = refusal(&marked("1.0", "1.0", "unwind").path);
    assert!(text.contains("\"rivet_plugin_entry\""), "{text}");
}

#[test]
fn that_have_a_marker_which_is_no_json() {
    let library = support::compile_text("#include \"rivet_plugin.h\"\nRV_MARKER(\"{]\");\n");
    assert!(refusal(&library.path).contains("marker cannot be read"));
}

#[test]
fn whose_entry_returns_nothing() {
    let library = support::compile_text(
        "#include \"rivet_plugin.h\"\n\
         RV_MARKER(\"{\\\"name\\\":\\\"none\\\",\\\"version\\\":\\\"1.0.0\\\",\\\"abi\\\":\\\"1.0\\\"}\");\n\
         const RvPlugin *rivet_plugin_entry(void) { return 0; }\n",
    );
    assert!(refusal(&library.path).contains("its entry returned nothing"));
}
