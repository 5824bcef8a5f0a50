//! What users may write under `destination:`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// A directory that takes the files of an export.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The directory, relative to the working directory. It is created when it does not exist, with its parents.
    pub path: Option<PathBuf>,
    /// Used when `path` is absent, so that a destination written for an object store works here. Without both, files
    /// go to the working directory.
    #[schemars(extend("default" = "."))]
    pub prefix: Option<PathBuf>,
}

impl Options {
    pub(crate) fn directory(self) -> PathBuf {
        let given = self.path.or(self.prefix).filter(|path| !path.as_os_str().is_empty());
        given.unwrap_or_else(|| PathBuf::from("."))
    }
}
