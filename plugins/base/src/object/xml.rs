//! The XML protocol that S3, Google Cloud Storage and their relatives share, as far as writing an object needs it.
//!
//! Every body goes out with its MD5, the one checksum that all of them verify, so that a byte that was lost or changed on
//! the way is an error (`BadDigest`) and never an object.

use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use md5::{Digest as _, Md5};
use opendal::raw::percent_encode_path;
use rivet_plugin_api::{Error, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::plain_etag;
use super::wire::{Answer, Request, Sent, Wire};

/// How an object is only made when there is none of that name.
#[derive(Clone, Debug)]
pub struct Exclusive {
    /// The header of the request.
    pub header: (HeaderName, HeaderValue),
    /// Whether it may also come with the completion of an upload in pieces; otherwise a look before has to do.
    pub completes: bool,
}

/// An object that fits into one request.
pub struct Object<'a> {
    /// Its whole name, not escaped.
    pub key: &'a str,
    /// What it holds.
    pub body: Bytes,
    /// Its media type.
    pub kind: &'static str,
    /// The MD5 of its body in base64, which the store is to check.
    pub md5: String,
    /// Whether it is only to be made when there is none of that name.
    pub exclusive: bool,
}

/// Makes the request that writes an object, for a store that does not take a `PUT` for it.
pub type Whole = Arc<dyn Fn(Object<'_>) -> http::Result<http::Request<Bytes>> + Send + Sync>;

/// An MD5 sum.
pub(crate) type Sum = [u8; 16];

/// A piece of an upload, as the store has it.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) number: u32,
    pub(crate) etag: String,
    pub(crate) sum: Sum,
}

/// An upload that was begun and neither completed nor aborted.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Pending {
    pub(crate) key: String,
    pub(crate) upload_id: String,
    pub(crate) initiated: Option<Timestamp>,
}

/// Uploads that were begun, and the store's clock.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) uploads: Vec<Pending>,
    pub(crate) now: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Initiated {
    upload_id: String,
}

#[derive(Deserialize)]
struct Completed {
    #[serde(rename = "ETag")]
    etag: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Page {
    is_truncated: bool,
    next_key_marker: String,
    next_upload_id_marker: String,
    upload: Vec<Pending>,
}

/// A client of one bucket.
#[derive(Clone)]
pub(crate) struct Xml {
    wire: Wire,
    url: String,
    exclusive: Exclusive,
    whole: Option<Whole>,
}

impl Xml {
    pub(crate) fn new(wire: Wire, url: String, exclusive: Exclusive, whole: Option<Whole>) -> Self {
        Self { wire, url, exclusive, whole }
    }

    /// Whether a completion can fail for an object that is there.
    pub(crate) fn completes_exclusively(&self) -> bool {
        self.exclusive.completes
    }

    /// Writes an object in one request. The answer's entity tag is what the store has.
    pub(crate) async fn put(&self, key: &str, body: Bytes, sum: &Sum, exclusive: bool) -> Sent {
        if let Some(whole) = &self.whole {
            let object = Object { key, body, kind: kind_of(key), md5: BASE64_STANDARD.encode(sum), exclusive };
            let (head, body) = match whole(object) {
                Ok(request) => request.into_parts(),
                Err(e) => return Sent::never(Error::internal(format!("request: {e}"))),
            };
            let url = head.uri.to_string();
            return self.wire.send(&Request { method: head.method, url, headers: head.headers, body }).await;
        }
        let mut headers = headers_for(key);
        headers.insert("content-md5", base64(sum));
        if exclusive {
            let (name, value) = self.exclusive.header.clone();
            headers.insert(name, value);
        }
        self.send(Method::PUT, self.object(key, ""), headers, body).await
    }

    /// Begins an upload in pieces and answers its id, and whether one may have been begun whose id is not known.
    pub(crate) async fn initiate(&self, key: &str) -> (Result<String>, bool) {
        let sent = self.send(Method::POST, self.object(key, "?uploads"), headers_for(key), Bytes::new()).await;
        let in_doubt = sent.in_doubt;
        let id = sent.into_result().and_then(|answer| parse::<Initiated>(&answer.body));
        (id.map(|initiated| initiated.upload_id), in_doubt)
    }

    /// Sends a piece; pieces are counted from 1.
    pub(crate) async fn upload(&self, key: &str, id: &str, number: u32, body: Bytes) -> Result<Piece> {
        let sum: Sum = Md5::digest(&body).into();
        let mut headers = HeaderMap::new();
        headers.insert("content-md5", base64(&sum));
        let query = format!("?partNumber={number}&uploadId={}", escape(id));
        let answer = self.send(Method::PUT, self.object(key, &query), headers, body).await.into_result()?;
        let etag = answer.header("etag").ok_or_else(|| Error::permanent("the store answered without an entity tag"))?;
        Ok(Piece { number, etag: etag.to_owned(), sum })
    }

