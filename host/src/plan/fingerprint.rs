//! Short texts by which a later run sees that something is another one.

use serde_json::{Map, Value};
use xxhash_rust::xxh3::xxh3_64;

use crate::config::{option_rows, url_without_secrets};

/// A short text that differs when `value` does.
pub fn of(value: &impl serde::Serialize) -> String {
    format!("{:016x}", xxh3_64(serde_json::to_string(value).unwrap_or_default().as_bytes()))
}

/// Options without what changes when a secret is rotated, for the endpoint stays the same one: what the `schema` of the
/// connector calls a secret, and the secrets inside URLs.
pub fn without_secrets(options: &Value, schema: &Value) -> Value {
    let secrets: Vec<String> = option_rows(schema).into_iter().filter(|row| row.secret).map(|row| row.name).collect();
    match options {
        Value::Object(map) => Value::Object(kept(map, &|key| !secrets.iter().any(|secret| secret == key))),
        other => other.clone(),
    }
}

fn kept(map: &Map<String, Value>, keeps: &dyn Fn(&str) -> bool) -> Map<String, Value> {
    let kept = map.iter().filter(|(key, _)| keeps(key) && *key != "password");
    kept.map(|(key, value)| (key.clone(), stripped(value))).collect()
}

fn stripped(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(kept(map, &|_| true)),
        Value::String(text) => Value::String(url_without_secrets(text)),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rotated_secret_is_the_same_endpoint() {
        let secret = json!({"type": "string", "writeOnly": true});
        let schema = json!({"type": "object", "properties": {"session_token": secret, "path": {"type": "string"}}});
        let with = |secret: &str| {
            let options = json!({
                "url": format!("db://me:{secret}@db:5432/shop?password={secret}&x=a@b"),
                "password": secret,
                "session_token": secret,
                "path": "./out",
            });
            without_secrets(&options, &schema)
        };
        assert_eq!(with("one"), with("t:w@o"));
        assert_eq!(with("one"), json!({"url": "db://me@db:5432/shop?x=a@b", "path": "./out"}));
    }
}
