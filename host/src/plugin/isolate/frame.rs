//! What passes between the host and the process of a plug-in: frames on a socket, each with its length. Messages are
//! JSON, batches are Arrow IPC.

use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use rivet_plugin_api::{Error, ReadRequest, Spec, WriteRequest};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::plugin::{Half, Policy};

/// The channel of the handle itself. Readers and writers have channels of their own, from 1 on.
pub const HANDLE: u32 = 0;

const HEADER_BYTES: usize = 16;

/// More than this is only reserved as it comes.
const MAX_RESERVED: u64 = 64 << 20;

/// The longest JSON. The longest honest one is the manifest of a hundred thousand parts.
const JSON_BYTES: usize = 64 << 20;

/// The longest batch where nothing else limits it: two columns of text that are as long as such can be.
pub const ARROW_BYTES: u64 = 4 << 30;

/// How much is handed to the system at once. The system gives up on a whole when nothing passes for a while; so one large
/// whole, of which a little is taken now and then, would not come back for hours.
const PIECE_BYTES: usize = 1 << 20;

/// What is in a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Kind {
    /// A [`Request`] or an [`Answer`].
    Message = 1,
    /// A part of a stream of Arrow IPC: a schema alone, or a batch.
    Arrow = 2,
    /// A log event of the plug-in.
    Log = 3,
    /// The host's wish that what the channel is for stops; it has no content and no answer.
    Cancel = 4,
}

impl Kind {
    /// How long a frame may be that has batches of at most `arrow` bytes. What says that it is longer comes from a side
    /// that is broken, and is not waited for.
    fn most(self, arrow: u64) -> u64 {
        match self {
            Self::Message | Self::Log => JSON_BYTES as u64,
            Self::Arrow => arrow,
            Self::Cancel => 0,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Arrow => "batch",
            Self::Log => "log event",
            Self::Cancel => "wish to stop",
        }
    }
}

/// What has arrived.
#[derive(Debug)]
pub struct Frame {
    pub kind: Kind,
    pub channel: u32,
    pub body: Vec<u8>,
}

/// What the host asks for. Each has one answer on its channel, in the order of the requests.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Comes first; answered by [`Loaded`].
    Load(Load),
    /// Opens the one handle of this process.
    Open { half: Half, options: Value },
    /// A call of the handle, answered as the table does.
    Call { name: String, request: String },
    /// Starts reading on a new channel. A schema follows the answer.
    Read { request: Box<ReadRequest> },
    /// Answered by a batch, or by the end.
    Next,
    /// Ends a reader.
    CloseReader,
    /// Starts writing on a new channel. A schema follows; each batch after it is answered by the progress.
    Begin { request: Box<WriteRequest> },
    /// Answered by the receipt.
    Finish,
    /// Leaves nothing behind.
    Abort,
    /// Ends the handle. The process ends with the connection.
    Close,
}

/// Which plug-in, and what its process may use.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Load {
    pub plugin: Which,
    pub memory_mb: Option<u64>,
}

/// Where a plug-in is.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// Linked into this binary under this name.
    Linked(String),
    /// In a file, which is inspected again by the process that loads it.
    File { path: PathBuf, bundled: bool, policy: Box<Policy> },
}

/// What was loaded.
#[derive(Debug, Deserialize, Serialize)]
pub struct Loaded {
    pub spec: Spec,
    pub abi: (u32, u32),
}

/// What became of a request.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Done(Value),
    /// There are no more batches.
    End,
    Failed(Error),
}

/// Why nothing more passes.
#[derive(Debug)]
pub enum Lost {
    /// The other side has ended.
    Gone,
    /// The one who waits has given up.
    GivenUp,
    /// This side cannot say what it wants to.
    Unsaid(Error),
    /// The other side does not keep to the protocol.
    Broken(String),
}

impl Lost {
    fn of(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof => Self::Gone,
            _ => Self::Broken(error.to_string()),
        }
    }
}

/// Called whenever the other side lets wait or only a part has passed; an error gives up.
pub type Wait<'a> = &'a mut dyn FnMut() -> Result<(), Lost>;

