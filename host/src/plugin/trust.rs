//! The files that a user trusts although others could change them: by content, so that a change ends the trust.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rivet_plugin_api::Error;
use serde::{Deserialize, Serialize};

use super::seal::is_sha256;

/// The user's list: a line for each file, as `sha256sum` prints it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Trusted {
    path: Option<PathBuf>,
    files: Vec<(String, PathBuf)>,
}

impl Trusted {
    /// The list of this user, in `$XDG_CONFIG_HOME/rivet/trusted-plugins` or below `~/.config`. Nothing is trusted when
    /// there is none; one that cannot be read, or that others can change, is an error.
    pub fn read(env: &dyn Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let home = || Some(Path::new(&env("HOME")?).join(".config"));
        let directory = env("XDG_CONFIG_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute()).or_else(home);
        let Some(path) = directory.map(|dir| dir.join("rivet/trusted-plugins")) else { return Ok(Self::default()) };
        let fail = |why: String, hint: &str| {
            Error::config(format!("could not read the list of trusted plug-ins {}: {why}", path.display())).hint(hint)
        };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Self { path: Some(path), files: Vec::new() }),
            Err(e) => return Err(fail(e.to_string(), "make it readable, or remove it")),
        };
        let metadata = fs::metadata(&path).map_err(|e| fail(e.to_string(), "make it readable"))?;
        let me = fs::metadata("/proc/self").map_or(0, |me| me.uid());
        if metadata.mode() & 0o022 != 0 || (metadata.uid() != me && metadata.uid() != 0) {
            return Err(fail(
                "other users can change it".into(),
                "look at what is in it, then make it yours alone: chmod 600",
            ));
        }
        let mut files = Vec::new();
        for (number, line) in text.split('\n').enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            match line.split_once("  ") {
                Some((hash, file)) if is_sha256(hash) && !file.is_empty() => files.push((hash.to_owned(), file.into())),
                _ => {
                    let why = format!("line {} is no SHA-256, two blanks and a path", number + 1);
                    return Err(fail(why, "correct or remove the line"));
                }
            }
        }
        Ok(Self { path: Some(path), files })
    }

    /// What is trusted: checksum, and the path that the file had then.
    pub fn files(&self) -> &[(String, PathBuf)] {
        &self.files
    }

    /// Whether this very content is trusted.
    pub fn has(&self, sha256: &str) -> bool {
        self.files.iter().any(|(hash, _)| hash == sha256)
    }

    /// Trusts the content of a file, and no longer what stood under its path before.
    pub fn add(&mut self, sha256: String, file: PathBuf) -> Result<(), Error> {
        // What follows a line break would be an entry of its own, for whatever checksum a file's name holds.
        if file.as_os_str().as_bytes().contains(&b'\n') {
            let path = file.display().to_string();
            return Err(Error::config(format!("the path {path:?} has a line break")).hint("rename the file or folder"));
        }
        self.files.retain(|(hash, path)| *hash != sha256 && *path != file);
        self.files.push((sha256, file));
        Ok(())
    }

    /// Forgets a checksum or a path; whether it was there.
    pub fn remove(&mut self, what: &str) -> bool {
        let path = std::path::absolute(what).unwrap_or_else(|_| what.into());
        let before = self.files.len();
        self.files.retain(|(hash, file)| hash != what && *file != path);
        self.files.len() < before
    }

    /// Replaces the list in one step; only this user can read it.
    pub fn write(&self) -> Result<(), Error> {
        let Some(path) = &self.path else {
            return Err(Error::config("there is no place for the list of trusted plug-ins")
                .hint("set HOME or XDG_CONFIG_HOME to an absolute path"));
        };
        let lines: Vec<_> = self.files.iter().map(|(hash, file)| format!("{hash}  {}\n", file.display())).collect();
        let text = lines.concat();
        let write = || -> std::io::Result<()> {
            let dir = path.parent().unwrap_or(Path::new("."));
            fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
            // A temporary file is its owner's alone from the start.
            let mut file = tempfile::NamedTempFile::new_in(dir)?;
            file.write_all(text.as_bytes())?;
            file.as_file().set_permissions(fs::Permissions::from_mode(0o600))?;
            file.as_file().sync_all()?;
            file.persist(path)?;
            Ok(())
        };
        write().map_err(|e| Error::from(e).context(format!("could not write {}", path.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(home: &Path) -> Result<Trusted, Error> {
        Trusted::read(&|name| (name == "XDG_CONFIG_HOME").then(|| home.display().to_string()))
    }

    #[test]
    fn a_list_is_kept_and_forgotten() {
        let home = tempfile::tempdir().unwrap();
        let mut list = read(home.path()).unwrap();
        let (one, two) = ("1".repeat(64), "2".repeat(64));
        list.add(one.clone(), "/a b.so".into()).unwrap();
        list.add(two.clone(), "/a b.so".into()).unwrap();
        list.write().unwrap();
        let mut list = read(home.path()).unwrap();
        assert!(!list.has(&one), "what stood under the path before is not trusted any more");
        assert!(list.has(&two) && list.files() == [(two, PathBuf::from("/a b.so"))]);
        let file = home.path().join("rivet/trusted-plugins");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        assert!(list.remove("/a b.so") && !list.remove("/a b.so"));
        list.write().unwrap();
        assert!(read(home.path()).unwrap().files().is_empty());
    }

    #[test]
    fn the_name_of_a_file_is_never_an_entry_of_its_own() {
        let home = tempfile::tempdir().unwrap();
        let mut list = read(home.path()).unwrap();
        let (mine, smuggled) = ("1".repeat(64), "2".repeat(64));
        let error = list.add(mine.clone(), format!("/a.so\n{smuggled}  /b.so").into()).unwrap_err();
        assert!(error.to_string().contains("line break"), "{error}");
        list.add(mine, "/a.so\r".into()).unwrap();
        list.write().unwrap();
        assert_eq!(read(home.path()).unwrap().files(), list.files());
    }

    #[test]
    fn a_list_that_others_can_change_or_that_is_damaged_is_an_error() {
        let home = tempfile::tempdir().unwrap();
        let mut list = read(home.path()).unwrap();
        list.add("1".repeat(64), "/a.so".into()).unwrap();
        list.write().unwrap();
        let file = home.path().join("rivet/trusted-plugins");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(read(home.path()).unwrap_err().to_string().contains("other users can change it"));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&file, format!("{}  /a.so\nnonsense\n", "1".repeat(64))).unwrap();
        assert!(read(home.path()).unwrap_err().to_string().contains("line 2"));
    }
}
