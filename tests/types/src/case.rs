//! A case file: a head of comments and `key: value` lines, then sections.

use std::fmt;
use std::path::{Path, PathBuf};

/// The sections in the order in which they are written.
const SECTIONS: [&str; 9] = ["setup", "query", "source", "config", "arrow", "parquet", "rows", "csv", "error"];

/// A server's version, as far as types depend on it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Version(pub u32, pub u32);

impl Version {
    /// The first two numbers of `text`, such as `10.11` of `10.11.6-MariaDB`.
    pub fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok();
        let minor = text.split_once('.').and_then(|(_, rest)| number(rest));
        Some(Self(number(text)?, minor.unwrap_or(0)))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.1 == 0 { write!(f, "{}", self.0) } else { write!(f, "{}.{}", self.0, self.1) }
    }
}

/// One SQL type with its edge values, and what becomes of them.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// The file's name without extension.
    pub name: String,
    /// What the documentation says about it: the comment lines of the head.
    pub comment: String,
    /// The type or types as users know them.
    pub database_type: String,
    /// The lowest version that has it.
    pub since: Option<Version>,
    /// The highest version for which the expectations hold.
    pub until: Option<Version>,
    /// The only product of the family that has it.
    pub only: Option<String>,
    /// The extension that brings it.
    pub extension: Option<String>,
    /// The only reader that can be trusted with it.
    pub readers: Option<String>,
    /// Whether the documentation's tables show it.
    pub in_docs: bool,
    path: PathBuf,
    sections: Vec<(String, String)>,
}

impl Case {
    /// Reads a file. The error says which line is wrong.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut case = Self { name, path: path.to_owned(), in_docs: true, ..Self::default() };
        for (number, line) in text.split_inclusive('\n').enumerate() {
            case.take_line(line).map_err(|e| format!("line {}: {e}", number + 1))?;
        }
        for (name, text) in &mut case.sections {
            // Every line of a CSV file counts, also an empty one.
            if name != "csv" {
                text.truncate(text.trim_end().len());
            }
        }
        if case.database_type.is_empty() { Err("the head names no `type:`".into()) } else { Ok(case) }
    }

    fn take_line(&mut self, line: &str) -> Result<(), String> {
        let bare = line.trim_end();
        let heading = bare.strip_prefix('[').and_then(|b| b.strip_suffix(']'));
        if let Some(name) = heading.filter(|name| SECTIONS.contains(name)) {
            if self.section(name).is_some() {
                return Err(format!("a second [{name}]"));
            }
            self.sections.push((name.to_owned(), String::new()));
            return Ok(());
        }
        match self.sections.last_mut() {
            Some((_, text)) => text.push_str(line),
            None => self.take_head(bare)?,
        }
        Ok(())
    }

    fn take_head(&mut self, line: &str) -> Result<(), String> {
        if let Some(comment) = line.strip_prefix('#') {
            if !self.comment.is_empty() {
                self.comment.push(' ');
            }
            self.comment.push_str(comment.trim());
            return Ok(());
        }
        if line.is_empty() {
            return Ok(());
        }
        let (key, value) = line.split_once(':').ok_or("neither a comment nor `key: value` nor a section")?;
        let value = value.trim().to_owned();
        let version = || Version::parse(&value).ok_or("a version is a number, or two with a point");
        match key {
            "type" => self.database_type = value,
            "since" => self.since = Some(version()?),
            "until" => self.until = Some(version()?),
            "only" => self.only = Some(value),
            "extension" => self.extension = Some(value),
            "readers" if value == "pyarrow" => self.readers = Some(value),
            "docs" if value == "no" => self.in_docs = false,
            _ => return Err(format!("`{line}` is not known")),
        }
        Ok(())
    }

    /// The text of a section.
    pub fn section(&self, name: &str) -> Option<&str> {
        self.sections.iter().find(|(n, _)| n == name).map(|(_, text)| text.as_str())
    }

    /// The lines of a section that are not blank.
    pub fn lines(&self, name: &str) -> Option<Vec<&str>> {
        self.section(name).map(|text| text.lines().filter(|l| !l.trim().is_empty()).collect())
    }

    /// Whether the run has to fail.
    pub fn is_refused(&self) -> bool {
        self.section("error").is_some()
    }

    /// Adds a section to the file. It has to be one that is not there.
    pub(crate) fn add(&mut self, name: &str, text: &str) {
        let place = |n: &str| SECTIONS.iter().position(|s| *s == n);
        let at = self.sections.iter().position(|(n, _)| place(n) > place(name)).unwrap_or(self.sections.len());
        self.sections.insert(at, (name.to_owned(), text.to_owned()));
        let file = std::fs::read_to_string(&self.path).unwrap();
        let head = file.split_inclusive('\n').take_while(|line| !line.starts_with('['));
        let mut out: String = head.collect();
        for (name, text) in &self.sections {
            out.extend(["[", name, "]\n", text]);
            if !text.ends_with('\n') && name != "csv" {
                out.push('\n');
            }
        }
        std::fs::write(&self.path, out).unwrap();
    }
}

/// `text` with every control character but the line feed and the tab as its picture, so that a case file shows them.
pub(crate) fn with_pictures(text: &str) -> String {
    let picture = |c: char| match c {
        '\n' | '\t' => c,
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(c),
        _ => c,
    };
    text.chars().map(picture).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(lines: &[&str]) -> Result<Case, String> {
        let mut case = Case::default();
        lines.iter().try_for_each(|line| case.take_line(&format!("{line}\n"))).map(|()| case)
    }

    #[test]
    fn a_case_has_a_head_and_sections() {
        let case = parse(&["# One", "# sentence.", "type: a, b", "since: 10.7", "[rows]", "[1]", "", "[csv]", "i", ""]);
        let case = case.unwrap();
        assert_eq!((case.comment.as_str(), case.since), ("One sentence.", Some(Version(10, 7))));
        assert_eq!(case.lines("rows").unwrap(), ["[1]"]);
        assert_eq!(case.section("csv").unwrap(), "i\n\n");
    }

    #[test]
    fn what_is_mistyped_is_refused() {
        for lines in [&["sinc: 10"][..], &["since: ten"], &["readers: duckdb"], &["words"], &["[csv]", "[csv]"]] {
            assert!(parse(lines).is_err(), "{lines:?}");
        }
    }

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        assert_eq!(Version::parse("10.11.6-MariaDB"), Some(Version(10, 11)));
        assert!(Version::parse("9.1.0").unwrap() < Version::parse("10").unwrap());
        assert_eq!(Version::parse("14"), Some(Version(14, 0)));
        assert_eq!(Version::parse("18beta1"), Some(Version(18, 0)));
    }
}
