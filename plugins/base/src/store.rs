//! What a place for files must offer so that [`PartWriter`](crate::PartWriter) can write there.
//!
//! Everything streams forward: an object store implements it by multipart uploads, a directory by temporary files.

use std::fs::File;

use rivet_plugin_api::Result;

/// One attempt's hold on a place for files, from `begin` until `finish` or `abort`.
pub trait Store: Send {
    /// A part that is being written.
    type Sink: PartSink;

    /// Opens part `index`, counted from 0, which stays invisible until it is published.
    ///
    /// `name` is the name it gets if no further part follows; the name given to [`PartSink::publish`] decides, and
    /// differs for a first part that turns out to be one of several. `reread` announces a call of
    /// [`PartSink::reopen`], for which a store that cannot read unfinished objects keeps a copy.
    fn create(&mut self, index: usize, name: &str, reread: bool) -> Result<Self::Sink>;

    /// Where a part of this name is, for people: a path or a URL without secrets.
    fn location(&self, name: &str) -> String;

    /// Deletes a part that this attempt published; no error when it does not exist.
    fn remove(&mut self, name: &str) -> Result<()>;

    /// Called once after the last part was published: makes the names durable, and removes the parts of an earlier
    /// attempt that this one replaces but did not write again. `names` holds every part of this attempt.
    fn settle(&mut self, names: &[String]) -> Result<()>;

    /// Ends the attempt, whatever its outcome: nothing temporary may remain, and the next attempt may begin. Every
    /// sink is gone by then.
    fn end(&mut self) -> Result<()>;
}

/// A part on its way into a store. Calls come in the order of declaration.
pub trait PartSink: Send {
    /// Takes the next bytes.
    fn append(&mut self, bytes: &[u8]) -> Result<()>;

    /// Makes the content durable. No bytes follow.
    fn seal(&mut self) -> Result<()>;

    /// The sealed content for reading, when [`Store::create`] was told that it will be read.
    fn reopen(&mut self) -> Result<File>;

    /// Makes the sealed part visible under `name`, whole or not at all.
    fn publish(&mut self, name: &str) -> Result<Published>;

    /// Gives the part up at any point; nothing of it remains. Does nothing to a published part.
    fn discard(&mut self) -> Result<()>;
}

/// What is known once a part is visible.
#[derive(Clone, Debug, Default)]
pub struct Published {
    /// Whether a part of that name was there before. Such a part is not removed when the attempt fails later.
    pub replaced: bool,
    /// The store's own checksum or etag, where it has one.
    pub store_checksum: Option<String>,
}
