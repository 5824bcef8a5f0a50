//! The options of a connector as a table, for people who have only its file.

use serde::Serialize;
use serde_json::Value as Json;

use super::schema::{Shape, properties};

/// One option.
#[derive(Debug, Serialize)]
pub struct OptionRow {
    /// The key.
    pub name: String,
    /// What it takes: a type, or the values to choose from.
    pub kind: String,
    /// Whether it must be given.
    pub required: bool,
    /// What holds without it.
    pub default: Option<Json>,
    /// Whether it is never shown.
    pub secret: bool,
    /// What it is for: the first sentence of its description.
    pub about: String,
}

/// The options that a schema names, in its order.
pub fn option_rows(schema: &Json) -> Vec<OptionRow> {
    let root = Shape::of(schema, schema);
    let mut rows = Vec::new();
    for object in root.objects {
        let required = object.get("required").and_then(Json::as_array);
        for (name, property) in properties(object).into_iter().flatten() {
            let shape = Shape::of(property, schema);
            let about = property.get("description").and_then(Json::as_str).unwrap_or_default();
            rows.push(OptionRow {
                name: name.clone(),
                kind: kind(&shape),
                required: required.is_some_and(|names| names.iter().any(|one| one.as_str() == Some(name))),
                default: property.get("default").filter(|value| !value.is_null()).cloned(),
                secret: shape.secret,
                about: about.split_inclusive(". ").next().unwrap_or_default().replace('\n', " ").trim_end().to_owned(),
            });
        }
    }
    rows
}

fn kind(shape: &Shape<'_>) -> String {
    let mut words: Vec<String> = shape.choices.iter().map(ToString::to_string).collect();
    words.extend(shape.types.iter().map(|name| (*name).to_owned()));
    words.dedup();
    if words.is_empty() { "anything".to_owned() } else { words.join(" or ") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_becomes_rows() {
        let schema = json!({
            "type": "object", "required": ["rows"],
            "$defs": { "Mode": { "enum": ["fast", "slow"] } },
            "properties": {
                "rows": { "type": "integer", "description": "How many rows. Not more\nthan a few." },
                "key": { "type": ["string", "null"], "writeOnly": true },
                "mode": { "anyOf": [{ "$ref": "#/$defs/Mode" }, { "type": "null" }], "default": "fast" },
            },
        });
        let rows = option_rows(&schema);
        let row = |name: &str| rows.iter().find(|row| row.name == name).unwrap();
        assert!(row("rows").required && row("rows").kind == "integer" && row("rows").about == "How many rows.");
        assert!(row("key").secret && !row("key").required && row("key").kind == "string");
        assert_eq!((row("mode").kind.as_str(), &row("mode").default), ("\"fast\" or \"slow\"", &Some(json!("fast"))));
    }
}
