//! What users may write under `destination:`.

use std::path::PathBuf;

use rivet_plugin_api::SecretString;
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
    /// The bucket's region. When absent: `AWS_REGION`, `AWS_DEFAULT_REGION`, the region of the profile, else `us-east-1`.
    pub region: Option<String>,
    /// The URL of a store other than Amazon's. When absent: `AWS_ENDPOINT_URL_S3` and `AWS_ENDPOINT_URL`, else Amazon's.
    pub endpoint: Option<String>,
    /// Whether the bucket's name stands in the host instead of the path. Absent, it does with Amazon and not elsewhere.
    pub virtual_host_style: Option<bool>,
    /// The access key; written as `access_key_env`, together with `secret_key_env`. Nothing else is looked for then.
    pub access_key: Option<SecretString>,
    /// The secret key; written as `secret_key_env`.
    pub secret_key: Option<SecretString>,
    /// The session token of temporary keys; written as `session_token_env`, together with the other two.
    pub session_token: Option<SecretString>,
    /// The profile of the shared AWS files. Nothing else is looked for then.
    pub aws_profile: Option<String>,
    /// Whether requests go out unsigned.
    #[serde(default)]
    pub allow_anonymous: bool,
    /// PEM file of the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
}
