//! Reading the rows of a query: as one COPY in binary form, or page by page from a portal. Both hand out a row as the
//! slice of the receive buffer that holds its field count and its fields.

use std::ops::Range;

use bytes::BytesMut;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use rivet_plugin_api::{Error, Result};

use super::inbox::Frame;
use super::{Connection, unsendable};
use crate::error::protocol;

/// The first bytes of every binary COPY; flags and an extension follow.
const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// Where a running read stands.
#[derive(Debug)]
pub(crate) enum RowStream {
    /// One statement that sends everything.
    Copy { header_seen: bool },
    /// A portal, and whether a page of it is under way.
    Portal { page_open: bool, done: bool },
}

/// What came next.
#[derive(Debug)]
pub(crate) enum Step {
    /// A row, to be looked at with [`Connection::row`] before the next call.
    Row(Row),
    /// The page is over; [`Connection::fetch`] asks for the next one.
    PageEnd,
    /// All rows were sent.
    End,
}

/// A row in the receive buffer.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    frame: Frame,
    part: Range<usize>,
}

impl Connection {
    /// Starts `COPY (select) TO STDOUT` in binary form.
    pub(crate) fn start_copy(&mut self, select: &str) -> Result<RowStream> {
        // The line break ends a comment at the end of the query.
        self.send_query(&format!("COPY ({select}\n) TO STDOUT (FORMAT binary)"))?;
        match self.message()? {
            Message::CopyOutResponse(body) if body.format() == 1 => Ok(RowStream::Copy { header_seen: false }),
            _ => Err(self.give_up(protocol("COPY does not begin"))),
        }
    }

    /// Prepares `select` to be fetched page by page. The portal lives as long as the transaction.
    pub(crate) fn start_portal(&mut self, select: &str) -> Result<RowStream> {
        tracing::debug!("sql: {select}");
        let mut out = BytesMut::new();
        frontend::parse("", select, [], &mut out).map_err(unsendable)?;
        let no_parameters: [(); 0] = [];
        frontend::bind("", "", [], no_parameters, |(), _| Ok(postgres_protocol::IsNull::Yes), [1], &mut out)
            .map_err(|_| protocol("the portal could not be described"))?;
        frontend::sync(&mut out);
        self.request(&out)?;
        while !matches!(self.message()?, Message::ReadyForQuery(_)) {}
        Ok(RowStream::Portal { page_open: false, done: false })
    }

    /// Asks for the next `rows` rows of a portal. The statement limit counts from here to the end of the page.
    pub(crate) fn fetch(&mut self, stream: &mut RowStream, rows: usize) -> Result<()> {
        let RowStream::Portal { page_open, .. } = stream else {
            return Err(Error::internal("a page was asked of a COPY"));
        };
        let mut out = BytesMut::new();
        frontend::execute("", i32::try_from(rows).unwrap_or(i32::MAX), &mut out).map_err(unsendable)?;
        frontend::sync(&mut out);
        self.request(&out)?;
        *page_open = true;
        Ok(())
    }

    /// The next row, or why there is none.
    #[inline]
    pub(crate) fn step(&mut self, stream: &mut RowStream) -> Result<Step> {
        loop {
            let frame = self.frame()?;
            let body = self.inbox.body(frame);
            match (frame.tag, &mut *stream) {
                (b'D', RowStream::Portal { .. }) => {
                    return Ok(Step::Row(Row { frame, part: 0..body.len() }));
                }
                (b'd', RowStream::Copy { header_seen }) => {
                    let start = if *header_seen { 0 } else { header_length(body)? };
                    *header_seen = true;
                    // The header may come alone, and a field count of -1 is the trailer.
                    if start < body.len() && !body[start..].starts_with(&[0xff, 0xff]) {
                        return Ok(Step::Row(Row { frame, part: start..body.len() }));
                    }
                }
                (b's', RowStream::Portal { .. }) | (b'c' | b'C', RowStream::Copy { .. }) => {}
                (b'C' | b'I', RowStream::Portal { done, .. }) => *done = true,
                (b'Z', RowStream::Portal { page_open, done }) => {
                    *page_open = false;
                    return Ok(if *done { Step::End } else { Step::PageEnd });
                }
                (b'Z', RowStream::Copy { .. }) => return Ok(Step::End),
                (tag, _) => {
                    return Err(self.give_up(protocol(format!("message \"{}\" among the rows", char::from(tag)))));
                }
            }
        }
    }

    /// The bytes of a row: a 16-bit field count, then per field a 32-bit length (-1 for NULL) and the value.
    #[inline]
    pub(crate) fn row(&self, row: &Row) -> &[u8] {
        &self.inbox.body(row.frame)[row.part.clone()]
    }
}

fn header_length(body: &[u8]) -> Result<usize> {
    let rest = body.strip_prefix(SIGNATURE).ok_or_else(|| protocol("COPY without its signature"))?;
    let Some(([f0, f1, _, _, e0, e1, e2, e3], extension)) = rest.split_first_chunk() else {
        return Err(protocol("a COPY header that is cut short"));
    };
    // The upper half of the flags changes how rows are laid out.
    if (*f0, *f1) != (0, 0) {
        return Err(protocol("a COPY in an unknown layout"));
    }
    let skip = u32::from_be_bytes([*e0, *e1, *e2, *e3]) as usize;
    if skip > extension.len() {
        return Err(protocol("a COPY header that is cut short"));
    }
    Ok(SIGNATURE.len() + 8 + skip)
}
