//! What users write under `source:` with `type: sqlite`, and the file it stands for.

use std::path::{Path, PathBuf};

use rivet_plugin_api::{Error, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// The options of the `sqlite` source. Exactly one of `url` and `path` is required.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The database as `sqlite:shop.db`, `sqlite:///srv/shop.db`, a plain path, or a `file:` URI, whose parameters
    /// (such as `?immutable=1`) SQLite itself reads. Relative paths start at the working directory.
    #[serde(default)]
    pub url: Option<String>,
    /// The path of the database file, taken literally. Relative paths start at the working directory.
    #[serde(default)]
    pub path: Option<PathBuf>,
}

/// Where the database is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Location {
    /// An absolute path, which SQLite cannot mistake for a URI or for `:memory:`.
    File(PathBuf),
    /// A `file:` URI.
    Uri(String),
}

impl Location {
    /// How messages name it.
    pub(crate) fn display(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Uri(uri) => uri.clone(),
        }
    }

    /// The file, however the options name it.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::File(path) => {
                format!("sqlite://{}", path.canonicalize().unwrap_or_else(|_| path.clone()).display())
            }
            Self::Uri(uri) => uri.clone(),
        }
    }
}

impl Options {
    pub(crate) fn location(&self) -> Result<Location> {
        match (&self.url, &self.path) {
            (Some(url), None) => from_url(url),
            (None, Some(path)) => file(path),
            (Some(_), Some(_)) => Err(Error::config("both \"url\" and \"path\" are set").hint("keep one of them")),
            (None, None) => Err(Error::config("neither \"url\" nor \"path\" is set")
                .hint("name the database file, as in path: shop.db")),
        }
    }
}

fn from_url(url: &str) -> Result<Location> {
    if url.starts_with("file:") {
        return Ok(Location::Uri(url.to_owned()));
    }
    let Some(rest) = url.strip_prefix("sqlite:") else { return file(Path::new(url)) };
    match rest.strip_prefix("//") {
        Some(path) if path.starts_with('/') => file(Path::new(path)),
        Some(_) => Err(Error::config("the url names a host, which SQLite does not have")
            .hint("write sqlite:relative/path or sqlite:///absolute/path")),
        None => file(Path::new(rest)),
    }
}

fn file(path: &Path) -> Result<Location> {
    // SQLite opens a fresh empty database for these two: an export of it would look like success.
    if path.as_os_str().is_empty() || path == Path::new(":memory:") {
        return Err(Error::config("the path names no file").hint("name an existing database file"));
    }
    Ok(Location::File(std::path::absolute(path)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<Location> {
        Options { url: Some(text.to_owned()), path: None }.location()
    }

    #[test]
    fn urls_name_files() {
        let here = |p: &str| Location::File(std::env::current_dir().unwrap().join(p));
        assert_eq!(url("sqlite:shop.db").unwrap(), here("shop.db"));
        assert_eq!(url("shop.db").unwrap(), here("shop.db"));
        assert_eq!(url("sqlite:/srv/a b.db").unwrap(), Location::File("/srv/a b.db".into()));
        assert_eq!(url("sqlite:///srv/shop.db").unwrap(), Location::File("/srv/shop.db".into()));
        assert_eq!(url("file:shop.db?immutable=1").unwrap(), Location::Uri("file:shop.db?immutable=1".into()));
    }

    #[test]
    fn a_database_without_a_file_is_refused() {
        for text in ["", ":memory:", "sqlite:", "sqlite::memory:", "sqlite://host/shop.db"] {
            assert!(url(text).is_err(), "{text}");
        }
        assert!(Options::default().location().is_err());
        assert!(Options { url: Some("a".into()), path: Some("a".into()) }.location().is_err());
    }

    #[test]
    fn a_literal_path_is_never_a_uri() {
        let options = Options { url: None, path: Some("file:shop.db".into()) };
        assert!(matches!(options.location().unwrap(), Location::File(p) if p.is_absolute()));
    }
}
