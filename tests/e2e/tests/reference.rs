//! The page of every key of the configuration is printed from the schema that the binary prints for editors.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fmt::Write as _;
use std::fs;

use rivet_e2e::{Sandbox, workspace};
use serde_json::{Map, Value};

const HEAD: &str = "# Configuration

Every key of `rivet.yaml`. This page is printed from `rivet schema config`, which is also what editors check by
([A first configuration](../guides/init.md)). Keys that are not here are refused.

* Strings take `${NAME}` and `${NAME:-default}` ([Parameters](../guides/parameters.md)).
* Every option of a connector can come from elsewhere: `<option>_env` names an environment variable that holds it,
  `<option>_file` a file. One of the three may be given.
* Paths are relative to the directory that the command is started in; `query_file` to the configuration's.
";

/// The objects below a schema, with the path that leads to each.
struct Printer<'a> {
    definitions: &'a Map<String, Value>,
    page: String,
}

impl Printer<'_> {
    fn object(&mut self, title: &str, schema: &Value) {
        let properties = schema["properties"].as_object().unwrap();
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        write!(self.page, "\n## {title}\n\n| key | value | meaning |\n|---|---|---|\n").unwrap();
        let mut inner = Vec::new();
        for (key, value) in properties.iter().filter(|(key, _)| !is_elsewhere(key, properties)) {
            let needed = if required.contains(&key.as_str()) { " (required)" } else { "" };
            let meaning = value["description"].as_str().unwrap_or_default();
            let meaning = meaning.replace('|', "\\|").replace('\n', " ");
            writeln!(self.page, "| `{key}`{needed} | {} | {meaning} |", self.kind(value)).unwrap();
            // What stands at the top level as well is shown there alone.
            let ways = value["anyOf"].as_array().filter(|_| title == "The file").into_iter().flatten();
            let mut items = [value, &value["items"]].into_iter().chain(ways);
            let item = items.find(|item| item["properties"].is_object()).unwrap_or(value);
            if item["properties"].is_object() && key != "source" && key != "destination" {
                inner.push((key.clone(), item.clone()));
            }
        }
        for (key, item) in inner {
            let title = if title == "The file" { format!("`{key}`") } else { format!("{title} › `{key}`") };
            self.object(&title, &item);
        }
    }

    /// What a value may be, in a word or two.
    fn kind(&self, value: &Value) -> String {
        if let Some(name) = value["$ref"].as_str() {
            let known = name.strip_prefix("#/$defs/").and_then(|name| self.definitions.get(name));
            return known.map_or_else(|| "map".to_owned(), |definition| self.kind(definition));
        }
        if let Some(choices) = value["enum"].as_array() {
            let choices: Vec<_> = choices.iter().filter_map(Value::as_str).map(|c| format!("`{c}`")).collect();
            return choices.join(", ");
        }
        for several in ["anyOf", "oneOf"] {
            if let Some(alternatives) = value[several].as_array() {
                let real = |v: &&Value| v["$ref"] != "#/$defs/rivet.placeholder" && v["type"] != "null";
                let mut kinds: Vec<_> = alternatives.iter().filter(real).map(|v| self.kind(v)).collect();
                kinds.dedup();
                return kinds.join(" or ");
            }
        }
        let choice = value["const"].as_str().map(|word| format!("`{word}`"));
        let range = |low: &str| match (value["minimum"].as_u64(), value["maximum"].as_u64()) {
            (Some(least), Some(most)) if most < u64::from(u32::MAX) => format!("{low}, {least} to {most}"),
            (Some(least), _) if least > 0 => format!("{low} from {least} on"),
            _ => low.to_owned(),
        };
        let types = value["type"].as_array().and_then(|types| types.first()).unwrap_or(&value["type"]);
        choice.unwrap_or_else(|| match types.as_str() {
            Some("integer") => range("integer"),
            Some("number") => "number".to_owned(),
            Some("boolean") => "`true` or `false`".to_owned(),
            Some("array") => "list".to_owned(),
            Some("object") | None => "map".to_owned(),
            Some(other) => other.to_owned(),
        })
    }
}

/// Whether a key only says where the value of another one is.
fn is_elsewhere(key: &str, properties: &Map<String, Value>) -> bool {
    ["_env", "_file"].iter().any(|end| {
        let from = properties[key]["description"].as_str().unwrap_or_default();
        key.strip_suffix(end).is_some_and(|base| properties.contains_key(base)) && from.contains("that holds `")
    })
}

fn print(schema: &Value) -> String {
    let definitions = schema["$defs"].as_object().unwrap();
    let mut printer = Printer { definitions, page: HEAD.to_owned() };
    printer.object("The file", schema);
    for (name, definition) in definitions {
        // The connector of the tests is nobody's business.
        let is_shown = |connector: &str| connector != "fault" && definition["properties"].is_object();
        let Some((kind, connector)) = name.split_once('.').filter(|(_, connector)| is_shown(connector)) else {
            continue;
        };
        let mut definition = definition.clone();
        // The tuning and the mapping of types are the same everywhere.
        let shared = ["tuning", "types", "columns"];
        if kind == "source" && connector != "postgres" {
            definition["properties"].as_object_mut().unwrap().retain(|key, _| !shared.contains(&key.as_str()));
        }
        printer.object(&format!("`{kind}` of type `{connector}`"), &definition);
    }
    printer.page
}

#[test]
fn the_page_of_keys_is_what_the_schema_says() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.rivet(&["schema", "config"]);
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let printed = print(&serde_json::from_str(&outcome.stdout).unwrap());
    let page = workspace().join("docs/src/reference/configuration.md");
    if std::env::var_os("RIVET_UPDATE_GOLDENS").is_some() {
        fs::write(&page, &printed).unwrap();
    }
    let found = fs::read_to_string(&page).unwrap_or_default();
    assert!(found == printed, "docs/src/reference/configuration.md is not what is printed: RIVET_UPDATE_GOLDENS=1");
}
