//! A store that speaks as Google's does and keeps everything in memory: objects by JSON and XML, uploads in parts, bearer
//! tokens with the server that gives them out, preconditions and content hashes.

mod objects;
mod tokens;
mod uploads;

use std::collections::BTreeMap;
use std::io::BufReader;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest as _, Md5};
use serde_json::{Value, json};

use crate::Step;
use crate::http::{Message, answer, decode, query};
pub use tokens::{Grant, Identity};

/// The token of whoever looks at the store from outside.
const READER: &str = "S3CR3T-CANARY-reader";

/// A store on a port of its own, for as long as the test runs.
pub struct Gcs {
    /// Its address, for the store's interfaces, for tokens below `/token` and for an instance's metadata.
    pub url: String,
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

/// What it holds.
#[derive(Default)]
struct State {
    /// Whether requests need a token.
    is_closed: bool,
    objects: BTreeMap<String, Object>,
    uploads: BTreeMap<String, Upload>,
    /// Counts generations and uploads.
    next: u64,
    tokens: tokens::Tokens,
    /// A right that nobody has.
    denied: Option<&'static str>,
    is_over: bool,
}

struct Object {
    bytes: Vec<u8>,
    generation: u64,
    /// Of an object that came in one piece; what came in parts has none.
    md5: Option<Vec<u8>>,
    crc32c: String,
}

/// An upload under way.
#[derive(Default)]
struct Upload {
    name: String,
    parts: BTreeMap<u32, Vec<u8>>,
}

/// The one bucket there is.
pub(crate) const BUCKET: &str = "rivet";

impl Gcs {
    /// A store that serves whoever comes.
    pub fn open() -> Self {
        Self::start(false)
    }

    /// A store that serves who has a token from it.
    pub fn closed() -> Self {
        Self::start(true)
    }

    fn start(is_closed: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut state = State { is_closed, ..State::default() };
        state.tokens.admit(READER);
        let state = Arc::new(Mutex::new(state));
        let theirs = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if lock(&theirs).is_over {
                    return;
                }
                let state = Arc::clone(&theirs);
                thread::spawn(move || while_open(client, &state));
            }
        });
        Self { url: format!("http://{address}"), address, state }
    }

    /// The names of the objects, in order.
    pub fn names(&self) -> Vec<String> {
        lock(&self.state).objects.keys().cloned().collect()
    }

    /// The names of the objects whose upload in parts has begun and not ended.
    pub fn pending(&self) -> Vec<String> {
        lock(&self.state).uploads.values().map(|upload| upload.name.clone()).collect()
    }

    /// Puts an object there, as another program would.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        lock(&self.state).store(name.to_owned(), bytes.to_vec(), true);
    }

    /// Removes what is under a prefix, finished or not.
    pub fn clear(&self, prefix: &str) {
        let mut state = lock(&self.state);
        state.objects.retain(|name, _| !name.starts_with(prefix));
        state.uploads.retain(|_, upload| !upload.name.starts_with(prefix));
    }

    /// Takes a right away from everybody, by the name that Google gives it.
    pub fn deny(&self, right: &'static str) {
        lock(&self.state).denied = Some(right);
    }

    /// Changes a byte of an object behind everybody's back.
    pub fn rot(&self, name: &str) {
        lock(&self.state).objects.get_mut(name).unwrap().bytes[0] ^= 1;
    }

    /// Makes every token that was given out invalid.
    pub fn expire(&self) {
        lock(&self.state).tokens.expire();
    }

    /// How long tokens are said to be valid that are given out from now on, in seconds.
    pub fn lifetime(&self, seconds: u64) {
        lock(&self.state).tokens.lifetime = Some(seconds);
    }

    /// How often a token was given out, for each kind of request for one.
    pub fn granted(&self) -> Vec<Grant> {
        lock(&self.state).tokens.granted.clone()
    }

    /// A token with which a program of another make reads.
    pub fn reader_token(&self) -> &'static str {
        READER
    }
}

