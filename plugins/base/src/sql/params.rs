//! `:name` in a query, replaced by the values that were declared for it. They become literals, because not every
//! statement can bind values, and every statement made of a query must see the same text.

use std::borrow::Cow;
use std::collections::BTreeSet;

use rivet_plugin_api::{Error, ParamValue, Params, Result};

use super::{Dialect, Kind, Token, Tokens};

/// Digits of a decimal in MySQL and MariaDB, and those of them behind the point.
const MYSQL_DIGITS: (usize, usize) = (65, 30);

/// `query` with a literal in place of each `:name` that `params` declares. `text` writes a string literal that no value
/// can end early, whatever stands before it.
///
/// A `:` that is glued to a word, a string or a bracket before it is no parameter, nor is one of `::`: `a[lo:hi]` and
/// `x::date` stay what they are, as does a `:name` that is not declared.
///
/// Errors: a declared name that the query does not use, a value that the database does not have, or a quote or comment
/// that does not end.
pub fn bind<'q>(
    query: &'q str,
    params: &Params,
    dialect: Dialect,
    text: impl Fn(&str) -> Result<String>,
) -> Result<Cow<'q, str>> {
    if params.is_empty() {
        return Ok(Cow::Borrowed(query));
    }
    let (mut bound, mut copied) = (String::with_capacity(query.len()), 0);
    for Place { at, end, text } in places(query, params, dialect, text)? {
        bound.extend([&query[copied..at], &text]);
        copied = end;
    }
    bound.push_str(&query[copied..]);
    Ok(Cow::Owned(bound))
}

/// Where byte `at` of what [`bind`] made of the same arguments stands in `query`. All of a value stands where its
/// parameter begins.
///
/// # Errors
/// As for [`bind`].
pub fn unbind(
    query: &str,
    params: &Params,
    dialect: Dialect,
    text: impl Fn(&str) -> Result<String>,
    at: usize,
) -> Result<usize> {
    // What lies before is as long in both texts, but for the values.
    let (mut written, mut bound) = (0, 0);
    for place in places(query, params, dialect, text)? {
        let begin = bound + place.at - written;
        if at < begin {
            break;
        }
        if at < begin + place.text.len() {
            return Ok(place.at);
        }
        (written, bound) = (place.end, begin + place.text.len());
    }
    Ok(written + at - bound)
}

/// A parameter from its `:` to its end, and what stands there instead.
struct Place {
    at: usize,
    end: usize,
    text: String,
}

fn places(query: &str, params: &Params, dialect: Dialect, text: impl Fn(&str) -> Result<String>) -> Result<Vec<Place>> {
    let tokens = Tokens::new(query, dialect).collect::<Result<Vec<_>>>()?;
    let (mut places, mut used, mut unknown) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for (at, name) in names(&tokens) {
        let Some(value) = params.get(name) else {
            unknown.insert(name);
            continue;
        };
        let literal = literal(value, dialect, &text)
            .map_err(|e| e.context(format!("could not write the value of parameter \"{name}\" into the query")))?;
        // The blanks keep it apart from the words and strings around it.
        places.push(Place { at, end: at + 1 + name.len(), text: format!(" {literal} ") });
        used.insert(name);
    }
    match params.keys().find(|name| !used.contains(name.as_str())) {
        Some(unused) => Err(not_used(unused, &unknown)),
        None => Ok(places),
    }
}

/// Where a `:` begins a parameter, and the name behind it.
fn names<'a>(tokens: &[Token<'a>]) -> impl Iterator<Item = (usize, &'a str)> {
    tokens.windows(2).enumerate().filter_map(|(index, pair)| {
        let [colon, word] = pair else { return None };
        let before = index.checked_sub(1).and_then(|index| tokens.get(index)).filter(|b| b.end() == colon.at);
        let is_glued = before.is_some_and(|b| b.kind != Kind::Symbol || matches!(b.text, ":" | ")" | "]"));
        let is_name = word.kind == Kind::Word && !word.text.starts_with(|c: char| c.is_ascii_digit());
        (colon.text == ":" && colon.end() == word.at && is_name && !is_glued).then_some((colon.at, word.text))
    })
}

fn not_used(name: &str, unknown: &BTreeSet<&str>) -> Error {
    let hint = if unknown.is_empty() {
        format!("write :{name} in the query, outside of quotes and comments, or remove it from `params`")
    } else {
        let unknown: Vec<_> = unknown.iter().map(|name| format!("\":{name}\"")).collect();
        format!("the query has {}, which `params` does not declare", unknown.join(", "))
    };
    Error::config(format!("the query does not use parameter \"{name}\"")).hint(hint)
}

fn literal(value: &ParamValue, dialect: Dialect, text: impl Fn(&str) -> Result<String>) -> Result<String> {
    match value {
        ParamValue::Null => Ok("NULL".to_owned()),
        ParamValue::Bool(true) => Ok("TRUE".to_owned()),
        ParamValue::Bool(false) => Ok("FALSE".to_owned()),
        // Its digits alone are one too many for a 64-bit integer, so that it would be one of another type.
        ParamValue::Int(i64::MIN) => Ok(format!("({} - 1)", i64::MIN + 1)),
        ParamValue::Int(number) => Ok(signed(number.to_string())),
        ParamValue::Number(number) => number_literal(number, dialect),
        ParamValue::Text(value) => text(value),
        _ => Err(Error::unsupported("this kind of parameter is newer than the connector").hint("update the connector")),
    }
}

/// A sign could join an operator before it to a comment, or bind less than one behind it.
fn signed(number: String) -> String {
    if number.starts_with('-') { format!("({number})") } else { number }
}

/// A number as it was written, if that is what the server would make of it.
fn number_literal(number: &str, dialect: Dialect) -> Result<String> {
    let Some((whole, fraction, has_exponent)) = parts(number) else {
        return Err(Error::config("the number is not one that SQL can write")
            .hint("write digits, with a point and an exponent where it needs them"));
    };
    let is_exact = match dialect {
        Dialect::Postgres => true,
        Dialect::Mysql(_) if !has_exponent => {
            whole.len() + fraction.len() <= MYSQL_DIGITS.0 && fraction.len() <= MYSQL_DIGITS.1
        }
        Dialect::Mysql(_) | Dialect::Sqlite => is_double(number),
    };
    if is_exact {
        return Ok(signed(number.to_owned()));
    }
    Err(Error::data("the database would round a number with so many digits")
        .hint("put it into quotes, which make text of it, and say in the query what to do with that"))
}

/// The digits before and behind the point, and whether there is an exponent; `None` for what is no number.
fn parts(number: &str) -> Option<(&str, &str, bool)> {
    let is_digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (number, None),
    };
    let mantissa = mantissa.strip_prefix('-').unwrap_or(mantissa);
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
    let is_number = is_digits(whole) && fraction.is_none_or(is_digits) && exponent.is_none_or(is_digits);
    is_number.then_some((whole, fraction.unwrap_or_default(), exponent.is_some()))
}

/// Whether a double of the same digits prints as this number.
fn is_double(number: &str) -> bool {
    let digits = |number: &str| {
        let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
        let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        digits.trim_matches('0').to_owned()
    };
    // The shortest digits that read back as the same double.
    number.parse::<f64>().is_ok_and(|double| double.is_finite() && digits(&format!("{double:e}")) == digits(number))
}

#[cfg(test)]
mod tests;
