//! Cursors: the last exported value of each incremental export, and what it was a value of.

use jiff::Timestamp;
use jiff::civil::Date;
use rivet_plugin_api::CursorValue;
use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};

use super::error::{Fault, Result, StateError, StateErrorKind};
use super::{RunLock, State, rfc3339};
use crate::column;

/// A cursor as the file holds it. What rivet-cli 0.2 wrote has neither type, column nor source.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct StoredCursor {
    /// The export.
    pub export: String,
    /// The canonical text of the value, [`CursorValue`]'s `Display`.
    #[serde(rename = "cursor")]
    pub value: Option<String>,
    /// When the run that stored it committed, RFC 3339.
    pub last_run_at: Option<String>,
    /// [`CursorValue::kind`].
    #[serde(rename = "cursor_type")]
    pub kind: Option<String>,
    /// The cursor column.
    #[serde(rename = "cursor_column")]
    pub column: Option<String>,
    /// The source, as [`Origin::text`] has it.
    #[serde(skip)]
    pub source: Option<String>,
}

/// Where an export reads, by two signs of which one is enough: options can be written in many ways and name the same
/// database, and a file can be moved together with its configuration.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The fingerprint of the options.
    pub fingerprint: &'a str,
    /// [`Bounds::place`](rivet_plugin_api::Bounds::place).
    pub place: Option<&'a str>,
}

impl Origin<'_> {
    /// What is stored with a cursor.
    pub fn text(&self) -> String {
        match self.place {
            Some(place) => format!("{} {place}", self.fingerprint),
            None => self.fingerprint.to_owned(),
        }
    }

    fn is(&self, stored: &str) -> bool {
        let (fingerprint, place) = apart(stored);
        fingerprint == self.fingerprint || place.is_some() && place == self.place
    }
}

fn apart(stored: &str) -> (&str, Option<&str>) {
    stored.split_once(' ').map_or((stored, None), |(fingerprint, place)| (fingerprint, Some(place)))
}

/// The cursor that a commit stores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CursorUpdate {
    /// The upper end of the window; absent when the first run found only rows without a value, which no later run is to
    /// export again.
    pub value: Option<CursorValue>,
    /// The cursor column.
    pub column: String,
    /// The source, as [`Origin::text`] has it.
    pub source: String,
}

impl State {
    /// The cursor of an export, if it has one.
    pub fn cursor(&self, export: &str) -> Result<Option<StoredCursor>> {
        self.read(|tx| Ok(tx.query_row(&select("WHERE export_name = ?1"), [export], stored).optional()?))
    }

    /// The cursor as a value of a column of type `kind` ([`CursorValue::kind`]), which also types what rivet-cli 0.2
    /// stored without a type.
    ///
    /// # Errors
    /// [`StateErrorKind::OtherCursor`] when it is known to be the cursor of another column or type;
    /// [`StateErrorKind::Value`] when the text is no such value.
    pub fn cursor_value(&self, export: &str, column: &str, kind: &str) -> Result<Option<CursorValue>> {
        let Some(cursor) = self.cursor(export)? else { return Ok(None) };
        if let Some(stored) = cursor.column.as_deref().filter(|stored| !column::is_same(stored, column)) {
            return Err(self.other_cursor(export, "column", stored, column));
        }
        if let Some(stored) = cursor.kind.as_deref().filter(|stored| *stored != kind) {
            return Err(self.other_cursor(export, "type", stored, kind));
        }
        let parse = |text: String| {
            parse_cursor(kind, &text).ok_or_else(|| {
                let place = "table \"export_state\", column \"last_cursor_value\"";
                let reason = format!("\"{text}\", the cursor of export \"{export}\", is no value of type \"{kind}\"");
                Fault::value(place, reason).at(self.path())
            })
        };
        cursor.value.map(parse).transpose()
    }

    /// # Errors
    /// [`StateErrorKind::OtherCursor`] when the cursor is known to come from another source than `origin`.
    pub fn check_origin(&self, export: &str, origin: &Origin<'_>) -> Result<()> {
        let stored = self.cursor(export)?.and_then(|cursor| cursor.source);
        let Some(stored) = stored.filter(|stored| !origin.is(stored)) else { return Ok(()) };
        let (fingerprint, place) = apart(&stored);
        Err(self.other_cursor(
            export,
            "source",
            place.unwrap_or(fingerprint),
            origin.place.unwrap_or(origin.fingerprint),
        ))
    }

    fn other_cursor(&self, export: &str, what: &'static str, stored: &str, configured: &str) -> StateError {
        let (export, stored, configured) = (export.to_owned(), stored.to_owned(), configured.to_owned());
        Fault::from(StateErrorKind::OtherCursor { export, what, stored, configured }).at(self.path())
    }

    /// All cursors, by name of the export.
    pub fn cursors(&self) -> Result<Vec<StoredCursor>> {
        self.read(all)
    }
}

