//! Uploads that a dead run left pending. They are invisible, but stores keep their pieces and charge for them.

use std::time::Duration;

use opendal::raw::normalize_path;
use rivet_plugin_api::{Result, WriteRequest, tracing};

use super::xml::{Listing, Pending};
use super::{Bucket, Clients};
use crate::names::{is_of_base, is_of_export};

/// After so long, by the store's clock, nobody works on an upload any more.
const OLD: Duration = Duration::from_hours(24);

/// The length of `_<YYYYMMDD>_<HHMMSS>`.
const STAMP: usize = 16;

/// What a store says to a listing and would say to everything else. To look a name up tells less: its answer has no body.
const FINAL: [&str; 7] = [
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidBucketName",
    "InvalidToken",
    "NoSuchBucket",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
];

/// Aborts what earlier attempts of `request` left pending, and with `is_first` also what dead runs of its export did.
/// Failures are no reason not to export, unless nothing else can succeed either.
pub(super) async fn sweep(bucket: &Bucket, clients: &Clients, request: &WriteRequest, is_first: bool) -> Result<()> {
    let mut prefixes = Vec::new();
    if is_first {
        prefixes.push(format!("{}_", request.export));
    }
    if request.replace && !prefixes.iter().any(|prefix| request.base_name.starts_with(prefix)) {
        prefixes.push(request.base_name.clone());
    }
    for prefix in prefixes {
        let begin = normalize_path(&format!("{}{prefix}", bucket.prefix));
        let of_dead = |listing: &Listing, upload: &Pending| {
            let name = name_of(bucket, &upload.key)?;
            let again = request.replace && is_of_base(name, &request.base_name);
            Some(again || (is_first && is_old(listing, upload) && is_of_another_run(name, request)))
        };
        if let Err(error) = abort(clients, &begin, of_dead).await {
            if error.code_text().is_some_and(|code| FINAL.contains(&code)) {
                return Err(error.context(format!("could not use bucket \"{}\"", bucket.name)));
            }
            tracing::debug!(%error, "what earlier runs may have left pending is not known");
        }
    }
    Ok(())
}

/// Aborts what is pending under the name of a part, and under those of the parts that may stand in its place.
pub(super) async fn remove(bucket: &Bucket, clients: &Clients, name: &str) {
    let base = name.rsplit_once('.').map_or(name, |(base, _)| base);
    let begin = normalize_path(&format!("{}{base}", bucket.prefix));
    let of_part = |_: &Listing, upload: &Pending| Some(is_of_base(name_of(bucket, &upload.key)?, base));
    if let Err(error) = abort(clients, &begin, of_part).await {
        tracing::debug!(%error, "what is pending under \"{name}\" is not known");
    }
}

async fn abort(clients: &Clients, begin: &str, is_meant: impl Fn(&Listing, &Pending) -> Option<bool>) -> Result<()> {
    let listing = clients.xml.list(begin).await?;
    for upload in &listing.uploads {
        if is_meant(&listing, upload) == Some(true) {
            clients.xml.abort(&upload.key, &upload.upload_id).await?;
            tracing::info!(key = upload.key, "aborted an upload that an earlier run left pending");
        }
    }
    Ok(())
}

/// The name behind the prefix.
fn name_of<'a>(bucket: &Bucket, key: &'a str) -> Option<&'a str> {
    // Normalised with a letter behind it, since a slash at the end alone would be lost.
    let with_letter = normalize_path(&format!("{}x", bucket.prefix));
    key.strip_prefix(with_letter.strip_suffix('x')?).filter(|name| !name.contains('/'))
}

fn is_old(listing: &Listing, upload: &Pending) -> bool {
    let age = listing.now.zip(upload.initiated).map(|(now, begun)| now.duration_since(begun));
    age.and_then(|age| Duration::try_from(age).ok()).is_some_and(|age| age > OLD)
}

/// Workers of one run share its stamp, and a run may take long.
fn is_of_another_run(name: &str, request: &WriteRequest) -> bool {
    let run = request.base_name.get(..request.export.len() + STAMP).unwrap_or(&request.base_name);
    is_of_export(name, &request.export) && !name.starts_with(run)
}
