//! What the host holds of a plug-in in a process of its own: the same handles as those of a table.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use rivet_plugin_api::abi::remote::{RemoteDestination, RemoteHandle, RemoteSource};
use rivet_plugin_api::{
    BatchReader, BatchWriter, Cancel, CancelGuard, Error, Progress, ReadRequest, Receipt, Result, WriteRequest,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::batches::{Decoder, Encoder, slices};
use super::child::{Child, Talk, answer_in, done};
use super::frame::{Answer, HANDLE, Kind, Lost, Request};

/// How many batches a source may be asked for before they are needed, so that it works while the host does.
const AHEAD: usize = 2;

/// An opened handle.
pub struct Handle {
    child: Arc<Child>,
    cancel: Cancel,
    ended: bool,
    /// Tells the process of a wish to stop.
    _follows: CancelGuard,
}

fn follow(child: &Arc<Child>, channel: u32, cancel: &Cancel) -> CancelGuard {
    let child = Arc::downgrade(child);
    cancel.on_cancel(move || {
        if let Some(child) = child.upgrade() {
            child.cancel(channel);
        }
    })
}

fn read_as<T: DeserializeOwned>(child: &Child, name: &str, value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|e| {
        let plugin = child.plugin();
        Error::internal(format!("plug-in \"{plugin}\" answered \"{name}\" with something else than promised: {e}"))
    })
}

impl Handle {
    /// Opens the handle of a process that has loaded its plug-in.
    pub fn open(child: Arc<Child>, request: &Request, cancel: &Cancel) -> Result<Self> {
        let follows = follow(&child, HANDLE, cancel);
        child.ask("open", HANDLE, cancel, request)?;
        Ok(Self { child, cancel: cancel.clone(), ended: false, _follows: follows })
    }
}

impl RemoteHandle for Handle {
    fn call(&mut self, name: &'static str, request: &str) -> Result<String> {
        let request = Request::Call { name: name.to_owned(), request: request.to_owned() };
        self.child.ask(name, HANDLE, &self.cancel, &request).map(|value| value.to_string())
    }

    fn close(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.ended, true) || !self.child.is_alive() {
            return Ok(());
        }
        self.child.ask("close", HANDLE, &self.cancel, &Request::Close).map(drop)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Err(e) = self.close() {
            tracing::debug!("{e}");
        }
    }
}

impl RemoteSource for Handle {
    fn read(&mut self, request: &ReadRequest, cancel: &Cancel) -> Result<Box<dyn BatchReader>> {
        let (child, channel) = (&self.child, self.child.channel());
        let follows = follow(child, channel, cancel);
        let request = Request::Read { request: Box::new(request.clone()) };
        let schema = child.call("read", cancel, |talk| {
            talk.request(channel, &request)?;
            match done(talk.answer(channel)?) {
                Ok(_) => {
                    talk.open(channel);
                    Ok(Ok(talk.receive(channel)?.body))
                }
                Err(e) => Ok(Err(e)),
            }
        })?;
        let schema = Decoder::schema(schema)?;
        let (child, cancel) = (Arc::clone(child), cancel.clone());
        let (decoder, asked, state) = (Decoder::default(), 0, State::Running);
        Ok(Box::new(Reader { child, channel, schema, decoder, cancel, asked, state, _follows: follows }))
    }
}

impl RemoteDestination for Handle {
    fn begin(&mut self, request: &WriteRequest, schema: &SchemaRef, cancel: &Cancel) -> Result<Box<dyn BatchWriter>> {
        let (child, channel) = (&self.child, self.child.channel());
        let follows = follow(child, channel, cancel);
        let request = Request::Begin { request: Box::new(request.clone()) };
        let (encoder, bytes) = (Encoder::new(schema)?, Encoder::schema(schema)?);
        child.call("begin", cancel, |talk| {
            talk.request(channel, &request)?;
            talk.send(Kind::Arrow, channel, &slices(&bytes))?;
            let begun = done(talk.answer(channel)?);
            if begun.is_ok() {
                talk.open(channel);
            }
            Ok(begun)
        })?;
        let (child, cancel) = (Arc::clone(child), cancel.clone());
        let (progress, sent, state) = (Progress::default(), 0, State::Running);
        Ok(Box::new(Writer { child, channel, encoder, cancel, sent, progress, state, _follows: follows }))
    }
}

/// Where a reader or writer is.
#[derive(Clone, Copy, Eq, PartialEq)]
enum State {
    Running,
    /// Nothing more is to come from it.
    Over,
    /// It has been told to end.
    Ended,
}

