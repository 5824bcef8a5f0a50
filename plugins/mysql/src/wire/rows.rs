//! Running a prepared statement and reading its rows, each handed out as the slice of the receive buffer it came in.

use mysql_common::constants::Command;
use mysql_common::io::ParseBuf;
use rivet_plugin_api::Result;

use super::inbox::Message;
use super::{Connection, Prepared};
use crate::error::protocol;
use crate::types::NativeColumn;

/// The rows of a running statement.
#[derive(Debug)]
pub(crate) struct RowStream {
    prepared: Prepared,
    columns: Vec<NativeColumn>,
}

impl RowStream {
    /// The statement, to be closed in the end.
    pub(crate) fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// The columns as they are sent, which may be narrower or wider than they were announced.
    pub(crate) fn columns(&self) -> &[NativeColumn] {
        &self.columns
    }
}

/// What came next.
#[derive(Debug)]
pub(crate) enum Step {
    /// A row, to be looked at with [`Connection::row`] before the next call.
    Row(Row),
    /// All rows were sent; the server has so many warnings about the statement.
    End { warnings: u16 },
}

/// A row in the receive buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row(Message);

impl Connection {
    /// Starts `prepared`, whose rows come in binary form.
    pub(crate) fn execute(&mut self, prepared: Prepared) -> Result<RowStream> {
        tracing::debug!("running the statement that was parsed last");
        // No cursor: the server would first write the whole result to a temporary table. One iteration, no parameters.
        let arguments = [&prepared.id.to_le_bytes()[..], &[0], &1_u32.to_le_bytes()];
        self.command(Command::COM_STMT_EXECUTE, &arguments)?;
        let first = self.message()?;
        let count = match self.body(first) {
            [0x00 | 0xfb, ..] => None,
            body => ParseBuf(body).checked_eat_lenenc_int(),
        };
        match count {
            Some(count) if count == prepared.columns.len() as u64 => {
                let columns = self.columns(count)?;
                Ok(RowStream { prepared, columns })
            }
            _ => Err(self.give_up(protocol("other columns than were announced"))),
        }
    }

    /// The next row, or the end.
    #[inline]
    pub(crate) fn step(&mut self) -> Result<Step> {
        let message = self.message()?;
        match self.body(message) {
            [0x00, ..] => Ok(Step::Row(Row(message))),
            [0xfe, low, high, _, _] => {
                let warnings = u16::from_le_bytes([*low, *high]);
                self.completed()?;
                Ok(Step::End { warnings })
            }
            _ => Err(self.give_up(protocol("neither a row nor the end of the rows"))),
        }
    }

    /// The bytes of a row: a zero, a bit for each NULL from the third bit on, and the other values.
    #[inline]
    pub(crate) fn row(&self, row: Row) -> &[u8] {
        self.body(row.0)
    }
}
