//! Does what the host asks for, one request after the other.

use std::collections::HashMap;
use std::sync::mpsc;

use arrow_buffer::Buffer;
use rivet_plugin_api::abi::{
    DestinationHandle, Plugin, Process, ReaderHandle, RvPlugin, SourceHandle, Trust, WriterHandle,
};
use rivet_plugin_api::{Error, ReadRequest, Result, WriteRequest};
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Out, Tokens};
use crate::plugin::Half;
use crate::plugin::isolate::batches::{self, Decoder, Encoder};
use crate::plugin::isolate::frame::{self, Answer, Frame, HANDLE, Kind, Load, Loaded, Request, Which};
use crate::plugin::search::Found;

/// Everything that is open in this process.
pub(super) struct Session<'a> {
    linked: &'a [&'static RvPlugin],
    out: Out,
    tokens: Tokens,
    plugin: Option<Plugin>,
    opened: Option<Opened>,
    readers: HashMap<u32, Reading>,
    writers: HashMap<u32, Writing>,
}

enum Opened {
    Source(SourceHandle),
    Destination(DestinationHandle),
}

struct Reading {
    reader: ReaderHandle,
    encoder: Encoder,
    /// Asked ahead, it is asked once more after its end.
    ended: bool,
}

struct Writing {
    writer: WriterHandle,
    decoder: Decoder,
    /// Sent ahead, a batch comes once more after a failure.
    failed: bool,
}

/// What follows an answer, or is one.
enum Reply {
    Answer(Answer),
    Schema(Vec<Buffer>),
    Batch(Vec<Buffer>),
}

