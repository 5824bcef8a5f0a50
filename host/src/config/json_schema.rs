//! The JSON Schema of configurations, for editors: the host's own keys from their tables, those of connectors from the
//! schemas they announce.
//!
//! It takes what a reader of the file alone can tell. What depends on other files, on the environment or on two keys
//! that must agree is for `rivet check` to say.

use rivet_plugin_api::Spec;
use serde_json::{Map, Value as Json, json};

use super::export::fields::{MODES, NEEDED};
use super::isolation;
use super::key::{Key, Takes, choices};
use super::resolve::FIELDS;
use super::schema::{Shape, properties};
use super::{DESTINATION_KEYS, ROOT_KEYS, SOURCE_KEYS};

/// No type of Rust is called so, after which connectors name their parts.
const PLACEHOLDER: &str = "rivet.placeholder";

/// The schema, with the options of the connectors in `specs`.
pub fn json_schema(specs: &[&Spec]) -> Json {
    let mut defs = Map::new();
    // A value that comes from elsewhere may become anything.
    let text = "A value from `--param` or the environment.";
    defs.insert(PLACEHOLDER.to_owned(), json!({ "type": "string", "pattern": "\\$\\{[^}]+\\}", "description": text }));
    let halves = |half: fn(&Spec) -> Option<&Json>| {
        specs.iter().filter_map(move |spec| Some((*spec, half(spec)?))).collect::<Vec<_>>()
    };
    let sources = halves(|spec| spec.source.as_ref().map(|half| &half.options));
    let destinations = halves(|spec| spec.destination.as_ref().map(|half| &half.options));
    let source = connectors("source", SOURCE_KEYS, &sources, &mut defs);
    let destination = connectors("destination", DESTINATION_KEYS, &destinations, &mut defs);
    defs.insert("source".to_owned(), source);
    defs.insert("destination".to_owned(), destination);
    let mut root = object(ROOT_KEYS);
    root.insert("required".to_owned(), json!(["source", "exports"]));
    root.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
    root.insert("title".to_owned(), "A configuration of Rivet".into());
    root.insert("$defs".to_owned(), Json::Object(defs));
    Json::Object(root)
}

/// A map with these keys and no others.
fn object(keys: &'static [Key]) -> Map<String, Json> {
    let properties = keys.iter().map(|key| (key.name.to_owned(), property(key))).collect::<Map<_, _>>();
    let mut object = Map::new();
    object.insert("type".to_owned(), "object".into());
    object.insert("properties".to_owned(), Json::Object(properties));
    object.insert("additionalProperties".to_owned(), Json::Bool(false));
    object.extend(rule(keys));
    object
}

/// What must hold between the keys of a map.
fn rule(keys: &'static [Key]) -> Option<(String, Json)> {
    let has = |name| super::key::find(keys, name).is_some();
    if has("batch_size_memory_mb") {
        Some(("not".to_owned(), json!({ "required": ["batch_size", "batch_size_memory_mb"] })))
    } else if has("webhook_url_env") {
        Some(("anyOf".to_owned(), json!([{ "required": ["webhook_url"] }, { "required": ["webhook_url_env"] }])))
    } else {
        None
    }
}

fn property(key: &Key) -> Json {
    let mut schema = match key.takes {
        Takes::Text => json!({ "type": "string", "pattern": "\\S" }),
        Takes::Flag => or_placeholder(json!({ "type": "boolean" })),
        Takes::Whole(least, most) => or_placeholder(whole(least, most)),
        Takes::One(names) => or_placeholder(json!({ "enum": names() })),
        Takes::Several(names) => {
            json!({ "type": "array", "items": or_placeholder(json!({ "enum": names() })) })
        }
        Takes::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        Takes::TextMap => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        Takes::Ratios => {
            let ratio = or_placeholder(json!({ "type": "number", "minimum": 0, "maximum": 1 }));
            json!({ "type": "object", "additionalProperties": ratio })
        }
        Takes::Values => json!({
            "type": "object",
            "propertyNames": { "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" },
            "additionalProperties": { "type": ["string", "number", "boolean", "null"] },
        }),
        Takes::Size => or_placeholder(json!({ "anyOf": [
            { "type": "number", "minimum": 0 },
            { "type": "string", "pattern": "^\\s*([0-9]+\\.?[0-9]*|\\.[0-9]+)\\s*([KkMmGg]?[Bb])?\\s*$" },
        ] })),
        Takes::Lag => or_placeholder(json!({ "anyOf": [
            { "type": "integer", "minimum": 0 },
            { "type": "string", "pattern": "^[0-9]+[smhd]$" },
        ] })),
        Takes::Isolation => {
            let names = json!({ "enum": choices(isolation::modes()) });
            json!({ "anyOf": [names, object(isolation::KEYS), placeholder()] })
        }
        Takes::Section(keys) => Json::Object(object(keys)),
        Takes::List(keys) => json!({ "type": "array", "items": export(keys) }),
        Takes::Source => json!({ "$ref": "#/$defs/source" }),
        Takes::Destination => json!({ "$ref": "#/$defs/destination" }),
    };
    if let Json::Object(map) = &mut schema {
        map.insert("description".to_owned(), key.doc.into());
    }
    schema
}

