//! `rivet-plugins.lock`: which plug-ins a project uses, to the byte. Where the file is, it is enforced.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use rivet_plugin_api::Error;
use rivet_plugin_api::abi::Refusal;
use serde::{Deserialize, Serialize};

use super::seal::is_sha256;

/// Its name beside a configuration.
pub const FILE_NAME: &str = "rivet-plugins.lock";

/// The version of the file's format that this host writes.
const FORMAT: u32 = 1;

/// A lock file that has been read.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Lock {
    /// The file.
    pub path: PathBuf,
    /// What it holds, in the order of names.
    pub plugins: Vec<Entry>,
}

/// One plug-in.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The `type:` users write.
    pub name: String,
    /// The plug-in's own version.
    pub version: String,
    /// The SHA-256 of its file by platform; empty when it is linked into the binary wherever it was locked.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sha256: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    plugins: Vec<Entry>,
}

/// The name of this platform in lock files, such as `x86_64-unknown-linux-gnu`.
pub fn platform() -> String {
    let system = if cfg!(target_env = "musl") { "unknown-linux-musl" } else { "unknown-linux-gnu" };
    format!("{}-{system}", std::env::consts::ARCH)
}

impl Lock {
    /// The lock file in `dir`; `None` when there is none. One that cannot be read is an error, never no lock, of
    /// [`Category::Conflict`](rivet_plugin_api::Category::Conflict), as all that speaks of locks.
    pub fn read(dir: &Path) -> Result<Option<Self>, Error> {
        let path = dir.join(FILE_NAME);
        let fail = |why: String| {
            Error::conflict(format!("could not read the lock file {}: {why}", path.display()))
                .hint("correct it, or write it anew: remove it and run `rivet plugin lock`")
        };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            // A link to a file that is gone is no absence: somebody wanted a lock here.
            Err(e) if e.kind() == ErrorKind::NotFound => match fs::symlink_metadata(&path) {
                Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
                Err(e) => return Err(fail(e.to_string())),
                Ok(_) => return Err(fail("it is a symbolic link to a file that does not exist".to_owned())),
            },
            Err(e) => return Err(fail(e.to_string())),
        };
        parse(&text).map(|plugins| Some(Self { path: path.clone(), plugins })).map_err(fail)
    }

    /// What it says of a plug-in.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.plugins.iter().find(|entry| entry.name == name)
    }

    /// Whether a file is refused because of this lock.
    pub fn refuses(&self, refusal: &Refusal) -> bool {
        refusal.reason.contains(&self.path.display().to_string())
    }

    /// Whether a plug-in is the one that is locked; why not, in words that follow the path of its file. `found` is the
    /// checksum of the file, `None` for one that is linked in.
    pub fn check(&self, name: &str, version: &str, found: Option<&str>) -> Result<(), String> {
        let (lock, platform) = (self.path.display(), platform());
        let Some(entry) = self.entry(name) else {
            return Err(format!("{name} {version} is not in {lock}: run `rivet plugin lock` if it is to be used"));
        };
        let locked = &entry.version;
        let ways =
            format!("install {name} {locked} again, or run `rivet plugin lock --update {name}` if the change is meant");
        let Some(found) = found else {
            if entry.version == version {
                return Ok(());
            }
            return Err(format!("{name} {version} is not the version {} that {lock} names: {ways}", entry.version));
        };
        match entry.sha256.get(&platform) {
            Some(expected) if expected == found => Ok(()),
            Some(expected) => Err(format!(
                "{name} {version} is not the file that {lock} names: sha256 is {found}, expected {expected}: {ways}"
            )),
            None => {
                Err(format!("{lock} has no sha256 of {name} for {platform}: run `rivet plugin lock` on this platform"))
            }
        }
    }

    /// Replaces the file in one step.
    pub fn write(&self) -> Result<(), Error> {
        let document = Document { version: FORMAT, plugins: self.plugins.clone() };
        let text = serde_json::to_string_pretty(&document)
            .map_err(|e| Error::internal(format!("the lock file has no JSON: {e}")))?;
        let dir = self.path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let write = || -> std::io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(dir)?;
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")?;
            // It is read by whoever reads the configuration beside it.
            let rights = std::os::unix::fs::PermissionsExt::from_mode(0o644);
            file.as_file().set_permissions(rights)?;
            file.as_file().sync_all()?;
            file.persist(&self.path)?;
            Ok(())
        };
        write().map_err(|e| Error::from(e).context(format!("could not write {}", self.path.display())))
    }
}