impl<'a> Session<'a> {
    pub(super) fn new(linked: &'a [&'static RvPlugin], out: Out, tokens: Tokens) -> Self {
        let (readers, writers) = (HashMap::new(), HashMap::new());
        Self { linked, out, tokens, plugin: None, opened: None, readers, writers }
    }

    /// Answers until nothing more comes.
    pub(super) fn run(mut self, frames: &mpsc::Receiver<Frame>) {
        while let Ok(frame) = frames.recv() {
            let channel = frame.channel;
            let outcome = match frame.kind {
                Kind::Arrow => self.write(channel, frame.body),
                _ => read(&frame.body).and_then(|request| self.request(channel, request, frames)),
            };
            self.reply(channel, outcome.unwrap_or_else(|e| Reply::Answer(Answer::Failed(e))));
        }
    }

    fn reply(&self, channel: u32, reply: Reply) {
        match reply {
            Reply::Batch(buffers) => self.out.send(Kind::Arrow, channel, &batches::slices(&buffers)),
            Reply::Schema(buffers) => {
                self.answer(channel, &Answer::Done(Value::Null));
                self.out.send(Kind::Arrow, channel, &batches::slices(&buffers));
            }
            Reply::Answer(answer) => self.answer(channel, &answer),
        }
    }

    fn answer(&self, channel: u32, answer: &Answer) {
        let json = frame::encode(answer).or_else(|e| frame::encode(&Answer::Failed(e)));
        self.out.send(Kind::Message, channel, &[&json.unwrap_or_default()]);
    }

    fn request(&mut self, channel: u32, request: Request, frames: &mpsc::Receiver<Frame>) -> Result<Reply> {
        match request {
            Request::Load(load) => {
                let plugin = self.plugin.insert(self::load(self.linked, &load)?);
                done(&Loaded { spec: plugin.spec().clone(), abi: plugin.abi() })
            }
            Request::Open { half, options } => self.open(half, &options),
            Request::Call { name, request } => {
                self.call(&name, &request).map(|value| Reply::Answer(Answer::Done(value)))
            }
            Request::Read { request } => {
                self.start_reading(channel, &request).inspect_err(|_| self.tokens.forget(channel))
            }
            Request::Next => self.next(channel),
            Request::CloseReader => {
                let closed = self.readers.remove(&channel).map_or(Ok(()), |reading| reading.reader.close());
                self.over(channel, closed)
            }
            Request::Begin { request } => {
                self.start_writing(channel, &request, frames).inspect_err(|_| self.tokens.forget(channel))
            }
            Request::Finish => {
                let writing = self.writers.remove(&channel).ok_or_else(|| out_of_turn("finish"))?;
                let receipt = writing.writer.finish();
                self.over(channel, receipt)
            }
            Request::Abort => {
                let aborted = self.writers.remove(&channel).map_or(Ok(()), |writing| writing.writer.abort());
                self.over(channel, aborted)
            }
            Request::Close => {
                match self.opened.take() {
                    Some(Opened::Source(source)) => source.close()?,
                    Some(Opened::Destination(destination)) => destination.close()?,
                    None => {}
                }
                done(&())
            }
        }
    }

    fn start_reading(&mut self, channel: u32, request: &ReadRequest) -> Result<Reply> {
        let Some(Opened::Source(source)) = &mut self.opened else { return Err(out_of_turn("read")) };
        let reader = source.read(request, &self.tokens.of(channel))?;
        let (encoder, schema) = (Encoder::new(reader.schema())?, Encoder::schema(reader.schema())?);
        self.readers.insert(channel, Reading { reader, encoder, ended: false });
        Ok(Reply::Schema(schema))
    }

    fn start_writing(&mut self, channel: u32, request: &WriteRequest, frames: &mpsc::Receiver<Frame>) -> Result<Reply> {
        let Some(Opened::Destination(destination)) = &mut self.opened else { return Err(out_of_turn("begin")) };
        let schema = frames.recv().map_err(|_| out_of_turn("begin"))?;
        let schema = Decoder::schema(schema.body)?;
        let writer = destination.begin(request, &schema, &self.tokens.of(channel))?;
        self.writers.insert(channel, Writing { writer, decoder: Decoder::default(), failed: false });
        done(&())
    }

    /// Answers what ended the use of `channel`. A wish to stop has to be heard until then, so that its token is forgotten
    /// only now.
    fn over(&self, channel: u32, outcome: Result<impl Serialize>) -> Result<Reply> {
        self.tokens.forget(channel);
        done(&outcome?)
    }

    fn open(&mut self, half: Half, options: &Value) -> Result<Reply> {
        let plugin = self.plugin.as_ref().ok_or_else(|| out_of_turn("open"))?;
        let cancel = self.tokens.of(HANDLE);
        self.opened = Some(match half {
            Half::Source => Opened::Source(plugin.open_source(options, &cancel)?),
            Half::Destination => Opened::Destination(plugin.open_destination(options, &cancel)?),
        });
        done(&())
    }

    fn call(&mut self, name: &str, request: &str) -> Result<Value> {
        let request = request.as_bytes();
        match &mut self.opened {
            Some(Opened::Source(source)) => match name {
                "probe" => json(&source.probe()?),
                "describe" => json(&source.describe(&read(request)?)?),
                "explain" => json(&source.explain(&read(request)?)?),
                "bounds" => json(&source.bounds(&read(request)?)?),
                "count" => json(&source.count(&read(request)?)?),
                "snapshot" => json(&source.snapshot()?),
                "split" => json(&source.split(&read(request)?)?),
                "tables" => json(&source.tables(&read(request)?)?),
                _ => Err(out_of_turn(name)),
            },
            Some(Opened::Destination(destination)) => match name {
                "probe" => json(&destination.probe()?),
                "stat" => json(&destination.stat(&read::<String>(request)?)?),
                "remove" => json(&destination.remove(&read::<String>(request)?)?),
                "put" => json(&destination.put(&read(request)?)?),
                _ => Err(out_of_turn(name)),
            },
            None => Err(out_of_turn(name)),
        }
    }

    fn next(&mut self, channel: u32) -> Result<Reply> {
        let reading = self.readers.get_mut(&channel).ok_or_else(|| out_of_turn("next_batch"))?;
        if reading.ended {
            return Ok(Reply::Answer(Answer::End));
        }
        let batch = reading.reader.next();
        reading.ended = !matches!(batch, Ok(Some(_)));
        match batch? {
            Some(batch) => reading.encoder.batch(&batch).map(Reply::Batch),
            None => Ok(Reply::Answer(Answer::End)),
        }
    }

    fn write(&mut self, channel: u32, batch: Vec<u8>) -> Result<Reply> {
        let writing = self.writers.get_mut(&channel).filter(|writing| !writing.failed);
        let writing = writing.ok_or_else(|| out_of_turn("write"))?;
        let written = writing.decoder.batch(batch).and_then(|batch| writing.writer.write(batch));
        writing.failed = written.is_err();
        done(&written?)
    }
}

/// Loads the plug-in within its limit of memory.
fn load(linked: &[&'static RvPlugin], load: &Load) -> Result<Plugin> {
    if let Some(mb) = load.memory_mb {
        let most = Some(mb.saturating_mul(1 << 20));
        setrlimit(Resource::As, Rlimit { current: most, maximum: most })
            .map_err(|e| Error::from(std::io::Error::from(e)).context("could not limit the memory"))?;
    }
    match &load.plugin {
        Which::File { path, bundled, policy } => {
            let trust = if *bundled { Trust::Bundled } else { Trust::Foreign };
            let loaded = Found::at(path, trust, policy).load(policy, Process::Isolated);
            loaded.map_err(|refusal| policy.refused(&refusal))
        }
        Which::Linked(name) => {
            for table in linked {
                let plugin = Plugin::linked(table)?;
                if plugin.spec().name == *name {
                    return Ok(plugin);
                }
            }
            Err(Error::internal(format!("no connector named \"{name}\" is linked in")))
        }
    }
}

fn out_of_turn(call: &str) -> Error {
    Error::internal(format!("\"{call}\" came out of turn"))
}

fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T> {
    serde_json::from_slice(json).map_err(|e| Error::internal(format!("a request cannot be read: {e}")))
}

fn json(value: &impl Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(|e| Error::internal(format!("an answer has no JSON: {e}")))
}

fn done(value: &impl Serialize) -> Result<Reply> {
    Ok(Reply::Answer(Answer::Done(json(value)?)))
}