fn whole(least: i128, most: i128) -> Json {
    let bound = |n: i128| i64::try_from(n).map_or(Json::Null, Json::from);
    json!({ "type": "integer", "minimum": bound(least), "maximum": bound(most) })
}

fn or_placeholder(schema: Json) -> Json {
    json!({ "anyOf": [schema, placeholder()] })
}

fn placeholder() -> Json {
    json!({ "$ref": format!("#/$defs/{PLACEHOLDER}") })
}

/// An export, with the keys that its mode needs.
fn export(keys: &'static [Key]) -> Json {
    let mut export = object(keys);
    export.insert("required".to_owned(), json!(["name", "format", "destination"]));
    export.insert("oneOf".to_owned(), json!([{ "required": ["query"] }, { "required": ["query_file"] }]));
    let needs = |(mode, needed): &(&str, &[&str])| {
        let is_mode = json!({ "properties": { "mode": { "const": mode } }, "required": ["mode"] });
        json!({ "if": is_mode, "then": { "required": needed } })
    };
    export.insert("allOf".to_owned(), NEEDED.iter().map(needs).collect());
    if let Some(Json::Object(mode)) = export.get_mut("properties").and_then(|p| p.get_mut("mode")) {
        mode.insert("default".to_owned(), MODES[0].into());
    }
    if let Some(Json::Object(name)) = export.get_mut("properties").and_then(|p| p.get_mut("name")) {
        name.insert("pattern".to_owned(), "^([A-Za-z0-9_.-]{1,100}|.*\\$\\{.*)$".into());
    }
    Json::Object(export)
}

/// A map whose `type` decides which keys it has.
fn connectors(kind: &str, own: &'static [Key], specs: &[(&Spec, &Json)], defs: &mut Map<String, Json>) -> Json {
    let mut cases = Vec::new();
    for (spec, options) in specs {
        let name = format!("{kind}.{}", spec.name);
        let is_this = json!({ "properties": { "type": { "const": spec.name } }, "required": ["type"] });
        cases.push(json!({ "if": is_this, "then": { "$ref": format!("#/$defs/{name}") } }));
        defs.insert(name.clone(), connector(&name, spec, own, options));
    }
    let names: Vec<Json> =
        specs.iter().map(|(spec, _)| json!({ "const": spec.name, "description": spec.description })).collect();
    let kind = if names.is_empty() { json!({ "type": "string" }) } else { or_placeholder(json!({ "oneOf": names })) };
    json!({ "type": "object", "required": ["type"], "properties": { "type": kind }, "allOf": cases })
}

/// The options of one connector, as users write them: also by variable and by file.
fn connector(name: &str, spec: &Spec, own: &'static [Key], options: &Json) -> Json {
    let empty = Map::new();
    let shape = Shape::of(options, options);
    let declared = shape.objects.first().copied().unwrap_or(&empty);
    let mut whole = widened(declared, options);
    whole.insert("description".to_owned(), spec.description.as_str().into());
    let conditions = conditions(declared);
    if !conditions.is_empty() {
        let rules = whole.entry("allOf").or_insert_with(|| json!([]));
        rules.as_array_mut().into_iter().for_each(|rules| rules.extend(conditions.iter().cloned()));
    }
    let parts = options.get("$defs").and_then(Json::as_object).unwrap_or(&empty);
    let part = |(key, part): (&String, &Json)| match part.as_object().filter(|object| properties(object).is_some()) {
        Some(object) => (key.clone(), Json::Object(widened(object, options))),
        None => (key.clone(), part.clone()),
    };
    whole.insert("$defs".to_owned(), Json::Object(parts.iter().map(part).collect()));
    let mut whole = Json::Object(whole);
    rebase(&mut whole, &format!("#/$defs/{name}"), parts);
    if let Some(Json::Object(properties)) = whole.get_mut("properties") {
        properties.extend(own.iter().map(|key| (key.name.to_owned(), property(key))));
    }
    whole
}

