//! The part of JSON Schema that option types produce, seen from one property: which types and values it takes.

use serde_json::{Map, Value as Json};

/// References and alternatives inside each other; schemas that go deeper are not read further.
const MAX_NESTING: usize = 16;

/// A schema with references and alternatives resolved.
#[derive(Default)]
pub(super) struct Shape<'s> {
    /// The names of JSON types it takes; empty when it says nothing.
    pub(super) types: Vec<&'s str>,
    /// The only values it takes, when it lists them.
    pub(super) choices: Vec<&'s Json>,
    /// Schemas of objects among the alternatives.
    pub(super) objects: Vec<&'s Map<String, Json>>,
    /// The schema of a list's items.
    pub(super) items: Option<&'s Json>,
    pub(super) minimum: Option<i128>,
    pub(super) maximum: Option<i128>,
    /// The value is a secret: `"writeOnly": true`.
    pub(super) secret: bool,
}

impl<'s> Shape<'s> {
    /// The shape of `schema`, a part of `root`.
    pub(super) fn of(schema: &'s Json, root: &'s Json) -> Self {
        let mut shape = Self::default();
        shape.add(schema, root, MAX_NESTING);
        shape
    }

    fn add(&mut self, schema: &'s Json, root: &'s Json, nesting: usize) {
        let (Json::Object(map), Some(nesting)) = (schema, nesting.checked_sub(1)) else { return };
        self.secret |= map.get("writeOnly") == Some(&Json::Bool(true));
        let target = map.get("$ref").and_then(Json::as_str).and_then(|r| root.pointer(r.strip_prefix('#')?));
        let alternatives = ["anyOf", "oneOf", "allOf"].iter().filter_map(|key| map.get(*key)?.as_array()).flatten();
        for part in target.into_iter().chain(alternatives) {
            self.add(part, root, nesting);
        }
        let choices =
            map.get("const").into_iter().chain(map.get("enum").and_then(Json::as_array).into_iter().flatten());
        let before = self.choices.len();
        self.choices.extend(choices.filter(|c| !c.is_null()));
        let has_choices = self.choices.len() > before;
        let types: Vec<&str> = match map.get("type") {
            Some(Json::String(one)) => vec![one],
            Some(Json::Array(several)) => several.iter().filter_map(Json::as_str).collect(),
            _ => Vec::new(),
        };
        // A listed value says more than its type.
        self.types.extend(types.iter().filter(|t| **t != "null" && !has_choices));
        if map.contains_key("properties") || types.contains(&"object") {
            self.objects.push(map);
        }
        self.items = self.items.or(map.get("items"));
        let bound = |key| map.get(key).and_then(Json::as_f64).map(|n| n as i128);
        self.minimum = self.minimum.or(bound("minimum"));
        self.maximum = self.maximum.or(bound("maximum"));
    }

    /// Whether it takes values of JSON type `name`.
    pub(super) fn takes(&self, name: &str) -> bool {
        self.types.contains(&name)
    }

    /// Whether it says nothing that could be checked.
    pub(super) fn is_open(&self) -> bool {
        self.types.is_empty() && self.choices.is_empty() && self.objects.is_empty()
    }
}

/// The properties of an object's schema.
pub(super) fn properties(object: &Map<String, Json>) -> Option<&Map<String, Json>> {
    object.get("properties").and_then(Json::as_object)
}
