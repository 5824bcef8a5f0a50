//! Statements: short ones as text, and prepared ones, whose result columns are known before they run.

use mysql_common::constants::{ColumnFlags, ColumnType, Command};
use mysql_common::io::ParseBuf;
use mysql_common::packets::{Column, StmtPacket};
use rivet_plugin_api::{Error, Result};

use super::Connection;
use super::inbox::Message;
use crate::error::protocol;
use crate::types::NativeColumn;

/// A statement that the server has parsed.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(super) id: u32,
    pub(crate) columns: Vec<NativeColumn>,
}

impl Connection {
    /// Runs `sql` and returns its rows as text.
    pub(crate) fn query(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        tracing::debug!("sql: {sql}");
        self.command(Command::COM_QUERY, &[sql.as_bytes()])?;
        let first = self.message()?;
        let columns = match self.body(first) {
            [0x00, ..] => 0,
            [0xfb, ..] => return Err(self.give_up(protocol("a request for a local file"))),
            body => ParseBuf(body).checked_eat_lenenc_int().ok_or_else(|| protocol("an unreadable column count"))?,
        };
        let mut rows = Vec::new();
        if columns > 0 {
            self.skip_to_eof()?;
            loop {
                let message = self.message()?;
                if self.is_eof(message) {
                    break;
                }
                rows.push(text_row(self.body(message), columns).ok_or_else(|| protocol("an unreadable row"))?);
            }
        }
        self.completed()?;
        Ok(rows)
    }

    /// Has `sql` parsed, which runs nothing.
    pub(crate) fn prepare(&mut self, sql: &str) -> Result<Prepared> {
        tracing::debug!("sql to parse: {sql}");
        self.command(Command::COM_STMT_PREPARE, &[sql.as_bytes()])?;
        let first = self.message()?;
        let header: StmtPacket = ParseBuf(self.body(first)).parse(()).map_err(protocol)?;
        if header.num_params() > 0 {
            self.skip_to_eof()?;
        }
        let mut prepared = Prepared { id: header.statement_id(), columns: Vec::new() };
        if header.num_columns() > 0 {
            prepared.columns = self.columns(header.num_columns().into())?;
        }
        self.completed()?;
        if header.num_params() > 0 {
            self.close_statement(&prepared)?;
            return Err(Error::config("the query has a placeholder \"?\"")
                .hint("write `:name`, and declare its value under `params` of the export"));
        }
        Ok(prepared)
    }

    /// Frees a prepared statement. The server does not answer.
    pub(crate) fn close_statement(&mut self, prepared: &Prepared) -> Result<()> {
        let command = [&[Command::COM_STMT_CLOSE as u8][..], &prepared.id.to_le_bytes()].concat();
        self.send(0, &command)
    }

    /// The definitions of `count` columns and the mark behind them.
    pub(super) fn columns(&mut self, count: u64) -> Result<Vec<NativeColumn>> {
        let mut columns = Vec::new();
        for _ in 0..count {
            let message = self.message()?;
            let column: Column = ParseBuf(self.body(message)).parse(()).map_err(protocol)?;
            columns.push(native(&column));
        }
        let end = self.message()?;
        if !self.is_eof(end) {
            return Err(self.give_up(protocol("no end of the columns")));
        }
        Ok(columns)
    }

    fn skip_to_eof(&mut self) -> Result<()> {
        loop {
            let message = self.message()?;
            if self.is_eof(message) {
                return Ok(());
            }
        }
    }

    /// The mark that ends columns and rows: a row may begin with 0xfe as well, but is longer then.
    pub(super) fn is_eof(&self, message: Message) -> bool {
        matches!(self.body(message), [0xfe, rest @ ..] if rest.len() < 8)
    }
}

fn native(column: &Column) -> NativeColumn {
    let flags = column.flags();
    NativeColumn {
        name: column.name_str().into_owned(),
        wire: column.column_type(),
        is_unsigned: flags.contains(ColumnFlags::UNSIGNED_FLAG),
        is_enum: flags.contains(ColumnFlags::ENUM_FLAG) || column.column_type() == ColumnType::MYSQL_TYPE_ENUM,
        is_set: flags.contains(ColumnFlags::SET_FLAG) || column.column_type() == ColumnType::MYSQL_TYPE_SET,
        charset: column.character_set(),
        length: column.column_length(),
        decimals: column.decimals(),
        // Expressions have the flag too, by what the server infers of them.
        nullable: (!column.org_table_ref().is_empty()).then(|| !flags.contains(ColumnFlags::NOT_NULL_FLAG)),
    }
}

fn text_row(body: &[u8], columns: u64) -> Option<Vec<Option<String>>> {
    let mut rest = ParseBuf(body);
    let mut row = Vec::new();
    for _ in 0..columns {
        if rest.0.first() == Some(&0xfb) {
            rest.0 = &rest.0[1..];
            row.push(None);
        } else {
            row.push(Some(String::from_utf8_lossy(rest.checked_eat_lenenc_str()?).into_owned()));
        }
    }
    Some(row)
}