/// What must be given: the required options, and where a server is either by a URL or by its fields.
fn conditions(declared: &Map<String, Json>) -> Vec<Json> {
    let known = |key: &str| properties(declared).is_some_and(|p| p.contains_key(key));
    let has_styles = known("url") && known("host");
    let required = declared.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
    let required = required.filter(|key| !(has_styles && (FIELDS.contains(key) || *key == "url")));
    let mut conditions: Vec<Json> = required.map(|key| json!({ "anyOf": ways(key) })).collect();
    if has_styles {
        let fields: Vec<&str> = FIELDS.into_iter().filter(|key| known(key)).collect();
        let styles: Vec<Json> = ways("url").into_iter().chain([json!({ "required": fields })]).collect();
        conditions.push(json!({ "oneOf": styles }));
    }
    conditions
}

/// The ways to give an option.
fn ways(key: &str) -> Vec<Json> {
    ["", "_env", "_file"].iter().map(|suffix| json!({ "required": [format!("{key}{suffix}")] })).collect()
}

/// The object with its options by variable and by file, of which each may be given once, and with placeholders where a
/// value is no text.
fn widened(object: &Map<String, Json>, root: &Json) -> Map<String, Json> {
    let empty = Map::new();
    let known = properties(object).unwrap_or(&empty);
    let (mut all, mut once) = (Map::new(), Vec::new());
    for (name, schema) in known {
        let shape = Shape::of(schema, root);
        let is_scalar = shape.objects.is_empty() && shape.items.is_none();
        let text = shape.is_open() || shape.takes("string") || !is_scalar;
        all.insert(name.clone(), if text { schema.clone() } else { with_placeholder(schema) });
        let others = [("_env", "The environment variable"), ("_file", "The file")];
        for (suffix, what) in others.into_iter().filter(|_| is_scalar) {
            let key = format!("{name}{suffix}");
            if known.contains_key(&key) {
                continue;
            }
            once.push(json!({ "not": { "required": [name, key] } }));
            all.insert(
                key,
                json!({ "type": "string", "pattern": "\\S", "description": format!("{what} that holds `{name}`.") }),
            );
        }
    }
    let mut widened = object.clone();
    for key in ["$defs", "$schema", "title", "required"] {
        widened.remove(key);
    }
    widened.entry("additionalProperties").or_insert(Json::Bool(false));
    widened.insert("properties".to_owned(), Json::Object(all));
    if !once.is_empty() {
        widened.insert("allOf".to_owned(), Json::Array(once));
    }
    widened
}

/// As [`or_placeholder`], with the description where editors look for it.
fn with_placeholder(schema: &Json) -> Json {
    let mut whole = or_placeholder(schema.clone());
    for key in ["description", "default"] {
        if let (Some(value), Some(map)) = (schema.get(key), whole.as_object_mut()) {
            map.insert(key.to_owned(), value.clone());
        }
    }
    whole
}

/// Lets references to `parts` begin at `place`, where the parts have moved to.
fn rebase(schema: &mut Json, place: &str, parts: &Map<String, Json>) {
    match schema {
        Json::Object(map) => {
            let part = map.get("$ref").and_then(Json::as_str).and_then(|r| r.strip_prefix("#/$defs/"));
            if let Some(part) = part.filter(|part| parts.contains_key(*part)).map(str::to_owned) {
                map.insert("$ref".to_owned(), format!("{place}/$defs/{part}").into());
            }
            map.values_mut().for_each(|value| rebase(value, place, parts));
        }
        Json::Array(items) => items.iter_mut().for_each(|item| rebase(item, place, parts)),
        _ => {}
    }
}
