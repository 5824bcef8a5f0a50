//! What is known of a key: its name, what it takes and what it means. Reading, "did you mean" and the schema for editors
//! all come from the tables of these.

/// One key of a map of the configuration.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) takes: Takes,
    /// What it means, in a sentence or two, for editors.
    pub(super) doc: &'static str,
}

/// What may stand behind a key.
#[derive(Clone, Copy)]
pub(super) enum Takes {
    /// Text that is not empty.
    Text,
    Flag,
    /// A whole number of this range, both ends included.
    Whole(i128, i128),
    /// One of these names.
    One(fn() -> Vec<&'static str>),
    /// A list of these names.
    Several(fn() -> Vec<&'static str>),
    /// A list of texts.
    Texts,
    /// A map from names to texts.
    TextMap,
    /// A map from names to numbers from 0 to 1.
    Ratios,
    /// A map from names to scalars.
    Values,
    /// A number of bytes, as [`size`](super::size) reads it.
    Size,
    /// A duration, or an amount.
    Lag,
    /// A map with keys of its own.
    Section(&'static [Key]),
    /// A list of maps with keys of their own.
    List(&'static [Key]),
    /// `isolation`, by its name or as a map.
    Isolation,
    /// What to read from, whose further keys are its connector's.
    Source,
    /// Where the files go, whose further keys are its connector's.
    Destination,
}

impl Key {
    pub(super) const fn new(name: &'static str, takes: Takes, doc: &'static str) -> Self {
        Self { name, takes, doc }
    }
}

/// The names of `keys`.
pub(super) fn names(keys: &'static [Key]) -> impl Iterator<Item = &'static str> + Clone {
    keys.iter().map(|key| key.name)
}

/// The key called `name`.
pub(super) fn find(keys: &'static [Key], name: &str) -> Option<&'static Key> {
    keys.iter().find(|key| key.name == name)
}

/// The names of a table of choices.
pub(super) fn choices<T, const N: usize>(table: [(&'static str, T); N]) -> Vec<&'static str> {
    table.into_iter().map(|(name, _)| name).collect()
}
