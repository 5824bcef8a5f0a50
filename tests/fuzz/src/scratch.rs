//! One file of this process that takes the input of a target, for what only reads files.

use std::fs::{self, File};
use std::io::{Seek as _, Write as _};
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use tempfile::TempDir;

/// A directory that lives as long as the process; in memory where the system has a place for that.
pub(crate) fn directory() -> PathBuf {
    static DIRECTORY: OnceLock<TempDir> = OnceLock::new();
    let make = || TempDir::with_prefix_in("rivet-fuzz-", "/dev/shm").or_else(|_| TempDir::with_prefix("rivet-fuzz-"));
    DIRECTORY.get_or_init(|| make().expect("a temporary directory")).path().to_owned()
}

/// Calls `work` with a file that holds `input`, for one target at a time.
pub(crate) fn with_file<T>(name: &str, input: &[u8], work: impl FnOnce(&std::path::Path, &File) -> T) -> T {
    static FILES: Mutex<()> = Mutex::new(());
    let _one = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    let path = directory().join(name);
    fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
    let options = File::options().read(true).write(true).create(true).truncate(true).open(&path);
    let mut file = options.expect("a file");
    file.write_all(input).and_then(|()| file.rewind()).expect("a file with the input");
    work(&path, &file)
}
