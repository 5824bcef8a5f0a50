//! The `local` destination: files in a directory, each whole or absent.

use std::fs::{self, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use arrow_schema::SchemaRef;
use rivet_plugin_api::{
    BatchWriter, Context, Destination, DestinationCapabilities, DestinationProbe, Error, Part, PartStat, PutRequest,
    Result, WriteRequest,
};
use rivet_plugin_base::{Checksum, PartWriter, encode};

use crate::Options;
use crate::directory::Directory;
use crate::error::failed;
use crate::store::{self, LocalStore};

/// Held while a directory that may be missing is tried out.
static PROBING: Mutex<()> = Mutex::new(());

/// Writes exports to a directory.
pub struct Local {
    directory: Directory,
    /// Whether leftovers of dead runs were looked for.
    swept: bool,
}

impl Destination for Local {
    type Options = Options;

    const CAPABILITIES: DestinationCapabilities = DestinationCapabilities {
        atomic: true,
        stat: true,
        remove: true,
        put: true,
        stream: false,
        parquet: true,
        csv: true,
        arrow: true,
    };

    const PLACE: &'static [&'static str] = &["path", "prefix"];

    fn open(options: Options, _context: &Context) -> Result<Self> {
        Ok(Self { directory: Directory::new(options.directory()), swept: false })
    }

    fn probe(&mut self, _context: &Context) -> Result<DestinationProbe> {
        // Two probes below one missing directory would remove it under each other's feet.
        let _turn = PROBING.lock().unwrap_or_else(PoisonError::into_inner);
        // What a run would create is created to see that it can be, and is gone afterwards.
        let created = self.directory.create_for_now()?;
        let unique = RandomState::new().hash_one(std::process::id());
        let path = self.directory.join(&format!(".rivet-probe-{unique:016x}"))?;
        let outcome = write_and_read(&path, unique.to_le_bytes());
        // Also after a failed write or read, but not when the file is not ours.
        match (outcome, fs::remove_file(&path)) {
            (Ok(()), Err(e)) => Err(failed("remove", &path, &e)),
            (outcome, _) => outcome,
        }?;
        let mut warnings = Vec::new();
        if !created.is_empty() {
            warnings.push("the directory does not exist: the first export creates it".to_owned());
        }
        Ok(DestinationProbe { location: self.directory.path().display().to_string(), warnings })
    }

    fn begin(&mut self, request: WriteRequest, schema: SchemaRef, context: &Context) -> Result<Box<dyn BatchWriter>> {
        encode::check(&request.format, &schema)?;
        let store = LocalStore::claim(&self.directory, &request, !self.swept)?;
        self.swept = true;
        Ok(Box::new(PartWriter::new(store, request, context.cancel().clone())))
    }

    fn stat(&mut self, name: &str, context: &Context) -> Result<Option<PartStat>> {
        if self.directory.look_up(name)?.is_none() {
            return Ok(None);
        }
        let path = self.directory.join(name)?;
        let unreadable = |e: &std::io::Error| failed("read", &path, e);
        let mut file = fs::File::open(&path).map_err(|e| unreadable(&e))?;
        let mut block = vec![0; 1 << 20];
        let (mut bytes, mut checksum) = (0, Checksum::new());
        loop {
            context.check()?;
            match file.read(&mut block) {
                Ok(0) => {
                    let checksum = Some(checksum.to_string());
                    return Ok(Some(PartStat { bytes, checksum, ..PartStat::default() }));
                }
                Ok(length) => {
                    checksum.update(&block[..length]);
                    bytes += length as u64;
                }
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(unreadable(&e)),
            }
        }
    }

    fn remove(&mut self, name: &str, _context: &Context) -> Result<()> {
        if self.directory.look_up(name)?.is_some() && self.directory.remove(name)? {
            self.directory.sync()?;
        }
        Ok(())
    }

    fn put(&mut self, request: PutRequest, _context: &Context) -> Result<Part> {
        let PutRequest { name, content, replace } = request;
        store::put(&self.directory, &name, content.as_bytes(), replace)?;
        let mut checksum = Checksum::new();
        checksum.update(content.as_bytes());
        let location = self.directory.path().join(&name).display().to_string();
        let (bytes, checksum) = (content.len() as u64, checksum.to_string());
        Ok(Part { name, location, bytes, checksum, ..Part::default() })
    }
}

fn write_and_read(path: &Path, content: [u8; 8]) -> Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let written = file.and_then(|mut file| file.write_all(&content).and_then(|()| file.sync_all()));
    written.map_err(|e| failed("write", path, &e))?;
    let found = fs::read(path).map_err(|e| failed("read", path, &e))?;
    if found == content {
        return Ok(());
    }
    Err(Error::permanent(format!("\"{}\" does not hold what was written to it", path.display())))
}

#[cfg(test)]
mod tests;