    /// Makes an object of the pieces.
    pub(crate) async fn complete(&self, key: &str, id: &str, pieces: &[Piece], exclusive: bool) -> Sent {
        let mut body = String::from("<CompleteMultipartUpload>");
        for piece in pieces {
            let (number, etag) = (piece.number, quick_xml::escape::escape(piece.etag.as_str()));
            let _ = write!(body, "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
        }
        body.push_str("</CompleteMultipartUpload>");
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        if exclusive && self.exclusive.completes {
            let (name, value) = self.exclusive.header.clone();
            headers.insert(name, value);
        }
        let query = format!("?uploadId={}", escape(id));
        self.send(Method::POST, self.object(key, &query), headers, Bytes::from(body)).await
    }

    /// The entity tag in the answer to a completion.
    pub(crate) fn completed_etag(answer: &Answer) -> Option<String> {
        parse::<Completed>(&answer.body).ok()?.etag.map(|etag| plain_etag(&etag))
    }

    /// Gives an upload up; no error when there is none of this id.
    pub(crate) async fn abort(&self, key: &str, id: &str) -> Result<()> {
        let url = self.object(key, &format!("?uploadId={}", escape(id)));
        match self.send(Method::DELETE, url, HeaderMap::new(), Bytes::new()).await.outcome {
            Err(failure) if failure.status() != Some(StatusCode::NOT_FOUND) => Err(failure.error),
            _ => Ok(()),
        }
    }

    /// The uploads that were begun under keys that begin with `prefix`.
    pub(crate) async fn list(&self, prefix: &str) -> Result<Listing> {
        let mut listing = Listing::default();
        let mut markers = String::new();
        loop {
            let url = format!("{}/?uploads&prefix={}{markers}", self.url, escape(prefix));
            let answer = self.send(Method::GET, url, HeaderMap::new(), Bytes::new()).await.into_result()?;
            listing.now = listing.now.or_else(|| {
                let date = jiff::fmt::rfc2822::parse(answer.header("date")?);
                date.ok().map(|date| date.timestamp())
            });
            let page: Page = parse(&answer.body)?;
            listing.uploads.extend(page.upload);
            if !page.is_truncated || page.next_key_marker.is_empty() {
                return Ok(listing);
            }
            let (key, id) = (escape(&page.next_key_marker), escape(&page.next_upload_id_marker));
            let next = format!("&key-marker={key}&upload-id-marker={id}");
            // A store that does not know markers would answer the same page for ever.
            if next == markers {
                return Ok(listing);
            }
            markers = next;
        }
    }

    fn object(&self, key: &str, query: &str) -> String {
        format!("{}/{}{query}", self.url, percent_encode_path(key))
    }

    async fn send(&self, method: Method, url: String, headers: HeaderMap, body: Bytes) -> Sent {
        self.wire.send(&Request { method, url, headers, body }).await
    }
}

/// What a store that derives its entity tags from MD5 sums answers for an object of these pieces.
pub(crate) fn etag_of(pieces: &[Piece]) -> String {
    let mut all = Md5::new();
    for piece in pieces {
        all.update(piece.sum);
    }
    format!("{}-{}", hex(&all.finalize().into()), pieces.len())
}

/// The entity tag of an object that was written in one request, of such a store.
pub(crate) fn hex(sum: &Sum) -> String {
    sum.iter().fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A sum that a store tells in base64, as its entity tags would have it.
pub(super) fn hex_of_base64(text: &str) -> Option<String> {
    Some(hex(&BASE64_STANDARD.decode(text).ok()?.try_into().ok()?))
}

fn kind_of(key: &str) -> &'static str {
    match key.rsplit_once('.').map(|(_, extension)| extension) {
        Some("parquet") => "application/vnd.apache.parquet",
        Some("csv") => "text/csv; charset=utf-8",
        Some("arrow") => "application/vnd.apache.arrow.file",
        Some("arrows") => "application/vnd.apache.arrow.stream",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}

fn headers_for(key: &str) -> HeaderMap {
    HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static(kind_of(key)))])
}

fn base64(sum: &Sum) -> HeaderValue {
    // The alphabet of base64 has nothing that a header refuses.
    HeaderValue::try_from(BASE64_STANDARD.encode(sum)).unwrap_or(HeaderValue::from_static(""))
}

/// As a value in a query, where a slash is escaped too.
fn escape(value: &str) -> String {
    percent_encode_path(value).replace('/', "%2F")
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let text = std::str::from_utf8(body).unwrap_or_default();
    quick_xml::de::from_str(text).map_err(|e| Error::permanent(format!("the store's answer is not understood: {e}")))
}

#[cfg(test)]
mod tests;
