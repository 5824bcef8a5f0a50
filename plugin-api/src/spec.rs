//! What a connector says about itself before it is opened.

use std::fmt;

use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::capabilities::{DestinationCapabilities, SourceCapabilities};

/// The self-description of a plug-in, answered without opening anything.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Spec {
    /// The `type:` users write, such as `counter`.
    pub name: String,
    /// The plug-in's own semantic version.
    pub version: String,
    /// One sentence for `rivet plugin list`.
    #[serde(default)]
    pub description: String,
    /// SPDX expression.
    #[serde(default)]
    pub license: String,
    /// Set when the plug-in can be a source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceSpec>,
    /// Set when the plug-in can be a destination.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<DestinationSpec>,
}

/// The source half of a [`Spec`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SourceSpec {
    /// How reports name it, such as `Counter`; see [`title`].
    #[serde(default)]
    pub title: String,
    /// JSON Schema of the options under `source:`. Secret ones carry `"writeOnly": true`.
    pub options: serde_json::Value,
    /// What the host may ask of it.
    pub capabilities: SourceCapabilities,
    /// See [`Locations::schemes`].
    #[serde(default)]
    pub schemes: Vec<String>,
    /// See [`Locations::paths`].
    #[serde(default)]
    pub paths: bool,
}

/// Which locations a source opens when they are given as its option `url`, so that `rivet init` finds the connector by
/// the location alone.
#[derive(Clone, Copy, Debug)]
pub struct Locations {
    /// What stands before the `:` of its URLs, in lower case: `acme` for `acme://host/database`.
    pub schemes: &'static [&'static str],
    /// Whether the plain path of a file is a location too.
    pub paths: bool,
}

impl Locations {
    /// None: users name the connector.
    pub const NONE: Self = Self { schemes: &[], paths: false };
}

/// The destination half of a [`Spec`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DestinationSpec {
    /// How reports name it, such as `Counter`; see [`title`].
    #[serde(default)]
    pub title: String,
    /// The options that say where output goes, of which the first that is set is shown: `Counter(there)`. The first one
    /// is also what is said not to be found, as in `path not found`.
    #[serde(default)]
    pub place: Vec<String>,
    /// JSON Schema of the options under `destination:`. Secret ones carry `"writeOnly": true`.
    pub options: serde_json::Value,
    /// What the host may ask of it.
    pub capabilities: DestinationCapabilities,
}

/// How reports name a connector: by its title, or by its name with a capital letter when it has none.
pub fn title(title: &str, name: &str) -> String {
    let mut letters = name.chars();
    match (title, letters.next()) {
        ("", Some(first)) => first.to_uppercase().chain(letters).collect(),
        _ => title.to_owned(),
    }
}

/// The JSON Schema of an options type; its doc comments become the reference.
pub fn options_schema<T: JsonSchema>() -> serde_json::Value {
    SchemaGenerator::default().into_root_schema_for::<T>().to_value()
}

/// Reads options into `T`; the error names the key, never its value.
pub fn parse_options<T: serde::de::DeserializeOwned>(options: serde_json::Value) -> crate::Result<T> {
    serde_json::from_value(options).map_err(|e| {
        // A type error of serde_json quotes the value: keep only what was expected.
        let text = e.to_string();
        let safe = match text.split_once("invalid type: ").or_else(|| text.split_once("invalid value: ")) {
            Some((_, rest)) => match rest.rsplit_once("expected ") {
                Some((_, expected)) => format!("an option has the wrong type: expected {expected}"),
                None => "an option has the wrong type".to_owned(),
            },
            None => text,
        };
        crate::Error::config(safe)
    })
}

/// A secret option: readable by the connector, never shown by `Debug`, marked in the schema so that hosts redact it.
#[derive(Clone, Default, Eq, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct SecretString(String);

impl SecretString {
    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself. Never put it into a message.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl JsonSchema for SecretString {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SecretString".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "writeOnly": true })
    }
}
