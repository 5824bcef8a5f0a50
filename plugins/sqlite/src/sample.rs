//! The first rows of a query, looked at to type the columns that nothing declares.

use rivet_plugin_api::Result;
use rusqlite::Rows;
use rusqlite::types::{Type, ValueRef};

use crate::error::driver;
use crate::types::Kind;

/// How many rows are looked at. It is fixed, so that batch limits and filters cannot change a schema.
const ROWS: usize = 1000;

/// The sample ends early once it holds this many bytes, so that wide rows cost no memory.
const BYTES: usize = 16 << 20;

/// The storage classes by column and, for a reader that goes on behind the sample, the values row by row.
#[derive(Default)]
pub(crate) struct Sample {
    seen: Vec<Seen>,
    cells: Vec<Cell>,
    last: bool,
}

impl Sample {
    /// Takes the first rows off `rows`, which are `width` columns wide, and keeps their values if `keep`.
    pub(crate) fn take(rows: &mut Rows<'_>, width: usize, keep: bool) -> Result<Self> {
        let mut sample = Self { seen: vec![Seen::default(); width], cells: Vec::new(), last: false };
        let mut bytes = 0;
        for _ in 0..ROWS {
            let Some(row) = rows.next().map_err(driver)? else {
                sample.last = true;
                break;
            };
            for (i, seen) in sample.seen.iter_mut().enumerate() {
                let value = row.get_ref(i).map_err(driver)?;
                seen.add(value);
                if let ValueRef::Text(data) | ValueRef::Blob(data) = value {
                    bytes += data.len();
                }
                if keep {
                    sample.cells.push(Cell::new(value));
                }
            }
            if bytes >= BYTES {
                break;
            }
        }
        Ok(sample)
    }

    /// What column `i` holds; nothing where no sample was needed.
    pub(crate) fn seen(&self, i: usize) -> Seen {
        self.seen.get(i).copied().unwrap_or_default()
    }

    /// Whether the rows ended with the sample. SQLite would begin again if it were asked for another one.
    pub(crate) fn is_last(&self) -> bool {
        self.last
    }

    /// The kept rows.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &[Cell]> {
        self.cells.chunks_exact(self.seen.len().max(1))
    }
}

/// The storage classes of a column's values.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    first: Option<Type>,
    real: bool,
}

impl Seen {
    fn add(&mut self, value: ValueRef<'_>) {
        let class = value.data_type();
        self.real |= class == Type::Real;
        if class != Type::Null {
            self.first.get_or_insert(class);
        }
    }

    /// The first value decides, but integers among reals are reals. A later value that does not fit is an error.
    pub(crate) fn decide(self) -> (Kind, String) {
        let (kind, rule) = match self.first {
            Some(Type::Integer | Type::Real) if self.real => {
                (Kind::Float64, "no declared type; the first rows hold reals")
            }
            Some(Type::Integer) => (Kind::Int64, "no declared type; the first rows hold integers"),
            Some(Type::Blob) => (Kind::Binary, "no declared type; the first rows hold blobs"),
            Some(_) => (Kind::Text, "no declared type; the first rows hold text"),
            None => (Kind::Text, "no declared type; the first rows hold no value"),
        };
        (kind, rule.to_owned())
    }
}

/// A value that outlives its row. rusqlite's own owned value cannot hold text that is not UTF-8.
pub(crate) enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

impl Cell {
    fn new(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(v) => Self::Integer(v),
            ValueRef::Real(v) => Self::Real(v),
            ValueRef::Text(v) => Self::Text(v.to_vec()),
            ValueRef::Blob(v) => Self::Blob(v.to_vec()),
        }
    }

    pub(crate) fn value(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Integer(v) => ValueRef::Integer(*v),
            Self::Real(v) => ValueRef::Real(*v),
            Self::Text(v) => ValueRef::Text(v),
            Self::Blob(v) => ValueRef::Blob(v),
        }
    }
}
