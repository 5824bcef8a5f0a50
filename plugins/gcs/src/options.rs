//! What users may write under `destination:`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// A bucket that takes the files of an export.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The bucket. It is not created.
    pub bucket: String,
    /// What every name begins with, put before it as it is: write the slash of a folder, as in `exports/data/`.
    #[serde(default)]
    pub prefix: String,
    /// The URL of another endpoint than `https://storage.googleapis.com`, such as an emulator's.
    pub endpoint: Option<String>,
    /// A file of credentials, of a service account or of any other kind that Google's tools write. Nothing else is looked
    /// for then.
    pub credentials_file: Option<PathBuf>,
    /// Whether requests go out without credentials; none are looked for then.
    #[serde(default)]
    pub allow_anonymous: bool,
    /// PEM file of the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
}
