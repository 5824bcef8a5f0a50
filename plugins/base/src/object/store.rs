//! One attempt's hold on a bucket.

use std::sync::Arc;

use futures_util::future::join;
use rivet_plugin_api::{Cancel, Category, Result, WriteRequest, tracing};

use super::part::{First, ObjectPart};
use super::upload::{Attempt, taken};
use super::wire::Retry;
use super::{Bucket, pending, runtime};
use crate::Store;

/// Parts of one base name.
pub(crate) struct ObjectStore {
    bucket: Arc<Bucket>,
    attempt: Arc<Attempt>,
    request: WriteRequest,
    /// The first part, when it may turn out to be one of several.
    first: Option<Arc<First>>,
}

impl ObjectStore {
    /// Looks whether the names are free, and aborts what dead runs left. With `is_first`, that is said of the export.
    pub(crate) fn claim(bucket: &Arc<Bucket>, request: &WriteRequest, is_first: bool, cancel: &Cancel) -> Result<Self> {
        let clients = bucket.clients(Retry::NONE);
        let names = [request.part_name(0, false), request.part_name(0, true)];
        let keys = [bucket.key(&names[0])?, bucket.key(&names[1])?];
        runtime::wait_unless(cancel, async {
            let sweep = pending::sweep(bucket, &clients, request, is_first);
            if request.replace {
                return sweep.await;
            }
            let [only, part] = &keys;
            let (found, swept) = join(join(is_free(bucket, only), is_free(bucket, part)), sweep).await;
            swept.and(found.0).and(found.1)
        })?;
        let clients = bucket.clients(Retry::of(request));
        let attempt = Attempt::new(Arc::clone(bucket), clients, request, cancel.clone());
        Ok(Self { bucket: Arc::clone(bucket), attempt: Arc::new(attempt), request: request.clone(), first: None })
    }

    /// Removes the parts of an attempt that this one replaces, except those of `names`. Parts become visible from the
    /// first to the last, so the first gap is the end.
    async fn remove_replaced(&self, names: &[String]) -> Result<()> {
        let clients = &self.attempt.clients;
        let only = self.request.part_name(0, false);
        if !names.contains(&only) && clients.look_up(&self.bucket.key(&only)?).await?.is_some() {
            clients.remove(&self.bucket.key(&only)?).await?;
        }
        let mut stale = Vec::new();
        for name in (0..).map(|index| self.request.part_name(index, true)).skip_while(|name| names.contains(name)) {
            let key = self.bucket.key(&name)?;
            if clients.look_up(&key).await?.is_none() {
                break;
            }
            stale.push(key);
        }
        // Backwards, so that what a crash leaves has no gap either.
        for key in stale.iter().rev() {
            clients.remove(key).await?;
        }
        Ok(())
    }
}

/// With a client of its own, whose last refusal is its own too.
async fn is_free(bucket: &Bucket, key: &str) -> Result<()> {
    match bucket.clients(Retry::NONE).look_up(key).await {
        Ok(None) => Ok(()),
        Ok(Some(_)) => Err(taken(key)),
        // Some credentials may write and not look; then the store refuses a taken name when it is written.
        Err(error) if error.category() == Category::Auth && matches!(error.code_text(), Some("403" | "forbidden")) => {
            tracing::debug!(key, "whether the name is free is not known: {error}");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

impl Store for ObjectStore {
    type Sink = ObjectPart;

    fn create(&mut self, index: usize, name: &str, reread: bool) -> Result<ObjectPart> {
        let key = self.bucket.key(name)?;
        let attempt = Arc::clone(&self.attempt);
        if index == 0 {
            self.first = self.request.format.max_file_size.map(|_| Arc::default());
            return ObjectPart::new(attempt, key, self.first.clone(), false, reread);
        }
        // There are several, so the first one has its name now.
        if let Some(first) = self.first.take() {
            let key = self.bucket.key(&self.request.part_name(0, true))?;
            first.start(&attempt, &key)?;
        }
        ObjectPart::new(attempt, key, None, true, reread)
    }

    fn location(&self, name: &str) -> String {
        self.bucket.location(name)
    }

    fn remove(&mut self, name: &str) -> Result<()> {
        let key = self.bucket.key(name)?;
        runtime::wait(self.attempt.clients.remove(&key))
    }

    fn settle(&mut self, names: &[String]) -> Result<()> {
        if self.request.replace { runtime::wait(self.remove_replaced(names)) } else { Ok(()) }
    }

    fn end(&mut self) -> Result<()> {
        self.attempt.end()
    }
}

/// An attempt that ends by a panic leaves no upload either.
impl Drop for ObjectStore {
    fn drop(&mut self) {
        if let Err(error) = self.attempt.end() {
            tracing::warn!(%error, "an upload could not be given up");
        }
    }
}
