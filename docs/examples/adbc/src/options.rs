//! What users write under `source:` with `type: adbc`.

use std::collections::BTreeMap;

use rivet_plugin_api::{Deserialize, JsonSchema, SecretString};

/// The options of the `adbc` source.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "rivet_plugin_api::serde", deny_unknown_fields)]
#[schemars(crate = "rivet_plugin_api::schemars")]
pub(crate) struct Options {
    /// The driver's library by its path, or the name of an installed driver, which is looked up as ADBC defines it.
    pub(crate) driver: String,
    /// The function that initialises the driver; what ADBC derives from the library's name when absent.
    #[serde(default)]
    pub(crate) entrypoint: Option<String>,
    /// Where the database is, in the driver's own form, such as `file:shop.db` or `postgresql://user:secret@host/db`.
    #[serde(default)]
    pub(crate) uri: Option<SecretString>,
    /// The user, for drivers that take it apart from the `uri`.
    #[serde(default)]
    pub(crate) username: Option<String>,
    /// The password, for drivers that take it apart from the `uri`.
    #[serde(default)]
    pub(crate) password: Option<SecretString>,
    /// Further options of the driver's database, as the driver names them. Nothing here is kept secret.
    #[serde(default)]
    pub(crate) options: BTreeMap<String, String>,
    /// As `options`, for those whose values must never be shown.
    #[serde(default)]
    pub(crate) secret_options: BTreeMap<String, SecretString>,
    /// How the database quotes names and marks parameters: `ansi` for `"name"` and `$1`, `mysql` for backticks and `?`.
    #[serde(default)]
    pub(crate) dialect: Dialect,
}

/// What differs between databases in the SQL around the user's query.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(crate = "rivet_plugin_api::serde", rename_all = "lowercase")]
#[schemars(crate = "rivet_plugin_api::schemars")]
pub(crate) enum Dialect {
    /// `"name"` and `$1`: PostgreSQL, DuckDB, SQLite and most others.
    #[default]
    Ansi,
    /// Backticks and `?`: MySQL and its relatives.
    Mysql,
}