/// The entries, or what is wrong with the text, and where.
fn parse(text: &str) -> Result<Vec<Entry>, String> {
    /// Read first: a newer format may have other fields.
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let place = |e: serde_json::Error| e.to_string();
    let version = serde_json::from_str::<Version>(text).map_err(place)?.version;
    if version != FORMAT {
        return Err(format!("its format is {version}, this host reads {FORMAT}: upgrade rivet"));
    }
    let mut plugins = serde_json::from_str::<Document>(text).map_err(place)?.plugins;
    let line = |value: &str, last: bool| {
        let at = if last { text.rfind(value) } else { text.find(value) };
        at.map_or(0, |at| text[..at].matches('\n').count() + 1)
    };
    for entry in &plugins {
        if let Some(hash) = entry.sha256.values().find(|hash| !is_sha256(hash)) {
            return Err(format!("\"{hash}\" is no SHA-256 of 64 hexadecimal digits at line {}", line(hash, false)));
        }
    }
    plugins.sort_by(|a, b| a.name.cmp(&b.name));
    match plugins.windows(2).find(|pair| pair[0].name == pair[1].name) {
        Some(pair) => {
            let name = &pair[0].name;
            Err(format!("\"{name}\" stands twice, again at line {}", line(&format!("\"{name}\""), true)))
        }
        None => Ok(plugins),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(text: &str) -> Result<Option<Lock>, Error> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE_NAME), text).unwrap();
        Lock::read(dir.path())
    }

    #[test]
    fn a_damaged_file_is_an_error_with_its_line() {
        let hash = "0".repeat(64);
        let entry = format!(r#"{{"name":"a","version":"1.0.0","sha256":{{"p":"{hash}"}}}}"#);
        assert_eq!(lock(&format!(r#"{{"version":1,"plugins":[{entry}]}}"#)).unwrap().unwrap().plugins[0].name, "a");
        for (text, why) in [
            (String::new(), "line 1"),
            ("{\n\"version\": 1,\n\"plugins\": [}".to_owned(), "line 3"),
            ("{\n\"version\": 1,\n\"plugin\": []}".to_owned(), "line 3"),
            ("{\"version\": 2, \"plugins\": {}}".to_owned(), "upgrade rivet"),
            (format!("{{\"version\":1,\"plugins\":[\n{entry},\n{entry}]}}"), "\"a\" stands twice, again at line 3"),
            (format!("{{\"version\":1,\n\"plugins\":[{}]}}", entry.replace("000", "00x")), "at line 2"),
        ] {
            let error = lock(&text).expect_err(&text);
            assert!(error.to_string().contains(why), "{error}");
        }
        assert!(Lock::read(Path::new("/nowhere")).unwrap().is_none());
    }

    #[test]
    fn a_link_to_nowhere_is_an_error_and_not_the_absence_of_a_lock() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("gone.lock", dir.path().join(FILE_NAME)).unwrap();
        let error = Lock::read(dir.path()).unwrap_err();
        assert!(error.to_string().contains("symbolic link to a file that does not exist"), "{error}");
        fs::write(dir.path().join("gone.lock"), r#"{"version":1,"plugins":[]}"#).unwrap();
        assert!(Lock::read(dir.path()).unwrap().is_some());
    }

    #[test]
    fn a_plugin_is_what_is_locked_or_refused_with_the_ways_out() {
        let entry = |name: &str, hash: &[(&str, &str)]| Entry {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            sha256: hash.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        };
        let here = platform();
        let plugins =
            vec![entry("file", &[(&here, "ab")]), entry("elsewhere", &[("riscv", "ab")]), entry("linked", &[])];
        let lock = Lock { path: "x.lock".into(), plugins };
        assert_eq!(lock.check("file", "1.0.0", Some("ab")), Ok(()));
        assert_eq!(lock.check("linked", "1.0.0", None), Ok(()));
        assert_eq!(lock.check("file", "1.0.0", None), Ok(()), "a binary that has it linked in has no file to compare");
        let refused = |name: &str, version: &str, found: Option<&str>, texts: &[&str]| {
            let why = lock.check(name, version, found).unwrap_err();
            assert!(texts.iter().all(|text| why.contains(text)), "{why}");
        };
        refused(
            "file",
            "1.0.1",
            Some("cd"),
            &["sha256 is cd, expected ab", "install file 1.0.0", "lock --update file"],
        );
        refused("other", "1.0.0", Some("ab"), &["not in x.lock", "`rivet plugin lock`"]);
        refused("elsewhere", "1.0.0", Some("ab"), &["no sha256 of elsewhere for", &here]);
        refused("linked", "1.0.0", Some("ab"), &["no sha256 of linked"]);
        refused("linked", "2.0.0", None, &["not the version 1.0.0"]);
    }
}
