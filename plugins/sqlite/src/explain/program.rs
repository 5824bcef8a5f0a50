//! Which tables a plan reads. SQLite's plan calls them as the query does, by their aliases; the program that it would
//! run opens them by their place in the file.

use std::collections::HashMap;
use std::ops::Range;

use rusqlite::{Connection, params_from_iter};

use crate::filter::Statement;

/// The instructions that put a cursor on its first row, with which a loop over a table begins.
const FIRST: [&str; 8] = ["Rewind", "Last", "SeekGE", "SeekGT", "SeekLE", "SeekLT", "SeekRowid", "NotExists"];
/// The page where the table of all tables begins.
const SCHEMA_PAGE: i64 = 1;

/// What a step of the plan reads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Read {
    /// A table or one of its indexes.
    Table(String),
    /// A table that is not stored as such, or one that nothing is known of.
    Unnamed,
    /// No table, but rows that the statement itself has made.
    Nothing,
}

/// The program of a statement.
pub(super) struct Program {
    instructions: Vec<Instruction>,
    /// The table of the b-tree that each cursor is opened on.
    cursors: HashMap<i64, Option<String>>,
}

struct Instruction {
    name: String,
    cursor: i64,
}

impl Program {
    /// The program of `statement`, which is not run.
    pub(super) fn of(connection: &Connection, statement: &Statement) -> rusqlite::Result<Self> {
        let tables = connection
            .prepare("SELECT rootpage, tbl_name FROM sqlite_schema WHERE rootpage > 0")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<HashMap<i64, String>>>()?;
        let mut explain = connection.prepare(&format!("EXPLAIN {}", statement.sql))?;
        let mut rows = explain.query(params_from_iter(&statement.values))?;
        let (mut instructions, mut cursors) = (Vec::new(), HashMap::new());
        while let Some(row) = rows.next()? {
            let (name, cursor, page, database): (String, i64, i64, i64) =
                (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
            if name == "OpenRead" || name == "ReopenIdx" {
                let table = match page {
                    _ if database != 0 => None,
                    SCHEMA_PAGE => Some("sqlite_schema".to_owned()),
                    _ => tables.get(&page).cloned(),
                };
                cursors.insert(cursor, table);
            }
            instructions.push(Instruction { name, cursor });
        }
        Ok(Self { instructions, cursors })
    }

    /// What each step of a plan reads, where `ids` are those of all its steps. They are addresses in the same program with
    /// one more instruction for each step.
    pub(super) fn reads(&self, ids: &[i64]) -> Vec<Read> {
        let address = |step: usize| ids.get(step).and_then(|id| usize::try_from(*id).ok()?.checked_sub(step));
        let end = self.instructions.len();
        let of = |step| match address(step) {
            Some(begin) if begin <= end => self.read(begin..address(step + 1).unwrap_or(end).clamp(begin, end)),
            _ => Read::Unnamed,
        };
        (0..ids.len()).map(of).collect()
    }

    /// What is read by the instructions of one step, which are those up to the next one.
    fn read(&self, step: Range<usize>) -> Read {
        // To count a whole table takes one instruction, which comes before its step and the end of the cursor.
        let count = step.start.checked_sub(2).map(|at| &self.instructions[at]).filter(|i| i.name == "Count");
        let first = |i: &&Instruction| FIRST.contains(&i.name.as_str()) && self.cursors.contains_key(&i.cursor);
        let inside = &self.instructions[step];
        match count.or_else(|| inside.iter().find(first)) {
            Some(instruction) => {
                self.cursors.get(&instruction.cursor).cloned().flatten().map_or(Read::Unnamed, Read::Table)
            }
            None if inside.iter().any(|i| i.name == "VFilter") => Read::Unnamed,
            None => Read::Nothing,
        }
    }
}
