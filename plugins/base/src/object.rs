//! Object stores as destinations. A connector says where its bucket is and how requests are signed; the rest is here.
//!
//! opendal looks objects up, removes and reads them. Parts go out by the XML protocol that S3 and its relatives share,
//! spoken here, because a part has to be durable before it is visible and may not stay in memory until then: an upload in
//! pieces is pending until it is completed. Both send through one [`Wire`](wire::Wire), which signs, times, repeats and
//! judges every request.

use std::path::PathBuf;
use std::sync::Arc;

use opendal::raw::normalize_path;
use opendal::{HttpTransporter, OperationContext, Operator};
use rivet_plugin_api::{Error, Result};

mod runtime;
mod clock;
mod sign;
mod failure;
mod wire;
mod xml;
mod limits;
mod upload;
mod part;
mod pending;
mod store;
mod destination;

pub use clock::drift;
pub use destination::{Connector, Objects};
pub use opendal;
pub use reqsign_core;
pub use sign::{Credentials, Sign};
pub use xml::{Exclusive, Object, Whole};

use wire::{Retry, Wire};
use xml::Xml;

/// Where a bucket is and how it is spoken to.
pub struct Settings {
    /// The scheme of locations that people read, such as `s3`.
    pub scheme: &'static str,
    /// The bucket's name.
    pub bucket: String,
    /// What every name begins with; put before it as it is.
    pub prefix: String,
    /// The URL of the bucket, with its name in the host or as the path, and without a slash at the end.
    pub url: String,
    /// Signs requests; they go out unsigned without.
    pub signer: Option<Arc<dyn Sign>>,
    /// The authorities to trust instead of the system's, in PEM.
    pub ca_file: Option<PathBuf>,
    /// How an object is only made when there is none of that name.
    pub exclusive: Exclusive,
    /// How an object is written in one request; by `PUT` when absent.
    pub whole: Option<Whole>,
}

/// A bucket, and what every name in it begins with.
pub(crate) struct Bucket {
    scheme: &'static str,
    name: String,
    prefix: String,
    url: String,
    exclusive: Exclusive,
    whole: Option<Whole>,
    wire: Wire,
    /// Unsigned and without a transport of its own: requests pass through the wire.
    operator: Operator,
}

impl Bucket {
    fn new(settings: Settings, operator: Operator) -> Result<Self> {
        let Settings { scheme, bucket, prefix, url, signer, ca_file, exclusive, whole } = settings;
        let wire = Wire::new(&url, signer, ca_file)?;
        Ok(Self { scheme, name: bucket, prefix, url, exclusive, whole, wire, operator })
    }

    /// The key of a name. Slashes are kept as opendal keeps them: none in front, none twice.
    fn key(&self, name: &str) -> Result<String> {
        if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\\', '\0']) {
            return Err(Error::config(format!("\"{}\" is not a file name", name.escape_default()))
                .hint("use letters, digits, \"_\", \"-\" and single dots in the export's name"));
        }
        Ok(normalize_path(&format!("{}{name}", self.prefix)))
    }

    /// For people.
    fn location(&self, name: &str) -> String {
        format!("{}://{}/{}", self.scheme, self.name, normalize_path(&format!("{}{name}", self.prefix)))
    }

    /// A client of the XML protocol, and opendal's, that repeat single requests by `retry`.
    fn clients(&self, retry: Retry) -> Clients {
        let wire = self.wire.repeating(retry);
        let context = OperationContext::new().with_http_transport(HttpTransporter::new(wire.clone()));
        let operator = self.operator.clone().with_context(context);
        let xml = Xml::new(wire.clone(), self.url.clone(), self.exclusive.clone(), self.whole.clone());
        Clients { xml, operator, wire }
    }
}

/// The two ways to speak to a bucket.
#[derive(Clone)]
pub(crate) struct Clients {
    xml: Xml,
    operator: Operator,
    wire: Wire,
}

/// What a store says of an object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Found {
    bytes: u64,
    etag: Option<String>,
}

impl Clients {
    /// What is there under `key`.
    async fn look_up(&self, key: &str) -> Result<Option<Found>> {
        match self.operator.stat(key).await {
            Ok(found) => {
                // Where the store tells the sum itself, its entity tag is something else.
                let etag = found.content_md5().and_then(xml::hex_of_base64).or(found.etag().map(plain_etag));
                Ok(Some(Found { bytes: found.content_length(), etag }))
            }
            Err(e) if e.kind() == opendal::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(self.wire.explain(e).context(format!("could not look \"{key}\" up"))),
        }
    }

    async fn remove(&self, key: &str) -> Result<()> {
        let removed = self.operator.delete(key).await;
        removed.map_err(|e| self.wire.explain(e).context(format!("could not remove \"{key}\"")))
    }

    async fn read(&self, key: &str) -> Result<Vec<u8>> {
        let read = self.operator.read(key).await;
        read.map(|b| b.to_vec()).map_err(|e| self.wire.explain(e).context(format!("could not read \"{key}\"")))
    }
}

/// An entity tag without the quotes that some stores leave out.
fn plain_etag(etag: &str) -> String {
    etag.trim().trim_matches('"').to_owned()
}
