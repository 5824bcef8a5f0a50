//! Parts as temporary files in the output directory, published by giving them their name.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use rivet_plugin_api::{Error, Result, WriteRequest, tracing};
use rivet_plugin_base::{PartSink, Published, Store};

use crate::claim::{self, Claim};
use crate::directory::Directory;
use crate::error::failed;

/// Large enough that a system call costs nothing beside the encoding.
const BUFFER_BYTES: usize = 512 << 10;

/// One attempt's hold on a directory.
pub(crate) struct LocalStore {
    directory: Directory,
    base: String,
    extension: &'static str,
    replace: bool,
    claim: Option<Claim>,
}

impl LocalStore {
    /// Claims the request's base name in the directory. With `sweep`, removes what dead runs of the export left there.
    pub(crate) fn claim(directory: &Directory, request: &WriteRequest, sweep: bool) -> Result<Self> {
        directory.join(&request.base_name)?;
        directory.create()?;
        let store = Self {
            directory: directory.clone(),
            base: request.base_name.clone(),
            extension: request.format.extension(),
            replace: request.replace,
            claim: Some(Claim::take(directory, &request.base_name)?),
        };
        if sweep {
            claim::sweep(directory, &request.export, &directory.names()?);
        }
        for name in [store.only(), store.part(0)] {
            if directory.look_up(&name)?.is_some() && !request.replace {
                return Err(Error::conflict(format!("\"{}\" exists already", directory.join(&name)?.display()))
                    .hint("remove or rename it, or change destination.path"));
            }
        }
        Ok(store)
    }

    /// The name of a part that is the only one.
    fn only(&self) -> String {
        format!("{}.{}", self.base, self.extension)
    }

    /// The name of one part of several.
    fn part(&self, index: usize) -> String {
        format!("{}_part{index}.{}", self.base, self.extension)
    }

    /// Removes the parts of an attempt that this one replaces, except those of `names`. Parts become visible from the
    /// first to the last, so the first gap is the end.
    fn remove_replaced(&self, names: &[String]) -> Result<()> {
        let kept = |name: &String| names.contains(name);
        let only = self.only();
        if !kept(&only) && self.directory.look_up(&only)?.is_some() {
            self.directory.remove(&only)?;
        }
        let mut stale = Vec::new();
        for name in (0..).map(|index| self.part(index)).skip_while(kept) {
            if self.directory.look_up(&name)?.is_none() {
                break;
            }
            stale.push(name);
        }
        // Backwards, so that what a crash leaves has no gap either.
        stale.iter().rev().try_for_each(|name| self.directory.remove(name).map(drop))
    }
}

impl Store for LocalStore {
    type Sink = LocalPart;

    fn create(&mut self, index: usize, _name: &str, _reread: bool) -> Result<LocalPart> {
        let claim = self.claim.as_ref().ok_or_else(|| Error::internal("the attempt was ended before"))?;
        LocalPart::create(&self.directory, &claim.temporary_name(index), self.replace)
    }

    fn location(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    fn remove(&mut self, name: &str) -> Result<()> {
        self.directory.remove(name).map(drop)
    }

    fn settle(&mut self, names: &[String]) -> Result<()> {
        if self.replace {
            self.remove_replaced(names)?;
        }
        self.directory.sync()
    }

    fn end(&mut self) -> Result<()> {
        self.claim = None;
        Ok(())
    }
}

/// Writes a small file, whole or not at all.
pub(crate) fn put(directory: &Directory, name: &str, content: &[u8], replace: bool) -> Result<()> {
    directory.join(name)?;
    directory.create()?;
    let claim = Claim::take(directory, name)?;
    if directory.look_up(name)?.is_some() && !replace {
        let taken = directory.join(name)?;
        return Err(Error::conflict(format!("\"{}\" exists already", taken.display())));
    }
    let mut file = LocalPart::create(directory, &claim.temporary_name(0), replace)?;
    file.append(content)?;
    file.seal()?;
    file.publish(name)?;
    directory.sync()
}

/// A temporary file that becomes a part.
pub(crate) struct LocalPart {
    directory: Directory,
    path: PathBuf,
    /// Present until sealed.
    file: Option<BufWriter<File>>,
    replace: bool,
    /// Whether the temporary name still exists.
    temporary: bool,
}

impl PartSink for LocalPart {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let file = self.file.as_mut().ok_or_else(|| Error::internal("the part is sealed"))?;
        file.write_all(bytes).map_err(|e| failed("write", &self.path, &e))
    }

    fn seal(&mut self) -> Result<()> {
        let mut file = self.file.take().ok_or_else(|| Error::internal("the part is sealed"))?;
        let outcome = file.flush().and_then(|()| file.get_ref().sync_all());
        let (_file, _unwritten) = file.into_parts();
        outcome.map_err(|e| failed("write", &self.path, &e))
    }

    fn reopen(&mut self) -> Result<File> {
        File::open(&self.path).map_err(|e| failed("read", &self.path, &e))
    }

    fn publish(&mut self, name: &str) -> Result<Published> {
        let target = self.directory.join(name)?;
        let replaced = self.directory.look_up(name)?.is_some();
        if self.replace {
            self.rename(&target)?;
        } else {
            self.link(&target, replaced)?;
        }
        Ok(Published { replaced, store_checksum: None })
    }

    fn discard(&mut self) -> Result<()> {
        if let Some(file) = self.file.take() {
            let (_file, _unwritten) = file.into_parts();
        }
        if !self.temporary {
            return Ok(());
        }
        self.temporary = false;
        match fs::remove_file(&self.path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(failed("remove", &self.path, &e)),
            _ => Ok(()),
        }
    }
}

/// An attempt that ends by a panic leaves no file either.
impl Drop for LocalPart {
    fn drop(&mut self) {
        if let Err(error) = self.discard() {
            tracing::warn!(%error, "a temporary file could not be removed");
        }
    }
}

impl LocalPart {
    fn create(directory: &Directory, name: &str, replace: bool) -> Result<Self> {
        let path = directory.join(name)?;
        // The mode is left to the umask, as for any file a user makes; create_new does not follow links.
        let create = || OpenOptions::new().write(true).create_new(true).open(&path);
        let file = match create() {
            // The name is claimed, so that its owner is gone: an attempt that a panic has ended.
            Err(e) if e.kind() == ErrorKind::AlreadyExists && fs::remove_file(&path).is_ok() => create(),
            outcome => outcome,
        };
        let file = Some(BufWriter::with_capacity(BUFFER_BYTES, file.map_err(|e| failed("create", &path, &e))?));
        Ok(Self { directory: directory.clone(), path, file, replace, temporary: true })
    }

    /// Gives the file its name unless the name is taken, which the system checks in the same step.
    fn link(&mut self, target: &Path, taken: bool) -> Result<()> {
        match fs::hard_link(&self.path, target) {
            Ok(()) => {
                // The part is visible; what is left of the temporary name the next run removes.
                if let Err(error) = self.discard() {
                    tracing::warn!(%error, "a temporary file could not be removed");
                }
                Ok(())
            }
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(failed("create", target, &e)),
            Err(e) if e.kind() == ErrorKind::StorageFull => Err(failed("create", target, &e)),
            // Some file systems have no hard links. The claim keeps other runs away, so a check before is enough.
            Err(_) if !taken => self.rename(target),
            Err(_) => Err(failed("create", target, &ErrorKind::AlreadyExists.into())),
        }
    }

    fn rename(&mut self, target: &Path) -> Result<()> {
        fs::rename(&self.path, target).map_err(|e| failed("create", target, &e))?;
        self.temporary = false;
        Ok(())
    }
}
