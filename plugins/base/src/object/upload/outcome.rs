//! The last request of an object, which makes it visible: what became of it, also when the answer was lost, and whether the
//! store has what was sent.

use bytes::Bytes;
use http::StatusCode;
use md5::{Digest as _, Md5};
use rivet_plugin_api::{Category, Error, Result, ResultExt as _, tracing};

use super::super::plain_etag;
use super::super::wire::{Answer, Sent};
use super::super::xml::{Piece, Sum, Xml, hex};
use super::super::{Clients, Found};
use super::Attempt;
use crate::Published;

/// Writes an object in one request.
pub(crate) async fn put(clients: &Clients, key: &str, body: Bytes, replace: bool) -> Result<Published> {
    let before = if replace { clients.look_up(key).await? } else { None };
    let sum: Sum = Md5::digest(&body).into();
    let expected = Found { bytes: body.len() as u64, etag: Some(hex(&sum)) };
    let sent = clients.xml.put(key, body, &sum, !replace).await;
    let etag = |answer: &Answer| answer.header("etag").map(plain_etag);
    judge(clients, key, sent, etag, before, &expected).await.context(|| format!("could not write \"{key}\""))
}

/// Makes an object of pieces.
pub(super) async fn complete(
    attempt: &Attempt,
    key: &str,
    id: &str,
    pieces: &[Piece],
    expected: &Found,
) -> Result<Published> {
    let clients = &attempt.clients;
    let is_unguarded = !attempt.replace && !clients.xml.completes_exclusively();
    let before = if attempt.replace || is_unguarded { clients.look_up(key).await? } else { None };
    if is_unguarded && before.is_some() {
        return Err(taken(key));
    }
    let sent = clients.xml.complete(key, id, pieces, !attempt.replace).await;
    let completed = judge(clients, key, sent, Xml::completed_etag, before, expected).await;
    completed.context(|| format!("could not complete \"{key}\""))
}

/// What became of the last request of an object.
async fn judge(
    clients: &Clients,
    key: &str,
    sent: Sent,
    etag: impl Fn(&Answer) -> Option<String>,
    before: Option<Found>,
    expected: &Found,
) -> Result<Published> {
    let Sent { outcome, in_doubt } = sent;
    let etag = match outcome {
        Ok(answer) => etag(&answer),
        Err(failure) => {
            let is_gone = matches!(failure.status(), None | Some(StatusCode::NOT_FOUND | StatusCode::CONFLICT))
                || failure.status().is_some_and(|s| s == StatusCode::PRECONDITION_FAILED || !s.is_client_error());
            let found = if in_doubt && is_gone { clients.look_up(key).await.ok().flatten() } else { None };
            match found {
                Some(found) if is_ours(&found, before.as_ref(), expected) => {
                    tracing::debug!(key, "the answer was lost, but the object is there");
                    found.etag
                }
                // It may be ours after all, so that another attempt has to overwrite it.
                Some(_) if failure.error.category() == Category::Conflict => {
                    return Err(Error::network(format!("it is not known whether \"{key}\" was written")));
                }
                _ if failure.error.category() == Category::Conflict => return Err(taken(key).code(failure.code())),
                _ => return Err(failure.error),
            }
        }
    };
    let replaced = before.is_some();
    let store_checksum = check(clients, key, etag, replaced, expected).await?;
    Ok(Published { replaced, store_checksum })
}

/// The error for a name that somebody else has.
pub(crate) fn taken(key: &str) -> Error {
    Error::conflict(format!("\"{key}\" exists already")).hint("remove or rename it, or change destination.prefix")
}

/// Whether what was found under a key is what was sent, though no answer said so.
fn is_ours(found: &Found, before: Option<&Found>, expected: &Found) -> bool {
    let is_sum = |etag: &str| etag.split('-').next().is_some_and(|sum| sum.len() == 32);
    found.bytes == expected.bytes
        && (found.etag == expected.etag
            // Stores with entity tags of their own give each object another one.
            || (!found.etag.as_deref().is_some_and(is_sum) && before.is_none_or(|before| before.etag != found.etag)))
}

/// Whether the store has what was sent. Its entity tag says so where it is made of MD5 sums; otherwise the size has to do,
/// the sums having been checked with each request.
async fn check(
    clients: &Clients,
    key: &str,
    etag: Option<String>,
    replaced: bool,
    expected: &Found,
) -> Result<Option<String>> {
    if etag.is_some() && etag == expected.etag {
        return Ok(etag);
    }
    match clients.look_up(key).await {
        Ok(Some(found)) if found.bytes == expected.bytes => Ok(found.etag.or(etag)),
        Ok(found) => {
            if !replaced && found.is_some() {
                clients.remove(key).await?;
            }
            let has = found.map_or_else(|| "nothing".to_owned(), |found| format!("{} bytes", found.bytes));
            Err(Error::network(format!("{} bytes were sent, but the store has {has}", expected.bytes)))
        }
        // Some credentials may write and not look. The store took the object, and its sum with it.
        Err(error) if error.category() == Category::Auth => {
            tracing::debug!(key, "the size is not verified: {error}");
            Ok(etag)
        }
        Err(error) => {
            // Nobody knows of it, and the next run may write the same rows under another name.
            if !replaced && let Err(left) = clients.remove(key).await {
                tracing::warn!(key, "an object that could not be verified could not be removed either: {left}");
            }
            Err(error)
        }
    }
}
