//! Values that a query names instead of holding them: data, which the connector writes in its dialect.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The values of a query, by name: `:since` in the text means the one called `since`. Names are made of ASCII letters,
/// digits and `_`, and do not begin with a digit. A `:name` that is not here belongs to the server.
pub type Params = BTreeMap<String, ParamValue>;

/// A value for a query. No value may change what the query does with it.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", content = "v", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ParamValue {
    /// NULL.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// Any other finite number, exactly as it was written: `-`, digits, `.` and digits, `e` and a signed exponent, of
    /// which only the digits have to be there.
    Number(String),
    /// Text, in which every character may occur.
    Text(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_every_value() {
        let values = [
            ParamValue::Null,
            ParamValue::Bool(true),
            ParamValue::Int(i64::MIN),
            ParamValue::Number("-0.10000000000000000000001".into()),
            ParamValue::Text("o'\"\\\0:x".into()),
        ];
        for value in values {
            assert_eq!(serde_json::from_str::<ParamValue>(&serde_json::to_string(&value).unwrap()).unwrap(), value);
        }
    }
}
