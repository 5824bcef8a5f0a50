//! A part on its way into a bucket.
//!
//! What fits into one piece waits in memory and goes out in one request when it is published, as long as all that wait
//! fit into one. What is larger, and what comes behind them, is uploaded while it is encoded and stays pending until
//! then, so that no number of parts fills the memory. Only the first of maybe several parts cannot go out at once, because
//! its name depends on whether there will be another: what of it does not fit into memory waits in a file without a name.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rivet_plugin_api::{Error, Result};

use super::runtime;
use super::upload::{Attempt, Upload, put};
use crate::{PartSink, Published, net};

/// The first of maybe several parts, shared with the store, which learns first that there are several.
#[derive(Default)]
pub(crate) struct First(Mutex<Option<Waiting>>);

enum Waiting {
    /// Sealed, and without a name so far.
    File(File, u64),
    /// On its way.
    Upload(Arc<Upload>),
}

impl First {
    fn wait(&self, file: File, bytes: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Waiting::File(file, bytes));
    }

    /// Sends it under `key`, which is its name for good, unless it is on its way already or small enough for memory.
    pub(crate) fn start(&self, attempt: &Arc<Attempt>, key: &str) -> Result<Option<Arc<Upload>>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let upload = match waiting.take() {
            None => return Ok(None),
            Some(Waiting::Upload(upload)) => upload,
            Some(Waiting::File(file, bytes)) => {
                let upload = attempt.upload(key.to_owned());
                upload.push_file(file, bytes)?;
                upload
            }
        };
        if upload.key() != key {
            return Err(Error::internal(format!("\"{}\" is published as \"{key}\"", upload.key())));
        }
        *waiting = Some(Waiting::Upload(Arc::clone(&upload)));
        Ok(Some(upload))
    }
}

/// How a part gets to the store.
enum Way {
    /// In one request, if one piece is enough, else in pieces under this key.
    Known(String),
    /// In pieces, which have begun.
    Pieces(Arc<Upload>),
    /// In one request, if one piece is enough, else through a file, since the name is not known.
    Unknown(Arc<First>),
}

/// A part. Bytes of the piece that is being filled are here, those before it are with the store or in the file.
pub(crate) struct ObjectPart {
    attempt: Arc<Attempt>,
    way: Way,
    /// Whether it is one of several, of which only a few may wait in memory.
    is_further: bool,
    piece: Vec<u8>,
    /// All bytes, where they are read back or have no name yet.
    file: Option<File>,
    /// Whether the file has what memory does not.
    is_in_file: bool,
    bytes: u64,
}

impl ObjectPart {
    /// A part whose name is known, unless `first` is given.
    pub(crate) fn new(
        attempt: Arc<Attempt>,
        key: String,
        first: Option<Arc<First>>,
        is_further: bool,
        reread: bool,
    ) -> Result<Self> {
        let file = if reread { Some(nameless()?) } else { None };
        let way = first.map_or(Way::Known(key), Way::Unknown);
        Ok(Self { attempt, way, is_further, piece: Vec::new(), file, is_in_file: false, bytes: 0 })
    }

    fn most(&self) -> usize {
        if let Way::Pieces(upload) = &self.way { upload.piece_bytes() } else { self.attempt.limits.piece }
    }

    /// Sends the full piece, because more comes.
    fn hand_on(&mut self) -> Result<()> {
        if let Way::Known(key) = &self.way {
            self.way = Way::Pieces(self.attempt.upload(key.clone()));
        }
        let Way::Pieces(upload) = &self.way else { return Err(Error::internal("the part has no name")) };
        upload.push(std::mem::take(&mut self.piece))?;
        self.piece = self.attempt.empty_piece(upload.piece_bytes());
        Ok(())
    }

    /// Goes on in the file. One that is there for reading back has all bytes; a new one gets what memory has and `rest`.
    fn leave_memory(&mut self, rest: &[u8]) -> Result<()> {
        if self.file.is_none() {
            let mut file = nameless()?;
            file.write_all(&self.piece).and_then(|()| file.write_all(rest)).map_err(|e| unwritten(&e))?;
            self.file = Some(file);
        }
        self.is_in_file = true;
        self.piece = Vec::new();
        Ok(())
    }
}

impl PartSink for ObjectPart {
    fn append(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.bytes += bytes.len() as u64;
        if let Some(file) = &mut self.file {
            file.write_all(bytes).map_err(|e| unwritten(&e))?;
        }
        if self.is_in_file {
            return Ok(());
        }
        while !bytes.is_empty() {
            let room = self.most().saturating_sub(self.piece.len());
            if room == 0 {
                if let Way::Unknown(_) = self.way {
                    return self.leave_memory(bytes);
                }
                self.hand_on()?;
                continue;
            }
            let (now, later) = bytes.split_at(bytes.len().min(room));
            self.piece.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    fn seal(&mut self) -> Result<()> {
        if let (Way::Unknown(first), true) = (&self.way, self.is_in_file) {
            let file = self.file.as_ref().ok_or_else(|| Error::internal("the part has no file"))?;
            first.wait(file.try_clone()?, self.bytes);
            return Ok(());
        }
        if let (Way::Known(key), true) = (&self.way, self.is_further && !self.attempt.holds(self.piece.len())) {
            self.way = Way::Pieces(self.attempt.upload(key.clone()));
        }
        if let Way::Pieces(upload) = &self.way {
            upload.push(std::mem::take(&mut self.piece))?;
        }
        Ok(())
    }

    fn reopen(&mut self) -> Result<File> {
        let file = self.file.as_ref().ok_or_else(|| Error::internal("the part was not kept"))?;
        let mut file = file.try_clone()?;
        file.rewind()?;
        Ok(file)
    }

    fn publish(&mut self, name: &str) -> Result<Published> {
        let key = self.attempt.bucket.key(name)?;
        self.attempt.flush()?;
        let upload = match &self.way {
            Way::Known(_) => None,
            Way::Pieces(upload) => Some(Arc::clone(upload)),
            Way::Unknown(first) => first.start(&self.attempt, &key)?,
        };
        match upload {
            Some(upload) if upload.key() == key => upload.publish(),
            Some(upload) => Err(Error::internal(format!("\"{}\" is published as \"{key}\"", upload.key()))),
            None => {
                let body = Bytes::from(std::mem::take(&mut self.piece));
                runtime::wait(put(&self.attempt.clients, &key, body, self.attempt.replace))
            }
        }
    }

    fn discard(&mut self) -> Result<()> {
        // Uploads are the attempt's, whose end gives them up all at once.
        self.piece = Vec::new();
        self.file = None;
        Ok(())
    }
}

fn nameless() -> Result<File> {
    tempfile::tempfile().map_err(|e| unwritten(&e))
}

fn unwritten(error: &std::io::Error) -> Error {
    Error::permanent(format!("could not write to a temporary file: {}", net::plain(error)))
        .hint("free space in the directory for temporary files, or name another in TMPDIR")
}
