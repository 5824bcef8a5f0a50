//! What users may write under `destination:`: nothing.

use schemars::JsonSchema;
use serde::Deserialize;

/// Standard output has nothing to choose.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {}
