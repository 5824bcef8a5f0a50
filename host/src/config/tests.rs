//! Goldens of every message, and what valid configurations mean.

mod bounds;
mod chosen;
mod examples;
mod expansion;
mod goldens;
mod masking;
mod options;
mod values;

use std::path::Path;

use super::{Config, ConfigError};

/// The environment of every test.
fn env(name: &str) -> Option<String> {
    let value = match name {
        "DATABASE_URL" => "db://app:c%40nary-7@db.example/shop",
        "DB_PASSWORD" | "SECRET" => "canary-7",
        "NUMBER" => "5000",
        "LIST" => "[a, b]",
        "NESTED" => "${NUMBER}",
        "EMPTY" => "",
        "YAML" => "x\"\n  injected: true\n",
        _ => return None,
    };
    Some(value.to_owned())
}

fn load_with(text: &str, params: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let params: Vec<_> = params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    super::parse(text, Path::new("rivet.yaml"), None, &params, &env)
}

fn load(text: &str) -> Result<Config, ConfigError> {
    load_with(text, &[])
}

/// A configuration with one export, to which `keys` are added.
fn with_export(keys: &str) -> String {
    let keys = keys.lines().fold(String::new(), |out, line| out + "    " + line + "\n");
    format!(
        "source: {{ type: db, url_env: U }}\nexports:\n  - name: a\n    query: SELECT 1\n    format: parquet\n    \
         destination: {{ type: files }}\n{keys}"
    )
}