impl Drop for Gcs {
    fn drop(&mut self) {
        lock(&self.state).is_over = true;
        // Wakes the listener, which sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn while_open(client: TcpStream, state: &Mutex<State>) {
    let _ = client.set_nodelay(true);
    let mut client = BufReader::new(client);
    while let Some(mut request) = Message::read_head(&mut client) {
        if request.read_body(&mut client).is_none() {
            return;
        }
        let mut reply = serve(&request, state);
        if request.method() == "HEAD" {
            let length = reply.body.len().to_string();
            reply.headers.push(("Content-Length".to_owned(), length));
            reply.body.clear();
        }
        if reply.send(client.get_mut()).is_none() {
            return;
        }
    }
}

fn serve(request: &Message, state: &Mutex<State>) -> Message {
    let mut state = lock(state);
    let path = request.target().split('?').next().unwrap_or_default();
    if let Some(reply) = state.tokens.serve(request, path) {
        return reply;
    }
    if state.is_closed && !state.tokens.are_valid(request.header("authorization")) {
        return json_error(401, "authError", "Invalid Credentials");
    }
    if let Some(right) = state.denied.filter(|right| Step::of(request).rights().contains(right)) {
        return forbidden(path, right);
    }
    let words: Vec<&str> = path.trim_start_matches('/').splitn(6, '/').collect();
    match words.as_slice() {
        ["storage", "v1", "b", bucket, ..] | ["upload" | "download", "storage", "v1", "b", bucket, ..]
            if decode(bucket) != BUCKET =>
        {
            json_error(404, "notFound", "The specified bucket does not exist.")
        }
        ["upload", "storage", "v1", "b", _, _] => state.insert(request),
        ["download", "storage", "v1", "b", _, rest] => match rest.strip_prefix("o/") {
            Some(name) => state.object(request, &decode(name)),
            None => json_error(404, "notFound", "Not Found"),
        },
        ["storage", "v1", "b", _] => answer(200, &JSON, json!({ "name": BUCKET }).to_string()),
        ["storage", "v1", "b", _, "o"] => state.list(request),
        ["storage", "v1", "b", _, "o", name] => state.object(request, &decode(name)),
        [bucket, ..] if decode(bucket) != BUCKET => {
            xml_error(404, "NoSuchBucket", "The specified bucket does not exist.")
        }
        [_, ..] => {
            let name = path.trim_start_matches('/').split_once('/').map_or("", |(_, name)| name);
            state.xml(request, &decode(name))
        }
        [] => json_error(404, "notFound", "Not Found"),
    }
}

const JSON: [(&str, &str); 1] = [("Content-Type", "application/json; charset=UTF-8")];

fn json_error(status: u16, reason: &str, message: &str) -> Message {
    let errors = json!([{ "domain": "global", "reason": reason, "message": message }]);
    answer(status, &JSON, json!({ "error": { "code": status, "message": message, "errors": errors } }).to_string())
}

/// Google's words for an account that lacks a right.
fn forbidden(path: &str, right: &str) -> Message {
    let words = format!(
        "rivet@example.iam.gserviceaccount.com does not have {right} access to the Google Cloud Storage object."
    );
    if path.starts_with("/storage/v1/") || path.starts_with("/upload/") || path.starts_with("/download/") {
        let why = format!("{words} Permission '{right}' denied on resource (or it may not exist).");
        return json_error(403, "forbidden", &why);
    }
    let body =
        format!("<Error><Code>AccessDenied</Code><Message>Access denied.</Message><Details>{words}</Details></Error>");
    answer(403, &[("Content-Type", "application/xml; charset=UTF-8")], body)
}

fn xml_error(status: u16, code: &str, message: &str) -> Message {
    let body =
        format!("<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>");
    answer(status, &[("Content-Type", "application/xml; charset=UTF-8")], body)
}

impl State {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn store(&mut self, name: String, bytes: Vec<u8>, is_whole: bool) -> u64 {
        let generation = 1_700_000_000_000_000 + self.number();
        let (md5, crc32c) = (is_whole.then(|| Md5::digest(&bytes).to_vec()), crc32c_of(&bytes));
        self.objects.insert(name, Object { bytes, generation, md5, crc32c });
        generation
    }

    /// Whether an object is as a request wants it to be: absent for generation 0.
    fn meets(&self, request: &Message, name: &str) -> bool {
        let asked = query(request.target()).into_iter().find(|(key, _)| key == "ifGenerationMatch").map(|(_, v)| v);
        let asked = asked.or_else(|| request.header("x-goog-if-generation-match").map(ToOwned::to_owned));
        let there = self.objects.get(name).map_or(0, |object| object.generation);
        asked.is_none_or(|asked| asked == there.to_string())
    }
}

impl Object {
    fn metadata(&self, name: &str) -> Value {
        let mut value = json!({
            "kind": "storage#object",
            "id": format!("{BUCKET}/{name}/{}", self.generation),
            "name": name,
            "bucket": BUCKET,
            "generation": self.generation.to_string(),
            "metageneration": "1",
            "contentType": "application/octet-stream",
            "storageClass": "STANDARD",
            "size": self.bytes.len().to_string(),
            "crc32c": self.crc32c,
            "etag": format!("e{}", self.generation),
            "timeCreated": "2026-01-01T00:00:00.000Z",
            "updated": "2026-01-01T00:00:00.000Z",
        });
        if let Some(md5) = &self.md5 {
            value["md5Hash"] = json!(BASE64_STANDARD.encode(md5));
        }
        value
    }

    /// As the XML interface has it: of what came in one piece its sum.
    fn etag(&self) -> String {
        self.md5.as_ref().map_or_else(|| format!("\"m{}\"", self.generation), |sum| format!("\"{}\"", hex(sum)))
    }

    /// As the XML interface has it in `x-goog-hash`.
    fn hashes(&self) -> String {
        let crc = format!("crc32c={}", self.crc32c);
        self.md5.as_ref().map_or(crc.clone(), |sum| format!("{crc},md5={}", BASE64_STANDARD.encode(sum)))
    }
}

/// Whether the hashes that a request names are those of its body.
fn hashes_are_right(request: &Message) -> bool {
    let named = request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("x-goog-hash"));
    let named = named.flat_map(|(_, value)| value.split(',')).filter_map(|pair| pair.trim().split_once('='));
    let md5 = request.header("content-md5").map(|value| ("md5", value));
    named.chain(md5).all(|(kind, value)| match kind {
        "md5" => value == md5_of(&request.body),
        "crc32c" => value == crc32c_of(&request.body),
        _ => true,
    })
}

fn md5_of(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(Md5::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// The checksum of RFC 3720 in the order of the network.
fn crc32c_of(bytes: &[u8]) -> String {
    static TABLE: std::sync::LazyLock<[u32; 256]> = std::sync::LazyLock::new(|| {
        std::array::from_fn(|byte| {
            (0..8).fold(byte as u32, |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 })
        })
    });
    let crc = !bytes.iter().fold(!0_u32, |crc, byte| crc >> 8 ^ TABLE[((crc ^ u32::from(*byte)) & 0xff) as usize]);
    BASE64_STANDARD.encode(crc.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_standards() {
        // RFC 3720 B.4: 32 bytes of zeros. RFC 1321 A.5.
        assert_eq!(crc32c_of(&[0; 32]), BASE64_STANDARD.encode([0x8a, 0x91, 0x36, 0xaa]));
        assert_eq!(md5_of(b"abc"), "kAFQmDzST7DWlj99KOF/cg==");
    }
}
