//! Why a value cannot be stored, as a small code for the hot path, and the error that it becomes.

use rivet_plugin_api::Error;

/// Why a value cannot be stored. Made into an error, with the column's name, once it has happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Misfit {
    /// The bytes are not what the protocol documents for the type.
    Malformed,
    /// A class of values that the Arrow type does not have.
    Value(&'static str),
    /// A class of dates or times that Arrow or the calendar does not have, for which the user has a choice.
    Beyond(&'static str),
    /// Bytes in a text column that are no text.
    NotUtf8,
    /// More text than 32-bit offsets can address.
    BatchTooLarge,
}

/// Why a row cannot be taken.
#[derive(Debug)]
pub enum Refused {
    /// A value does not fit its column.
    Value {
        /// The column's place.
        column: usize,
        /// What is wrong with it.
        misfit: Misfit,
    },
    /// The row itself is not what the protocol documents.
    Row(Error),
}

impl Misfit {
    /// The error for a value of `column`; `hint` says what to do about [`Misfit::Beyond`] and [`Misfit::NotUtf8`].
    #[cold]
    pub fn into_error(self, column: &str, native_type: &str, hint: impl FnOnce() -> String) -> Error {
        let holds = |what| Error::data(format!("column \"{column}\" of type \"{native_type}\" holds {what}"));
        match self {
            Self::Malformed => {
                Error::internal(format!("column \"{column}\": the server sent a malformed \"{native_type}\""))
            }
            Self::Value(class) => holds(class)
                .hint(format!("exclude such rows, or export the column as text: columns: {{ \"{column}\": text }}")),
            Self::Beyond(class) => holds(class).hint(hint()),
            Self::NotUtf8 => holds("bytes that are not UTF-8 text").hint(hint()),
            Self::BatchTooLarge => {
                holds("more than 2 GiB in one batch").hint("lower \"batch_size\" or \"batch_size_memory_mb\"")
            }
        }
    }
}
