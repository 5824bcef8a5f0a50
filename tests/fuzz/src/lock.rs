//! The two lists that decide which plug-ins may be loaded: a project's lock file, and the files that a user trusts. The
//! first byte of the input says which it is. What is accepted says the same once it was written again.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rivet::{Lock, Trusted};

pub(crate) fn run(input: &[u8]) {
    match input.split_first() {
        Some((kind, text)) if kind.is_multiple_of(2) => {
            crate::scratch::with_file("rivet-plugins.lock", text, |path, _| locked(path));
        }
        Some((_, text)) => crate::scratch::with_file("rivet/trusted-plugins", text, |path, _| trusted(path)),
        None => {}
    }
}

fn locked(path: &Path) {
    let read = || Lock::read(path.parent().expect("a directory"));
    let lock = match read() {
        Ok(lock) => lock.expect("a file that is there is never no lock"),
        Err(error) => return refused(&error, path),
    };
    let (here, other) = (rivet::platform(), "0".repeat(63));
    for entry in &lock.plugins {
        let found = lock.entry(&entry.name).expect("its own entry");
        assert_eq!(found, entry, "two entries are called {:?}", entry.name);
        let check = |hash: Option<&str>| lock.check(&entry.name, &entry.version, hash);
        assert!(check(None).is_ok());
        assert!(entry.sha256.get(&here).is_none_or(|hash| check(Some(hash)).is_ok()));
        assert!(check(Some(&other)).is_err(), "{:?} is locked to something that is no checksum", entry.name);
    }
    lock.write().expect("what was read can be written");
    assert_eq!(read().expect("what was written can be read").expect("a lock").plugins, lock.plugins);
}

fn trusted(path: &Path) {
    // As `rivet plugin trust` writes it, whatever the user's mask is.
    fs::set_permissions(path, Permissions::from_mode(0o600)).expect("a file of our own");
    let home = path.ancestors().nth(2).expect("a home").display().to_string();
    let read = || Trusted::read(&|name| (name == "XDG_CONFIG_HOME").then(|| home.clone()));
    let mut list = match read() {
        Ok(list) => list,
        Err(error) => return refused(&error, path),
    };
    let files = list.files().to_vec();
    for (hash, _) in &files {
        assert!(list.has(hash) && hash.len() == 64);
    }
    list.write().expect("what was read can be written");
    assert_eq!(read().expect("what was written can be read").files(), files);
    for (hash, _) in &files {
        list.remove(hash);
        assert!(!list.has(hash), "{hash} is still trusted");
    }
    assert!(list.files().is_empty());
}

/// An error names the file, and what to do.
fn refused(error: &rivet_plugin_api::Error, path: &Path) {
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    assert!(error.hint_text().is_some(), "{error}");
}
