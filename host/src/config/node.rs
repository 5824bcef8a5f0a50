//! The configuration as a tree that remembers where everything was written.
//!
//! Scalars stay text until somebody asks for a type, so that an expanded `${NAME}` is typed by its value.

/// A place in the configuration file. Lines and columns count characters from 1.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Span {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
    /// How many characters to underline, at least 1.
    pub length: usize,
}

/// A value and its place. No `Debug`: it may hold a secret.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) value: Value,
}

#[derive(Clone)]
pub(super) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a map with its value.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Span,
    pub(super) value: Node,
}

#[derive(Clone)]
pub(super) struct Scalar {
    pub(super) text: String,
    /// Written without quotes, and therefore typed by the YAML core schema.
    pub(super) plain: bool,
    /// What to show instead of `text` when the value came from outside the file and may be a secret.
    pub(super) origin: Option<String>,
}

/// What a scalar is by the core schema of YAML 1.2.
pub(super) enum Core<'a> {
    Null,
    Bool(bool),
    /// Saturates: no range of the configuration reaches that far.
    Int(i128),
    Float(f64),
    Text(&'a str),
}

impl Node {
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(s) if matches!(s.core(), Core::Null))
    }

    /// What the node is, for a message. The value is quoted only when it stands in the file and `secret` is not set.
    pub(super) fn describe(&self, secret: bool) -> String {
        let scalar = match &self.value {
            Value::List(_) => return "a list".to_owned(),
            Value::Map(_) => return "a map".to_owned(),
            Value::Scalar(scalar) => scalar,
        };
        let (article, kind) = match scalar.core() {
            Core::Null => return "nothing".to_owned(),
            Core::Bool(_) => ("a", "boolean"),
            Core::Int(_) => ("an", "integer"),
            Core::Float(_) => ("a", "number"),
            Core::Text(_) => ("a", "text"),
        };
        match &scalar.origin {
            _ if secret => format!("{article} {kind}"),
            Some(origin) => format!("the {kind} from {origin}"),
            None => format!("the {kind} \"{}\"", shorten(&scalar.text)),
        }
    }
}

impl Scalar {
    /// The type by the core schema. Decimal digits after a leading zero are text: readers disagree on their base.
    pub(super) fn core(&self) -> Core<'_> {
        if !self.plain {
            return Core::Text(&self.text);
        }
        match self.text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Core::Null,
            "true" | "True" | "TRUE" => Core::Bool(true),
            "false" | "False" | "FALSE" => Core::Bool(false),
            ".nan" | ".NaN" | ".NAN" => Core::Float(f64::NAN),
            ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Core::Float(f64::INFINITY),
            "-.inf" | "-.Inf" | "-.INF" => Core::Float(f64::NEG_INFINITY),
            text => integer(text).map(Core::Int).or_else(|| float(text).map(Core::Float)).unwrap_or(Core::Text(text)),
        }
    }

    /// The text where text is wanted. Numbers and booleans are the text that they are written as: `2024`, `1.10`, `0x1F`.
    pub(super) fn as_text(&self) -> Option<&str> {
        let is_nothing = matches!(self.core(), Core::Null) && self.origin.is_none();
        (!is_nothing).then_some(&*self.text)
    }
}

fn integer(text: &str) -> Option<i128> {
    let radix = |digits: &str, radix| {
        let fits = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
        fits.then(|| i128::from_str_radix(digits, radix).unwrap_or(i128::MAX))
    };
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if has_leading_zero(digits) {
        return None;
    }
    let magnitude = radix(digits, 10)?;
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
}

fn float(text: &str) -> Option<f64> {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let numeric = body.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && body.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    if numeric && !has_leading_zero(body) { text.parse().ok() } else { None }
}

fn has_leading_zero(digits: &str) -> bool {
    digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit())
}

/// At most 60 characters, on one line, without passwords of URLs or anything that a terminal would act on.
pub(super) fn shorten(text: &str) -> String {
    let text = super::mask::userinfo_masked(text);
    let mut short: String =
        text.chars().take(60).map(|c| if super::diagnostic::is_printable(c) { c } else { ' ' }).collect();
    if text.chars().nth(60).is_some() {
        short.push('…');
    }
    short
}
