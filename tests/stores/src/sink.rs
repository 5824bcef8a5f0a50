//! A store that speaks S3 as far as one large object needs it. It checks every piece against its MD5, counts its bytes and
//! keeps nothing, so that the size of an object is bounded by patience alone.

use std::collections::BTreeMap;
use std::io::{BufReader, Read as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest as _, Md5};

use crate::Step;
use crate::http::{Message, answer, query};

/// A store on a port of its own, for the rest of the process.
pub struct Sink {
    /// Its address.
    pub url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Sizes and sums of the pieces, by their numbers.
    pieces: BTreeMap<u32, (u64, [u8; 16])>,
    /// The size of the object, once there is one, and its entity tag.
    object: Option<(u64, String)>,
}

impl Sink {
    /// A store without an object.
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let theirs = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = Arc::clone(&theirs);
                thread::spawn(move || while_open(client, &state));
            }
        });
        Self { url, state }
    }

    /// The size of the object, and how many pieces it is of; `None` when there is none.
    pub fn object(&self) -> Option<(u64, usize)> {
        let state = lock(&self.state);
        state.object.as_ref().map(|(bytes, _)| (*bytes, state.pieces.len()))
    }
}

impl Default for Sink {
    fn default() -> Self {
        Self::new()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn while_open(client: TcpStream, state: &Mutex<State>) {
    let mut client = BufReader::with_capacity(1 << 20, client);
    while let Some(mut request) = Message::read_head(&mut client) {
        let step = Step::of(&request);
        let reply = if step == Step::UploadPart {
            piece(&request, &mut client, state)
        } else {
            request.read_body(&mut client).map(|()| reply(&request, step, &mut lock(state)))
        };
        if reply.and_then(|reply| reply.send(client.get_mut())).is_none() {
            return;
        }
    }
}

/// Takes a piece without keeping it.
fn piece(request: &Message, client: &mut BufReader<TcpStream>, state: &Mutex<State>) -> Option<Message> {
    let (mut sum, mut block) = (Md5::new(), vec![0; 1 << 20]);
    let length = request.length()?;
    let mut left = length;
    while left > 0 {
        let most = left.min(block.len());
        let read = client.read(&mut block[..most]).ok().filter(|read| *read > 0)?;
        sum.update(&block[..read]);
        left -= read;
    }
    let sum: [u8; 16] = sum.finalize().into();
    if request.header("content-md5") != Some(BASE64_STANDARD.encode(sum).as_str()) {
        return Some(answer(400, &[], "<Error><Code>BadDigest</Code></Error>"));
    }
    let number = query(request.target()).into_iter().find(|(key, _)| key == "partNumber")?.1.parse().ok()?;
    lock(state).pieces.insert(number, (length as u64, sum));
    Some(answer(200, &[("ETag", &format!("\"{}\"", hex(&sum)))], ""))
}

fn reply(request: &Message, step: Step, state: &mut State) -> Message {
    match step {
        Step::Initiate => {
            let result = "InitiateMultipartUploadResult";
            answer(200, &[], format!("<{result}><UploadId>1</UploadId></{result}>"))
        }
        Step::Complete => {
            // As S3 does it: of the pieces that the request lists, which have to be all.
            let listed = String::from_utf8_lossy(&request.body).matches("<PartNumber>").count();
            let is_whole = state.pieces.keys().copied().eq(1..=listed as u32);
            if !is_whole {
                return answer(400, &[], "<Error><Code>InvalidPart</Code></Error>");
            }
            let all = state.pieces.values().fold(Md5::new(), |all, (_, sum)| all.chain_update(sum));
            let etag = format!("{}-{listed}", hex(&all.finalize()));
            state.object = Some((state.pieces.values().map(|(bytes, _)| bytes).sum(), etag.clone()));
            let result = "CompleteMultipartUploadResult";
            answer(200, &[], format!("<{result}><ETag>{etag}</ETag></{result}>"))
        }
        Step::ListUploads => answer(200, &[], "<ListMultipartUploadsResult></ListMultipartUploadsResult>"),
        Step::Stat => match &state.object {
            Some((bytes, etag)) => answer(200, &[("Content-Length", &bytes.to_string()), ("ETag", etag)], ""),
            None => answer(404, &[], ""),
        },
        _ => answer(501, &[], "<Error><Code>NotImplemented</Code></Error>"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
