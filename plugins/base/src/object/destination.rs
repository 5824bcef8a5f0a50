//! The destination of any bucket, short of where it is and how requests to it are signed.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use arrow_schema::SchemaRef;
use bytes::Bytes;
use opendal::Operator;
use rivet_plugin_api::serde::de::DeserializeOwned;
use rivet_plugin_api::{
    BatchWriter, Category, Context, Destination, DestinationCapabilities, DestinationProbe, Error, JsonSchema, Part,
    PartStat, PutRequest, Result, ResultExt as _, WriteRequest,
};

use super::store::ObjectStore;
use super::upload::put;
use super::wire::Retry;
use super::{Bucket, Settings, pending, runtime};
use crate::{Checksum, PartWriter, encode};

/// What a connector of an object store adds.
pub trait Connector: Send + 'static {
    /// See [`Destination::Options`].
    type Options: DeserializeOwned + JsonSchema;

    /// See [`Destination::TITLE`].
    const TITLE: &'static str = "";

    /// The bucket that the options name, and opendal's operator for it. The operator signs nothing by itself.
    fn connect(options: Self::Options) -> Result<(Settings, Operator)>;
}

/// A bucket as a destination.
pub struct Objects<C> {
    bucket: Arc<Bucket>,
    /// Whether what dead runs left was looked for.
    swept: bool,
    connector: std::marker::PhantomData<C>,
}

impl<C: Connector> Destination for Objects<C> {
    type Options = C::Options;

    const CAPABILITIES: DestinationCapabilities = DestinationCapabilities {
        atomic: true,
        stat: true,
        remove: true,
        put: true,
        stream: false,
        parquet: true,
        csv: true,
        arrow: true,
    };

    const TITLE: &'static str = C::TITLE;

    const PLACE: &'static [&'static str] = &["bucket"];

    fn open(options: Self::Options, _context: &Context) -> Result<Self> {
        let (settings, operator) = C::connect(options)?;
        Ok(Self {
            bucket: Arc::new(Bucket::new(settings, operator)?),
            swept: false,
            connector: std::marker::PhantomData,
        })
    }

    fn probe(&mut self, context: &Context) -> Result<DestinationProbe> {
        let content = RandomState::new().hash_one(std::process::id()).to_le_bytes();
        let key = self.bucket.key(&format!(".rivet-probe-{:016x}", u64::from_le_bytes(content)))?;
        let clients = self.bucket.clients(Retry::NONE);
        runtime::wait_unless(context.cancel(), async {
            let found = match put(&clients, &key, Bytes::copy_from_slice(&content), false).await {
                Ok(_) => clients.read(&key).await,
                Err(error) if error.category() == Category::Auth => Err(error),
                Err(error) => return Err(error),
            };
            // Also after a failed read, and where a right that is missing kept the write from being looked at.
            let removed = clients.remove(&key).await;
            if found? != content {
                return Err(Error::permanent(format!("\"{key}\" does not hold what was written to it")));
            }
            removed
        })?;
        let Bucket { scheme, name, prefix, .. } = &*self.bucket;
        Ok(DestinationProbe { location: format!("{scheme}://{name}/{prefix}"), warnings: Vec::new() })
    }

    fn begin(&mut self, request: WriteRequest, schema: SchemaRef, context: &Context) -> Result<Box<dyn BatchWriter>> {
        encode::check(&request.format, &schema)?;
        let store = ObjectStore::claim(&self.bucket, &request, !self.swept, context.cancel())?;
        self.swept = true;
        Ok(Box::new(PartWriter::new(store, request, context.cancel().clone())))
    }

    fn stat(&mut self, name: &str, context: &Context) -> Result<Option<PartStat>> {
        let (key, clients) = (self.bucket.key(name)?, self.bucket.clients(Retry::FEW));
        let found = runtime::wait_unless(context.cancel(), clients.look_up(&key))?;
        Ok(found.map(|found| PartStat { bytes: found.bytes, checksum: None, store_checksum: found.etag }))
    }

    fn remove(&mut self, name: &str, _context: &Context) -> Result<()> {
        let (key, clients) = (self.bucket.key(name)?, self.bucket.clients(Retry::FEW));
        runtime::wait(async {
            pending::remove(&self.bucket, &clients, name).await;
            clients.remove(&key).await
        })
    }

    fn put(&mut self, request: PutRequest, context: &Context) -> Result<Part> {
        let PutRequest { name, content, replace } = request;
        let (key, clients) = (self.bucket.key(&name)?, self.bucket.clients(Retry::FEW));
        let (bytes, mut checksum) = (content.len() as u64, Checksum::new());
        checksum.update(content.as_bytes());
        let published = runtime::wait_unless(context.cancel(), put(&clients, &key, Bytes::from(content), replace))
            .context(|| format!("could not write \"{name}\""))?;
        let (location, checksum) = (self.bucket.location(&name), checksum.to_string());
        Ok(Part { name, location, bytes, checksum, store_checksum: published.store_checksum, ..Part::default() })
    }
}
