//! The size of a decimal: as the user writes it, or as the column's type modifier has it.

use rivet_plugin_api::{Error, Result};

/// Precision and scale of `decimal(p,s)`, or of `decimal` for a column with its own.
pub(super) fn decimal_size(wish: &str, modifier: i32) -> Result<(u8, i8)> {
    let hint =
        "write \"decimal(precision,scale)\", precision at most 76 and scale from 0 to the precision, or \"text\"";
    let wrong = |what: &str| Error::config(what.to_owned()).hint(hint);
    let (precision, scale) = match wish["decimal".len()..].trim() {
        "" => numeric_modifier(modifier).ok_or_else(|| wrong("the column has no precision of its own"))?,
        size => {
            let inner = size.strip_prefix('(').and_then(|s| s.strip_suffix(')'));
            let (p, s) = inner.and_then(|s| s.split_once(',')).ok_or_else(|| wrong("the decimal has no size"))?;
            let number = |text: &str| text.trim().parse::<i32>().map_err(|_| wrong("the decimal's size is no number"));
            (number(p)?, number(s)?)
        }
    };
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(p @ 1..=76), Ok(s @ 0..)) if i32::from(s) <= precision => Ok((p, s)),
        _ => Err(wrong("the decimal's size is out of range")),
    }
}

/// Precision and scale of `numeric(p,s)`, as a decimal with a scale from 0 to the precision. PostgreSQL also has scales
/// below 0, which round to tens, and above the precision.
fn numeric_modifier(modifier: i32) -> Option<(i32, i32)> {
    let packed = modifier.checked_sub(4).filter(|m| *m >= 0)?;
    let precision = packed >> 16;
    // Eleven bits with sign.
    let scale = ((packed & 0x7ff) ^ 1024) - 1024;
    Some(if scale < 0 { (precision - scale, 0) } else { (precision.max(scale), scale) })
}
