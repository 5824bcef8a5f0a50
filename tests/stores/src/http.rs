//! HTTP/1.1 as bytes, since what these tests do to messages no HTTP library lets one do.

use std::io::{BufRead, ErrorKind, Read, Write};

/// A request or an answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    /// The request line or the status line.
    pub(crate) first: String,
    /// Names and values, as they came.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// Reads up to the empty line; `None` at the end of the connection.
    pub(crate) fn read_head(stream: &mut impl BufRead) -> Option<Self> {
        let first = line(stream)?;
        let mut headers = Vec::new();
        loop {
            let line = line(stream)?;
            if line.is_empty() {
                return Some(Self { first, headers, body: Vec::new() });
            }
            let (name, value) = line.split_once(':')?;
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    /// Tells a client that waits for it to send the body, which is for the next server on the way alone.
    pub(crate) fn invite_body(&mut self, stream: &mut impl Write) -> Option<()> {
        let before = self.headers.len();
        self.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("expect"));
        let waits = self.headers.len() < before;
        if waits { stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok() } else { Some(()) }
    }

    /// Reads the body that a request with this head has.
    pub(crate) fn read_body(&mut self, stream: &mut impl BufRead) -> Option<()> {
        if self.is_chunked() {
            self.read_chunks(stream)
        } else {
            self.body = vec![0; self.length().unwrap_or(0)];
            stream.read_exact(&mut self.body).ok()
        }
    }

    /// Reads the body that the answer to a request of `method` has.
    pub(crate) fn read_answer_body(&mut self, stream: &mut impl BufRead, method: &str) -> Option<()> {
        let status = self.status();
        if method == "HEAD" || status == 204 || status == 304 {
            Some(())
        } else if self.is_chunked() {
            self.read_chunks(stream)
        } else if self.length().is_some() {
            self.read_body(stream)
        } else {
            stream.read_to_end(&mut self.body).ok().map(drop)
        }
    }

    fn read_chunks(&mut self, stream: &mut impl BufRead) -> Option<()> {
        loop {
            let size = line(stream)?;
            let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
            let start = self.body.len();
            self.body.resize(start + size, 0);
            stream.read_exact(&mut self.body[start..]).ok()?;
            // Behind a chunk there is an empty line, behind the last one maybe trailers before it.
            while !line(stream)?.is_empty() {}
            if size == 0 {
                return Some(());
            }
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn length(&self) -> Option<usize> {
        self.header("content-length")?.parse().ok()
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    }

    /// Of a request.
    pub(crate) fn method(&self) -> &str {
        self.first.split(' ').next().unwrap_or_default()
    }

    /// Of a request: path and query.
    pub(crate) fn target(&self) -> &str {
        self.first.split(' ').nth(1).unwrap_or_default()
    }

    /// Of an answer.
    pub(crate) fn status(&self) -> u16 {
        self.first.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    /// The bytes of the head, with the length that the body has. An answer to `HEAD` keeps the length that it names.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut head = format!("{}\r\n", self.first).into_bytes();
        let is_length = |name: &str| name.eq_ignore_ascii_case("content-length");
        let is_framing = |name: &str| name.eq_ignore_ascii_case("transfer-encoding");
        let keeps = self.body.is_empty();
        for (name, value) in self.headers.iter().filter(|(n, _)| !is_framing(n) && (keeps || !is_length(n))) {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let names_none = !self.headers.iter().any(|(name, _)| is_length(name));
        if !keeps || names_none && self.first.starts_with("HTTP/") && !matches!(self.status(), 204 | 304) {
            let _ = write!(head, "Content-Length: {}\r\n", self.body.len());
        }
        head.extend_from_slice(b"\r\n");
        head
    }

    /// Sends it whole.
    pub(crate) fn send(&self, stream: &mut impl Write) -> Option<()> {
        let mut bytes = self.head();
        bytes.extend_from_slice(&self.body);
        stream.write_all(&bytes).and_then(|()| stream.flush()).ok()
    }
}

/// A line without its end; `None` at the end of the connection.
fn line(stream: &mut impl BufRead) -> Option<String> {
    let mut line = Vec::new();
    match stream.take(64 << 10).read_until(b'\n', &mut line) {
        Ok(1..) => {}
        Err(e) if e.kind() == ErrorKind::InvalidData => return None,
        _ => return None,
    }
    while matches!(line.last(), Some(b'\r' | b'\n')) {
        line.pop();
    }
    String::from_utf8(line).ok()
}

/// An answer.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Message {
    let reason = match status {
        200 => "OK",
        204 => "No Content",
        206 => "Partial Content",
        308 => "Resume Incomplete",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        412 => "Precondition Failed",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    };
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Message { first: format!("HTTP/1.1 {status} {reason}"), headers, body: body.into() }
}

/// The parameters of a query, decoded; one without a value has an empty one.
pub(crate) fn query(target: &str) -> Vec<(String, String)> {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(k, v)| (decode(k), decode(v))).collect()
}

/// `%41` as `A`. A plus stays one, as in a path.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let coded = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(coded.unwrap_or(bytes[at]));
        at += if coded.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}