struct Reader {
    child: Arc<Child>,
    channel: u32,
    schema: SchemaRef,
    decoder: Decoder,
    cancel: Cancel,
    /// How many batches it was asked for that have not arrived.
    asked: usize,
    state: State,
    _follows: CancelGuard,
}

impl BatchReader for Reader {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        let (channel, asked) = (self.channel, &mut self.asked);
        let frame = self.child.call("next_batch", &self.cancel, |talk| {
            while *asked < AHEAD {
                talk.request(channel, &Request::Next)?;
                *asked += 1;
            }
            let frame = talk.receive(channel)?;
            *asked -= 1;
            Ok(match frame.kind {
                Kind::Arrow => Ok(Some(frame.body)),
                _ => match answer_in(&frame)? {
                    Answer::End => Ok(None),
                    answer => Err(done(answer).err().unwrap_or_else(|| Error::internal("no batch was answered"))),
                },
            })
        });
        let named = |e: Error| e.context(format!("plug-in \"{}\" broke its promise", self.child.plugin()));
        let batch = match frame {
            Ok(Some(bytes)) => self.decoder.batch(bytes).map(Some).map_err(named),
            Ok(None) => Ok(None),
            Err(e) => Err(e),
        };
        if !matches!(batch, Ok(Some(_))) {
            self.state = State::Over;
        }
        batch
    }

    fn close(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.state, State::Ended) == State::Ended || !self.child.is_alive() {
            return Ok(());
        }
        let (channel, asked) = (self.channel, self.asked);
        self.child.call("close_reader", &self.cancel, |talk| {
            talk.request(channel, &Request::CloseReader)?;
            for _ in 0..asked {
                talk.receive(channel)?;
            }
            let closed = talk.answer(channel)?;
            talk.close(channel);
            Ok(done(closed).map(drop))
        })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // What it reads ahead is not wanted any more.
        if self.asked > 0 && self.state == State::Running && self.child.is_alive() {
            self.child.cancel(self.channel);
        }
        if let Err(e) = self.close() {
            tracing::debug!("{e}");
        }
    }
}

struct Writer {
    child: Arc<Child>,
    channel: u32,
    encoder: Encoder,
    cancel: Cancel,
    /// How many batches it was sent whose progress has not arrived.
    sent: usize,
    progress: Progress,
    state: State,
    _follows: CancelGuard,
}

impl Writer {
    /// Waits until at most `left` batches are not answered.
    fn catch_up(
        &mut self,
        name: &str,
        left: usize,
        first: impl FnOnce(&mut Talk<'_>) -> Result<(), Lost>,
    ) -> Result<()> {
        let (channel, sent) = (self.channel, &mut self.sent);
        let progress = self.child.call(name, &self.cancel, |talk| {
            first(talk)?;
            let mut progress = None;
            while *sent > left {
                *sent -= 1;
                match done(talk.answer(channel)?) {
                    Ok(value) => progress = Some(value),
                    Err(e) => return Ok(Err(e)),
                }
            }
            Ok(Ok(progress))
        })?;
        if let Some(progress) = progress {
            self.progress = read_as(&self.child, name, progress)?;
        }
        Ok(())
    }
}

impl BatchWriter for Writer {
    /// Answers as soon as the batch is sent: the progress, and an error, are those of the batch before.
    fn write(&mut self, batch: RecordBatch) -> Result<Progress> {
        let buffers = self.encoder.batch(&batch)?;
        self.sent += 1;
        let channel = self.channel;
        self.catch_up("write", 1, |talk| talk.send(Kind::Arrow, channel, &slices(&buffers)))?;
        Ok(self.progress)
    }

    fn finish(&mut self) -> Result<Receipt> {
        self.catch_up("write", 0, |_| Ok(()))?;
        self.state = State::Ended;
        let channel = self.channel;
        let receipt = self.child.call("finish", &self.cancel, |talk| {
            talk.request(channel, &Request::Finish)?;
            let receipt = talk.answer(channel)?;
            talk.close(channel);
            Ok(done(receipt))
        })?;
        read_as(&self.child, "finish", receipt)
    }

    fn abort(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.state, State::Ended) == State::Ended || !self.child.is_alive() {
            return Ok(());
        }
        let (channel, sent) = (self.channel, self.sent);
        self.child.call("abort", &self.cancel, |talk| {
            talk.request(channel, &Request::Abort)?;
            for _ in 0..sent {
                talk.answer(channel)?;
            }
            let aborted = talk.answer(channel)?;
            talk.close(channel);
            Ok(done(aborted).map(drop))
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Err(e) = self.abort() {
            tracing::debug!("{e}");
        }
    }
}