pub(super) fn all(tx: &Transaction<'_>) -> Result<Vec<StoredCursor>, Fault> {
    let mut statement = tx.prepare(&select("ORDER BY export_name"))?;
    Ok(statement.query_map([], stored)?.collect::<rusqlite::Result<_>>()?)
}

impl RunLock {
    /// Lets the cursor be that of whatever source the next run reads. `false` when there is none.
    pub fn adopt_cursor(&self) -> Result<bool> {
        self.write(|tx| {
            let sql = "UPDATE export_state SET source_fingerprint = NULL WHERE export_name = ?1";
            Ok(tx.execute(sql, [&self.export])? > 0)
        })
    }

    /// Forgets the cursor, so that the next run exports from the beginning; history stays. An unfinished window is
    /// abandoned too, for resuming it would bring the cursor back; it is returned because its parts may still lie at
    /// the destination.
    pub fn reset_cursor(&self, now: Timestamp) -> Result<Option<super::Intent>> {
        self.write(|tx| {
            tx.execute("DELETE FROM export_state WHERE export_name = ?1", [&self.export])?;
            let open = super::intent::unfinished(tx, &self.export)?;
            if let Some(intent) = &open {
                super::commit::close(tx, intent, "abandoned", Some("the state was reset"), now)?;
            }
            Ok(open)
        })
    }
}

pub(super) fn store(tx: &Transaction<'_>, export: &str, cursor: &CursorUpdate, now: Timestamp) -> Result<(), Fault> {
    let value = cursor.value.as_ref();
    tx.execute(
        "INSERT INTO export_state
             (export_name, last_cursor_value, last_run_at, cursor_type, cursor_column, source_fingerprint)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (export_name) DO UPDATE SET last_cursor_value = excluded.last_cursor_value,
             last_run_at = excluded.last_run_at, cursor_type = excluded.cursor_type,
             cursor_column = excluded.cursor_column, source_fingerprint = excluded.source_fingerprint",
        params![
            export,
            value.map(CursorValue::to_string),
            rfc3339(now),
            value.map(CursorValue::kind),
            cursor.column,
            cursor.source
        ],
    )?;
    Ok(())
}

fn select(rest: &str) -> String {
    format!(
        "SELECT export_name, last_cursor_value, last_run_at, cursor_type, cursor_column, source_fingerprint
         FROM export_state {rest}"
    )
}

fn stored(row: &Row<'_>) -> rusqlite::Result<StoredCursor> {
    Ok(StoredCursor {
        export: row.get(0)?,
        value: row.get(1)?,
        last_run_at: row.get(2)?,
        kind: row.get(3)?,
        column: row.get(4)?,
        source: row.get(5)?,
    })
}

/// Reads the canonical text of a value of type `kind`, the inverse of [`CursorValue`]'s `Display`. `None` when the text
/// is no such value.
pub fn parse_cursor(kind: &str, text: &str) -> Option<CursorValue> {
    Some(match kind {
        "int" => CursorValue::Int(text.parse().ok()?),
        "uint" => CursorValue::UInt(text.parse().ok()?),
        "float" => CursorValue::Float(text.parse().ok()?),
        "decimal" => CursorValue::Decimal(text.to_owned()),
        "text" => CursorValue::Text(text.to_owned()),
        "uuid" => CursorValue::Uuid(text.to_owned()),
        "bytes" => CursorValue::Bytes(parse_hex(text)?),
        "date" => CursorValue::Date(i32::try_from(parse_days(text)?).ok()?),
        "timestamp" => CursorValue::Timestamp(parse_micros(text)?),
        "instant" => CursorValue::Instant(parse_micros(text)?),
        _ => return None,
    })
}

fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: &u8| char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| if let [hi, lo] = pair { Some(digit(hi)? << 4 | digit(lo)?) } else { None }).collect()
}

/// Days since 1970-01-01 of `YYYY-MM-DD`, whose year may have a sign and more digits.
fn parse_days(text: &str) -> Option<i64> {
    let (rest, day) = text.rsplit_once('-')?;
    let (year, month) = rest.rsplit_once('-')?;
    let (year, month, day): (i64, i8, i8) = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
    // The calendar repeats every 400 years of 146 097 days, which brings any year into the range that jiff knows.
    let (eras, year) = (year.div_euclid(400), i16::try_from(year.rem_euclid(400)).ok()?);
    let since = Date::new(year, month, day).ok()?.since(Date::new(1970, 1, 1).ok()?).ok()?;
    eras.checked_mul(146_097)?.checked_add(i64::from(since.get_days()))
}

/// Microseconds since 1970-01-01T00:00:00 of `<date>T<HH:MM:SS>[.<fraction>]`.
fn parse_micros(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T')?;
    let time: jiff::civil::Time = time.parse().ok()?;
    let of_day = time.duration_since(jiff::civil::Time::midnight());
    if of_day.subsec_nanos() % 1000 != 0 {
        return None;
    }
    parse_days(date)?.checked_mul(86_400_000_000)?.checked_add(i64::try_from(of_day.as_micros()).ok()?)
}
