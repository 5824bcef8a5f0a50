//! Parts on standard output: there is one after the other, and none can be taken back.

use std::fs::File;
use std::io::{BufWriter, Seek as _, Write as _};
use std::mem;

use rivet_plugin_api::{Error, Result};
use rivet_plugin_base::{PartSink, Published, Store};

use crate::pipe::Pipe;

/// One attempt's hold on standard output.
pub(crate) struct StdoutStore {
    pipe: Pipe,
    /// Whether nothing may go out before the attempt is complete.
    hold: bool,
}

impl StdoutStore {
    pub(crate) fn new(pipe: Pipe, hold: bool) -> Self {
        Self { pipe, hold }
    }
}

impl Store for StdoutStore {
    type Sink = StdoutPart;

    fn create(&mut self, _index: usize, _name: &str, reread: bool) -> Result<StdoutPart> {
        let held = (self.hold || reread).then(tempfile::tempfile).transpose()?;
        Ok(match held {
            Some(file) => StdoutPart::Held(BufWriter::new(file)),
            None => StdoutPart::Direct(Pipe::open()?),
        })
    }

    fn location(&self, _name: &str) -> String {
        Pipe::NAME.to_owned()
    }

    fn remove(&mut self, name: &str) -> Result<()> {
        Err(Error::unsupported(format!("\"{name}\" is on standard output and cannot be taken back")))
    }

    fn settle(&mut self, _names: &[String]) -> Result<()> {
        self.pipe.sync()
    }

    fn end(&mut self) -> Result<()> {
        Ok(())
    }
}

/// A part on its way.
pub(crate) enum StdoutPart {
    /// Goes out as it comes.
    Direct(Pipe),
    /// Waits in a file without a name.
    Held(BufWriter<File>),
    /// Is out, or given up.
    Gone,
}

impl PartSink for StdoutPart {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Self::Direct(pipe) => pipe.write(bytes),
            Self::Held(file) => Ok(file.write_all(bytes)?),
            Self::Gone => Err(Error::internal("the part is closed")),
        }
    }

    fn seal(&mut self) -> Result<()> {
        match self {
            Self::Direct(pipe) => pipe.flush(),
            Self::Held(file) => Ok(file.flush()?),
            Self::Gone => Err(Error::internal("the part is closed")),
        }
    }

    fn reopen(&mut self) -> Result<File> {
        let Self::Held(file) = self else { return Err(Error::internal("the part was not held back")) };
        file.rewind()?;
        Ok(file.get_ref().try_clone()?)
    }

    fn publish(&mut self, _name: &str) -> Result<Published> {
        if let Self::Held(mut file) = mem::replace(self, Self::Gone) {
            file.rewind()?;
            Pipe::open()?.copy(file.get_ref())?;
        }
        Ok(Published::default())
    }

    fn discard(&mut self) -> Result<()> {
        if let Self::Direct(pipe) = mem::replace(self, Self::Gone) {
            pipe.discard();
        }
        Ok(())
    }
}
