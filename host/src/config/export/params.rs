//! Reads `params`: the values that the query names.

use rivet_plugin_api::{ParamValue, Params};

use crate::config::node::{Core, Node, Scalar, Value, shorten};
use crate::config::section::Section;

pub(super) fn params(section: &Section<'_>) -> Params {
    let params = section.map("params", |node| value(section, node));
    if let Some(wrong) = params.keys().find(|name| !is_name(name)) {
        let message = format!("`params` in {} has \"{}\", which is not a name", section.label, shorten(wrong));
        let hint = "a name is made of letters, digits and \"_\", and does not begin with a digit";
        section.problem(section.place("params"), message, hint);
    }
    params
}

/// Whether the query can hold `:name`.
fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn value(section: &Section<'_>, node: &Node) -> Option<ParamValue> {
    let value = match &node.value {
        Value::Scalar(scalar) => typed(scalar),
        _ => None,
    };
    if value.is_none() {
        let hint = "put it into quotes, and say in the query what becomes of the text".to_owned();
        let is_scalar = matches!(node.value, Value::Scalar(_));
        section.wrong("params", node, "text, a finite number, true, false or null", is_scalar.then_some(hint));
    }
    value
}

/// Typed by YAML, which a placeholder without quotes is by its value. Numbers keep the digits that are written.
fn typed(scalar: &Scalar) -> Option<ParamValue> {
    match scalar.core() {
        Core::Null => Some(ParamValue::Null),
        Core::Bool(value) => Some(ParamValue::Bool(value)),
        Core::Text(text) => Some(ParamValue::Text(text.to_owned())),
        Core::Int(saturated) => {
            let value = i64::try_from(saturated).map(ParamValue::Int).ok();
            value.or_else(|| number(&scalar.text).map(ParamValue::Number))
        }
        Core::Float(_) => number(&scalar.text).map(ParamValue::Number),
    }
}

/// A decimal number with a digit on both sides of its point. YAML also takes `.5`, `5.` and a plus.
fn number(text: &str) -> Option<String> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let (sign, text) = text.strip_prefix('-').map_or(("", text), |text| ("-", text));
    let (mantissa, exponent) = text.split_at(text.find(['e', 'E']).unwrap_or(text.len()));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if fraction.is_empty() { "" } else { "." };
    Some([sign, whole, point, fraction, exponent].concat())
}
