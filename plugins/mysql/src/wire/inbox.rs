//! The receive buffer: cuts the server's byte stream into packets without copying them. A message of 16 MiB or more
//! comes as several packets, which are joined in place.

use std::io::{self, Read};

/// Large reads save system calls; more than this no longer helped when measured.
const CAPACITY: usize = 256 << 10;
/// A buffer that one huge value has blown up is given back once it is this large.
const KEEP: usize = 8 << 20;
/// A packet of this length is continued by the next one.
const FULL: usize = 0xff_ffff;
/// The server's own limit, `max_allowed_packet`, ends at 1 GiB.
const MAX_MESSAGE: usize = (1 << 30) + (1 << 20);
const HEADER: usize = 4;

/// A message of the server: where its body lies in the buffer until the next read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message {
    start: usize,
    end: usize,
}

/// Bytes `start..end` of `buffer` have been received and not been taken yet.
#[derive(Debug)]
pub(super) struct Inbox {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// How many bytes from `start` on are needed before another look is worth it.
    needed: usize,
    /// The sequence number of the last packet.
    sequence: u8,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self { buffer: vec![0; CAPACITY], start: 0, end: 0, needed: HEADER, sequence: 0 }
    }

    /// Takes the next message if it has been received whole.
    #[inline]
    pub(super) fn take(&mut self) -> io::Result<Option<Message>> {
        if self.end - self.start < self.needed {
            return Ok(None);
        }
        let [a, b, c, sequence] = self.header(self.start);
        let length = u32::from_le_bytes([a, b, c, 0]) as usize;
        let body = self.start + HEADER;
        if length == FULL {
            return self.take_joined();
        }
        if self.end - body < length {
            self.needed = HEADER + length;
            return Ok(None);
        }
        self.sequence = sequence;
        self.start = body + length;
        self.needed = HEADER;
        Ok(Some(Message { start: body, end: self.start }))
    }

    #[inline]
    fn header(&self, at: usize) -> [u8; HEADER] {
        self.buffer[at..self.end].first_chunk().copied().unwrap_or_default()
    }

    /// Takes a message of several packets, the last of which is shorter than the others, and may be empty.
    #[cold]
    fn take_joined(&mut self) -> io::Result<Option<Message>> {
        let mut at = self.start;
        let last = loop {
            if at - self.start > MAX_MESSAGE {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a message of more than 1 GiB"));
            }
            if self.end - at < HEADER {
                self.needed = at - self.start + HEADER;
                return Ok(None);
            }
            let [a, b, c, sequence] = self.header(at);
            let length = u32::from_le_bytes([a, b, c, 0]) as usize;
            if self.end - at < HEADER + length {
                self.needed = at - self.start + HEADER + length;
                return Ok(None);
            }
            at += HEADER + length;
            if length < FULL {
                break sequence;
            }
        };
        // Closes the gaps that the inner headers leave.
        let (next, body) = (at, self.start + HEADER);
        let mut end = body + FULL;
        let mut from = end;
        while from < next {
            let [a, b, c, _] = self.header(from);
            let length = u32::from_le_bytes([a, b, c, 0]) as usize;
            self.buffer.copy_within(from + HEADER..from + HEADER + length, end);
            from += HEADER + length;
            end += length;
        }
        self.sequence = last;
        self.start = next;
        self.needed = HEADER;
        Ok(Some(Message { start: body, end }))
    }

    #[inline]
    pub(super) fn body(&self, message: Message) -> &[u8] {
        &self.buffer[message.start..message.end]
    }

    /// The number that a packet must carry that answers the last one.
    pub(super) fn next_sequence(&self) -> u8 {
        self.sequence.wrapping_add(1)
    }

    /// Whether bytes were received that nobody has taken.
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Reads once; earlier messages are gone then. Zero bytes mean that the server closed the connection.
    pub(super) fn fill(&mut self, source: &mut impl Read) -> io::Result<usize> {
        self.make_room();
        let read = source.read(&mut self.buffer[self.end..])?;
        self.end += read;
        Ok(read)
    }

    /// Moves what is left to the front, and grows the buffer when a message is larger than it.
    fn make_room(&mut self) {
        let left = self.end - self.start;
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, left);
        }
        if self.needed > self.buffer.len() {
            // By doubling, so that a length nobody backs with bytes does not claim its memory.
            if left == self.buffer.len() {
                self.buffer.resize(self.needed.min(2 * left).max(CAPACITY), 0);
            }
        } else if self.buffer.len() > KEEP && left <= CAPACITY / 2 && self.needed <= CAPACITY {
            self.buffer.truncate(CAPACITY);
            self.buffer.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = body;
        for sequence in 0.. {
            let (part, after) = rest.split_at(rest.len().min(FULL));
            out.extend(&(part.len() as u32).to_le_bytes()[..3]);
            out.push(sequence);
            out.extend(part);
            rest = after;
            if part.len() < FULL {
                break;
            }
        }
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
    fn messages_survive_any_fragmentation_and_size() {
        let pattern = |n: usize| (0..n).map(|i| (i % 251) as u8).collect::<Vec<_>>();
        let small = [pattern(3), vec![], pattern(3 * CAPACITY + 1), pattern(1)];
        let large = [pattern(2), pattern(FULL - 1), pattern(FULL), pattern(2 * FULL), pattern(7)];
        for (bodies, steps) in [(&small[..], &[1, 4, 4099, usize::MAX][..]), (&large[..], &[70_001, usize::MAX][..])] {
            let bytes: Vec<u8> = bodies.iter().flat_map(|b| packets(b)).collect();
            for step in steps {
                let mut source = Drip(&bytes, *step);
                let mut inbox = Inbox::new();
                let mut seen = Vec::new();
                loop {
                    match inbox.take().unwrap() {
                        Some(message) => seen.push(inbox.body(message).to_vec()),
                        None if inbox.fill(&mut source).unwrap() == 0 => break,
                        None => {}
                    }
                }
                assert!(seen == bodies, "{step}");
                assert!(inbox.is_empty());
            }
        }
    }
}
