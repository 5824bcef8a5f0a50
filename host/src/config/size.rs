//! The grammar of `max_file_size`.

/// Bytes of a size such as `512MB`, `1.5 gb` or `1048576`: suffixes count in 1024s, a fraction of a byte is cut off.
/// `None` when the text is no size.
pub(super) fn parse(text: &str) -> Option<u64> {
    let upper = text.trim().to_ascii_uppercase();
    let suffixes = [("GB", 30), ("MB", 20), ("KB", 10), ("B", 0), ("", 0)];
    let (number, shift) = suffixes.iter().find_map(|(s, shift)| Some((upper.strip_suffix(s)?.trim_end(), *shift)))?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let unit = 1_u64 << shift;
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let part = format!("0.{fraction}0").parse::<f64>().ok()? * unit as f64;
    whole.checked_mul(unit)?.checked_add(part as u64)
}