/// Sends one frame, in one piece as far as the socket takes it.
pub fn send(socket: &UnixStream, kind: Kind, channel: u32, parts: &[&[u8]], wait: Wait<'_>) -> Result<(), Lost> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut header = [0; HEADER_BYTES];
    header[0] = kind as u8;
    header[4..8].copy_from_slice(&channel.to_le_bytes());
    header[8..].copy_from_slice(&(length as u64).to_le_bytes());
    let mut slices: Vec<IoSlice<'_>> =
        std::iter::once(&header[..]).chain(parts.iter().copied()).map(IoSlice::new).collect();
    let mut left = &mut slices[..];
    while !left.is_empty() {
        match (&mut &*socket).write_vectored(&piece(left)) {
            Ok(0) => return Err(Lost::Gone),
            Ok(sent) => IoSlice::advance_slices(&mut left, sent),
            Err(e) if e.kind() == ErrorKind::Interrupted || lets_wait(&e) => {}
            Err(e) => return Err(Lost::of(&e)),
        }
        // Also when a little was taken: whoever takes a byte now and then would never let wait.
        if !left.is_empty() {
            wait()?;
        }
    }
    Ok(())
}

/// The beginning of what is left to send.
fn piece<'a>(left: &'a [IoSlice<'_>]) -> Vec<IoSlice<'a>> {
    let mut room = PIECE_BYTES;
    let mut parts = Vec::new();
    for slice in left {
        let part = &slice[..slice.len().min(room)];
        room -= part.len();
        parts.push(IoSlice::new(part));
        if room == 0 {
            break;
        }
    }
    parts
}

/// Waits for the next frame. One that is longer than its kind may be, batches longer than `arrow` bytes, is refused before
/// anything of it is taken in.
pub fn receive(socket: &UnixStream, arrow: u64, wait: Wait<'_>) -> Result<Frame, Lost> {
    let header = read(socket, HEADER_BYTES as u64, wait)?;
    let number = |from: usize, to: usize| header[from..to].iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte));
    let kind = match header[0] {
        1 => Kind::Message,
        2 => Kind::Arrow,
        3 => Kind::Log,
        4 => Kind::Cancel,
        other => return Err(Lost::Broken(format!("a frame of the unknown kind {other}"))),
    };
    let (length, most) = (number(8, 16), kind.most(arrow));
    if length > most {
        return Err(Lost::Broken(format!("a {} of {length} bytes, more than {most}", kind.as_str())));
    }
    let body = read(socket, length, wait)?;
    Ok(Frame { kind, channel: number(4, 8) as u32, body })
}

/// Exactly `length` bytes. They are read into memory that nothing has cleared before.
fn read(socket: &UnixStream, length: u64, wait: Wait<'_>) -> Result<Vec<u8>, Lost> {
    let mut body = Vec::new();
    let reserved = body.try_reserve_exact(length.min(MAX_RESERVED) as usize);
    reserved.map_err(|_| Lost::Broken(format!("no memory for a frame of {length} bytes")))?;
    while (body.len() as u64) < length {
        // No more than is there: reading on until all is there would never let wait where bytes trickle in.
        let there = rustix::io::ioctl_fionread(socket).map_err(|e| Lost::of(&e.into()))?;
        let piece = there.clamp(1, length - body.len() as u64);
        match socket.take(piece).read_to_end(&mut body) {
            Ok(0) => return Err(Lost::Gone),
            Ok(_) => {}
            Err(e) if lets_wait(&e) => {}
            Err(e) => return Err(Lost::of(&e)),
        }
        if (body.len() as u64) < length {
            wait()?;
        }
    }
    Ok(body)
}

fn lets_wait(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// The JSON of a message, when it is not longer than the other side takes.
pub fn encode(message: &impl Serialize) -> Result<Vec<u8>, Error> {
    sayable(serde_json::to_vec(message).map_err(|e| Error::internal(format!("a message has no JSON: {e}")))?)
}

fn sayable(json: Vec<u8>) -> Result<Vec<u8>, Error> {
    if json.len() <= JSON_BYTES {
        return Ok(json);
    }
    let bytes = json.len();
    let text = format!("a message of {bytes} bytes is too long for an isolated plug-in, which takes {JSON_BYTES}");
    Err(Error::permanent(text).hint("run the plug-in without isolation"))
}

#[cfg(test)]
mod tests;
