//! The receive buffer: cuts the server's byte stream into frames without copying them.

use std::io::{self, Read};

/// Large reads save system calls; more than this no longer helped when measured.
const CAPACITY: usize = 256 << 10;
/// A buffer that one huge value has blown up is given back once it is this large.
const KEEP: usize = 8 << 20;
/// PostgreSQL's own limit of a message is just under 1 GiB.
const MAX_FRAME: usize = 1 << 30;

/// One message of the server: its tag, and where its body lies in the buffer until the next read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) tag: u8,
    start: usize,
    end: usize,
}

/// Bytes `start..end` of `buffer` have been received and not been taken yet.
#[derive(Debug)]
pub(super) struct Inbox {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self { buffer: vec![0; CAPACITY], start: 0, end: 0 }
    }

    /// Takes the next frame if it has been received whole.
    #[inline]
    pub(super) fn take(&mut self) -> io::Result<Option<Frame>> {
        let Some((tag, length)) = self.header() else { return Ok(None) };
        if !(4..=MAX_FRAME).contains(&length) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a message of {length} bytes")));
        }
        let frame = Frame { tag, start: self.start + 5, end: self.start + 1 + length };
        if frame.end > self.end {
            return Ok(None);
        }
        self.start = frame.end;
        Ok(Some(frame))
    }

    /// The tag and the length of the frame that begins at `start`; the length counts itself, not the tag.
    #[inline]
    fn header(&self) -> Option<(u8, usize)> {
        let [tag, a, b, c, d] = *self.buffer[self.start..self.end].first_chunk()?;
        Some((tag, u32::from_be_bytes([a, b, c, d]) as usize))
    }

    #[inline]
    pub(super) fn body(&self, frame: Frame) -> &[u8] {
        &self.buffer[frame.start..frame.end]
    }

    /// The whole frame, as the protocol crate parses it.
    pub(super) fn whole(&self, frame: Frame) -> &[u8] {
        &self.buffer[frame.start - 5..frame.end]
    }

    /// Reads once; earlier frames are gone then. Zero bytes mean that the server closed the connection.
    pub(super) fn fill(&mut self, source: &mut impl Read) -> io::Result<usize> {
        self.make_room();
        let read = source.read(&mut self.buffer[self.end..])?;
        self.end += read;
        Ok(read)
    }

    /// Moves what is left to the front, and grows the buffer when a frame is larger than it.
    fn make_room(&mut self) {
        let left = self.end - self.start;
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, left);
        }
        let frame = self.header().map_or(0, |(_, length)| length.min(MAX_FRAME) + 1);
        if frame > self.buffer.len() {
            // By doubling, so that a length nobody backs with bytes does not claim a gigabyte.
            if left == self.buffer.len() {
                self.buffer.resize(frame.min(2 * left).max(CAPACITY), 0);
            }
        } else if self.buffer.len() > KEEP && left <= CAPACITY / 2 {
            self.buffer.truncate(CAPACITY);
            self.buffer.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
        let mut out = vec![tag];
        out.extend((body.len() as u32 + 4).to_be_bytes());
        out.extend(body);
        out
    }

    /// Hands out `step` bytes at a time.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let n = self.1.min(self.0.len()).min(buf.len());
            buf[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    #[test]
    fn frames_survive_any_fragmentation_and_size() {
        let huge = vec![7; 3 * CAPACITY + 1];
        let bytes = [frame(b'd', b"one"), frame(b'c', b""), frame(b'd', &huge), frame(b'Z', b"I")].concat();
        for step in [1, 4, 4099, usize::MAX] {
            let mut source = Drip(&bytes, step);
            let mut inbox = Inbox::new();
            let mut seen = Vec::new();
            loop {
                match inbox.take().unwrap() {
                    Some(frame) => seen.push((frame.tag, inbox.body(frame).to_vec())),
                    None if inbox.fill(&mut source).unwrap() == 0 => break,
                    None => {}
                }
            }
            let expected = [(b'd', b"one".to_vec()), (b'c', vec![]), (b'd', huge.clone()), (b'Z', b"I".to_vec())];
            assert_eq!(seen, expected);
        }
    }

    #[test]
    fn impossible_lengths_are_refused() {
        for bytes in [*b"d\0\0\0\x03", *b"d\xff\xff\xff\xff"] {
            let mut inbox = Inbox::new();
            inbox.fill(&mut &bytes[..]).unwrap();
            assert!(inbox.take().is_err());
        }
    }
}
