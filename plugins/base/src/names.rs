//! What the names of files tell: whose they are.

/// Whether `name` begins as a file of `export` does, with `<export>_<YYYYMMDD>_<HHMMSS>`, and goes on with nothing or a
/// further `_...` or an extension.
pub fn is_of_export(name: &str, export: &str) -> bool {
    let Some(stamp) = name.strip_prefix(export).and_then(|rest| rest.strip_prefix('_')) else {
        return false;
    };
    let digits =
        |range: std::ops::Range<usize>| stamp.as_bytes().get(range).is_some_and(|d| d.iter().all(u8::is_ascii_digit));
    let rest = stamp.as_bytes().get(15..).unwrap_or_default();
    digits(0..8)
        && stamp.as_bytes().get(8) == Some(&b'_')
        && digits(9..15)
        && (rest.is_empty()
            || matches!(rest[0], b'_' | b'.')
                && rest.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.')))
}

/// Whether `name` is that of a part of `base`: the only one, or one of several.
pub fn is_of_base(name: &str, base: &str) -> bool {
    let Some(rest) = name.strip_prefix(base) else { return false };
    let Some((number, extension)) = rest.split_once('.') else { return false };
    let is_several = || {
        let digits = number.strip_prefix("_part")?;
        Some(!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
    };
    !extension.contains('.') && (number.is_empty() || is_several() == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exports_are_told_by_their_stamp() {
        let yes = ["a_20260329_125200", "a_20260329_125200_2", "a_20260329_125200_chunk1_part0.csv"];
        assert!(yes.iter().all(|name| is_of_export(name, "a")));
        let no = ["a_20260329_125200x", "a_2026032_125200", "a_b_20260329_125200", "ab_20260329_125200", "a_", "a"];
        assert!(!no.iter().any(|name| is_of_export(name, "a")));
    }

    #[test]
    fn a_base_has_its_parts_and_no_other_chunks() {
        let base = "a_20260329_125200_chunk1";
        for yes in [".parquet", "_part0.parquet", "_part17.csv"] {
            assert!(is_of_base(&format!("{base}{yes}"), base), "{yes}");
        }
        for no in ["0.parquet", "0_part0.parquet", "_part.csv", "_part1x.csv", "_2.csv", ".manifest.json", ""] {
            assert!(!is_of_base(&format!("{base}{no}"), base), "{no}");
        }
    }
}
