//! What a request asks of a store, whichever of its interfaces it uses.

use crate::http::{Message, query};

/// What a request is for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Step {
    /// A whole object in one request.
    Put,
    /// The begin of an upload in parts.
    Initiate,
    /// One of its parts.
    UploadPart,
    /// Its end, which makes the object.
    Complete,
    /// Its end without an object.
    Abort,
    /// The uploads that are under way.
    ListUploads,
    /// What is known of an object.
    Stat,
    /// Its content.
    Read,
    /// The names of objects.
    List,
    /// The end of an object.
    Delete,
    /// A token for further requests.
    Token,
    /// Whatever else.
    Other,
}

impl Step {
    pub(crate) fn of(request: &Message) -> Self {
        let target = request.target();
        let path = target.split('?').next().unwrap_or_default();
        let query = query(target);
        let has = |name: &str| query.iter().any(|(known, _)| known == name);
        let is = |name: &str, value: &str| query.iter().any(|(k, v)| k == name && v == value);
        // Google's JSON: /storage/v1/b/BUCKET/o and maybe /NAME, in which separators are written as %2F.
        let json = path.split_once("/storage/v1/b/").map(|(_, rest)| rest.split('/').count() > 2);
        match request.method() {
            _ if path.starts_with("/token") || path.starts_with("/computeMetadata/") => Self::Token,
            "POST" if is("uploadType", "resumable") => Self::Initiate,
            "PUT" if is("uploadType", "resumable") => Self::UploadPart,
            "POST" if path.starts_with("/upload/") => Self::Put,
            "POST" if has("uploads") => Self::Initiate,
            "POST" if has("uploadId") => Self::Complete,
            "PUT" if has("partNumber") => Self::UploadPart,
            "PUT" => Self::Put,
            "DELETE" if has("uploadId") || has("upload_id") => Self::Abort,
            "DELETE" => Self::Delete,
            "GET" if has("uploads") => Self::ListUploads,
            "HEAD" => Self::Stat,
            "GET" => match json {
                Some(true) if is("alt", "media") => Self::Read,
                Some(true) => Self::Stat,
                None if path.trim_matches('/').contains('/') => Self::Read,
                Some(false) | None => Self::List,
            },
            _ => Self::Other,
        }
    }
    /// The rights that Google wants for it.
    pub(crate) fn rights(self) -> &'static [&'static str] {
        match self {
            Self::Put => &["storage.objects.create"],
            Self::Initiate | Self::UploadPart | Self::Complete => {
                &["storage.multipartUploads.create", "storage.objects.create"]
            }
            Self::Abort => &["storage.multipartUploads.abort"],
            Self::ListUploads => &["storage.multipartUploads.list"],
            Self::Stat | Self::Read => &["storage.objects.get"],
            Self::List => &["storage.objects.list"],
            Self::Delete => &["storage.objects.delete"],
            Self::Token | Self::Other => &[],
        }
    }
}
