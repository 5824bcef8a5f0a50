//! A command for one export does not need what only the others lack: each may be run with parameters of its own.

use std::path::Path;

use super::expand::{Variables, expand};
use super::file;
use super::node::{Node, Scalar, Span, Value};

/// Empties the exports that were not chosen and lack a value or their query's file, and says where they stand.
///
/// When no export has the name, nothing is left out: the command fails anyway, and then says what there is.
pub(super) fn leave_out_others(root: &mut Node, chosen: &str, dir: &Path, variables: Variables<'_>) -> Vec<Span> {
    let Some(exports) = exports(root) else { return Vec::new() };
    let is_chosen = |export: &Node| {
        let name = scalar(export, "name").map(|name| expand(&name.text, variables).text);
        name.is_some_and(|name| name == chosen)
    };
    if !exports.iter().any(is_chosen) {
        return Vec::new();
    }
    let others = exports.iter_mut().filter(|export| !is_chosen(export));
    let lacking = others.filter(|export| lacks(export, variables) || lacks_query(export, dir, variables));
    let leave_out = |export: &mut Node| {
        export.value = Value::Map(Vec::new());
        export.span
    };
    lacking.map(leave_out).collect()
}

fn exports(root: &mut Node) -> Option<&mut Vec<Node>> {
    let Value::Map(entries) = &mut root.value else { return None };
    match &mut entries.iter_mut().find(|entry| entry.key == "exports")?.value.value {
        Value::List(exports) => Some(exports),
        _ => None,
    }
}

fn scalar<'a>(export: &'a Node, key: &str) -> Option<&'a Scalar> {
    let Value::Map(entries) = &export.value else { return None };
    match &entries.iter().find(|entry| entry.key == key)?.value.value {
        Value::Scalar(scalar) => Some(scalar),
        _ => None,
    }
}

/// Whether a placeholder in it has no value.
fn lacks(node: &Node, variables: Variables<'_>) -> bool {
    match &node.value {
        Value::Scalar(scalar) => !expand(&scalar.text, variables).missing.is_empty(),
        Value::List(items) => items.iter().any(|item| lacks(item, variables)),
        Value::Map(entries) => entries.iter().any(|entry| lacks(&entry.value, variables)),
    }
}

/// Whether its query's file is missing, or a placeholder in that has no value. What else is wrong with the file is an
/// error for every command.
fn lacks_query(export: &Node, dir: &Path, variables: Variables<'_>) -> bool {
    let Some(path) = scalar(export, "query_file") else { return false };
    let path = dir.join(expand(&path.text, variables).text);
    if !path.exists() {
        return true;
    }
    let Ok(bytes) = file::read(&path, "the query") else { return false };
    file::decode(&bytes, "the query").is_ok_and(|text| !expand(text, variables).missing.is_empty())
}
