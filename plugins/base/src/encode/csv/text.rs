//! The texts of single values, appended to a buffer without allocating.

use std::io::Write;

use rivet_plugin_api::civil_from_days;

/// Puts the cell that begins at `start` into quotes when a reader could not take it as it is: a separator, a quote or
/// a line end inside; the empty string, which would be NULL; and `\.`, which `COPY` takes for the end of data.
pub(super) fn quote_if_needed(out: &mut Vec<u8>, start: usize) {
    let cell = &out[start..];
    if cell.is_empty() || cell == b"\\." || has_special(cell) {
        enclose(out, start, |byte| (byte == b'"').then_some(b'"'));
    }
}

/// Blocks without early exit inside, so that they are compared several bytes at a time.
fn has_special(cell: &[u8]) -> bool {
    cell.chunks(32)
        .any(|block| block.iter().fold(false, |found, byte| found | matches!(byte, b',' | b'"' | b'\n' | b'\r')))
}

/// Quotes an array element in PostgreSQL's way, when its array syntax needs it.
pub(super) fn quote_element(out: &mut Vec<u8>, start: usize) {
    let element = &out[start..];
    let special = |b: &u8| matches!(b, b'{' | b'}' | b',' | b'"' | b'\\') || b.is_ascii_whitespace() || *b == 0x0b;
    if element.is_empty() || element.eq_ignore_ascii_case(b"null") || element.iter().any(special) {
        enclose(out, start, |byte| matches!(byte, b'"' | b'\\').then_some(b'\\'));
    }
}

/// Puts quotes around the text from `start` on, and what `escape` says before the bytes it names. Works from the end
/// within the buffer.
fn enclose(out: &mut Vec<u8>, start: usize, escape: impl Fn(u8) -> Option<u8>) {
    let escapes = out[start..].iter().filter(|b| escape(**b).is_some()).count();
    let mut from = out.len();
    let mut to = from + escapes + 2;
    out.resize(to, b'"');
    to -= 1;
    while from > start {
        from -= 1;
        to -= 1;
        let byte = out[from];
        out[to] = byte;
        if let Some(mark) = escape(byte) {
            to -= 1;
            out[to] = mark;
        }
    }
    out[start] = b'"';
}

/// The shortest decimal that reads back as the same number, without exponent; `NaN`, `inf` and `-inf`.
pub(super) fn float(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    // A Vec takes every write.
    let _ = write!(out, "{value}");
}

pub(super) fn integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Plain notation of an unscaled decimal number: `-12345` with scale 2 is `-123.45`, with scale -2 `-1234500`.
pub(super) fn decimal(out: &mut Vec<u8>, unscaled: &str, scale: i8) {
    let (sign, digits) = unscaled.strip_prefix('-').map_or(("", unscaled), |digits| ("-", digits));
    out.extend_from_slice(sign.as_bytes());
    let Ok(scale) = usize::try_from(scale) else {
        out.extend_from_slice(digits.as_bytes());
        if digits != "0" {
            out.resize(out.len() + usize::from(scale.unsigned_abs()), b'0');
        }
        return;
    };
    if digits.len() > scale {
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        out.extend_from_slice(whole.as_bytes());
        if scale > 0 {
            out.push(b'.');
            out.extend_from_slice(fraction.as_bytes());
        }
    } else {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + scale - digits.len(), b'0');
        out.extend_from_slice(digits.as_bytes());
    }
}

pub(super) fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend(bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]));
}

/// `YYYY-MM-DD` in the proleptic Gregorian calendar; years beyond 9999 take more digits, those before 0 a sign.
pub(super) fn date(out: &mut Vec<u8>, days: i64) {
    let (year, month, day) = civil_from_days(days);
    if (0..=9999).contains(&year) {
        two(out, year as u64 / 100);
        two(out, year as u64 % 100);
    } else {
        let sign = if year < 0 { "-" } else { "" };
        let _ = write!(out, "{sign}{:04}", year.unsigned_abs());
    }
    out.push(b'-');
    two(out, month.into());
    out.push(b'-');
    two(out, day.into());
}

/// `HH:MM:SS` and the fraction; hours take as many digits as they need, and at least two.
pub(super) fn time(out: &mut Vec<u8>, seconds: u64, fraction: Fraction) {
    let hours = seconds / 3600;
    if hours < 100 {
        two(out, hours);
    } else {
        integer(out, hours);
    }
    out.push(b':');
    two(out, seconds / 60 % 60);
    out.push(b':');
    two(out, seconds % 60);
    fraction.append(out);
}

fn two(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&[b'0' + (value / 10 % 10) as u8, b'0' + (value % 10) as u8]);
}

/// A fraction of a second with a fixed number of digits.
#[derive(Clone, Copy)]
pub(super) struct Fraction {
    pub(super) value: u64,
    pub(super) digits: usize,
}

impl Fraction {
    fn append(self, out: &mut Vec<u8>) {
        let mut text = *b".000000000";
        let mut rest = self.value;
        for digit in text[1..=self.digits].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        out.extend_from_slice(&text[..=self.digits]);
    }
}
