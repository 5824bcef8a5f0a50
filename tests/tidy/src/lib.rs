//! Reads the workspace's own sources for the rules that `tests/rules.rs` holds: which files there are, what in them is
//! code of the product, and what is a test, a comment or a string.

use std::fs;
use std::path::{Path, PathBuf};

/// One Rust file of the workspace.
pub struct Source {
    /// Its path below the root, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// The workspace's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map(Path::to_owned).unwrap_or_default()
}

/// Every Rust file below `folders`, which are relative to the root, in order.
pub fn sources(folders: &[&str]) -> Vec<Source> {
    let root = root();
    let mut files = Vec::new();
    for folder in folders {
        walk(&root.join(folder), &mut files);
    }
    files.sort();
    files
        .into_iter()
        .map(|file| Source {
            path: file.strip_prefix(&root).unwrap_or(&file).to_string_lossy().into_owned(),
            text: fs::read_to_string(&file).unwrap_or_default(),
        })
        .collect()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && path.file_name().is_some_and(|n| n != "target") {
            walk(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

impl Source {
    /// Whether the file belongs to the product: neither a test nor an example.
    pub fn is_product(&self) -> bool {
        let folders = ["/tests/", "/examples/", "/benches/"];
        !self.path.starts_with("tests/")
            && !folders.iter().any(|f| self.path.contains(f))
            && !self.path.ends_with("/tests.rs")
    }

    /// The lines of code with their numbers: without comments, string contents, and what follows `#[cfg(test)]` at the
    /// left margin, where this workspace keeps its unit tests.
    pub fn code(&self) -> Vec<(usize, String)> {
        let product = match self.text.find("\n#[cfg(test)]\nmod ") {
            Some(end) if !self.text[end..].starts_with("\n#[cfg(test)]\nmod tests;\n") => &self.text[..end],
            _ => &self.text,
        };
        blank(product)
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty())
            .map(|(i, line)| (i + 1, line.to_owned()))
            .collect()
    }
}

/// `text` without comments and without what stands between quotes; the lines stay where they are.
pub fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(end) = raw_string(rest, out.chars().last()) {
            end
        } else if c == '"' {
            string_end(rest)
        } else if c == '\'' {
            char_end(rest)
        } else {
            0
        };
        if skip == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            out.extend(rest[..skip].chars().filter(|c| *c == '\n'));
            rest = &rest[skip..];
        }
    }
    out
}

/// The length of the raw string at the start of `text`, when there is one and `before` is not part of its prefix.
fn raw_string(text: &str, before: Option<char>) -> Option<usize> {
    let prefix = if text.starts_with("br") { 2 } else { 1 };
    if !text.starts_with('r') && prefix == 1 || before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
        return None;
    }
    let hashes = text[prefix..].bytes().take_while(|b| *b == b'#').count();
    let body = text[prefix + hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    Some(prefix + hashes + 1 + body.find(&close).map_or(body.len(), |end| end + close.len()))
}

fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return i + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of the character literal at the start of `text`; 0 for a lifetime.
fn char_end(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => text[3.min(text.len())..].find('\'').map_or(0, |end| end + 4),
        Some(_) => match chars.next() {
            Some((i, '\'')) => i + 1,
            _ => 0,
        },
        None => 0,
    }
}

/// The identifiers of a line of code, split at `_` and at capitals, in lower case: `PgNumeric` is `pg` and `numeric`.
pub fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower = false;
    for c in line.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && lower) {
            words.push(String::new());
        }
        if c.is_alphanumeric() {
            words.last_mut().into_iter().for_each(|w| w.extend(c.to_lowercase()));
        }
        lower = c.is_lowercase() || c.is_numeric();
    }
    words.retain(|w| !w.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_strings_and_characters_are_blanked() {
        let text = "a /* b\nc */ d // e\n\"f\\\"g\" 'h' '\\'' &'i j r#\"k\"l\"# m br\"n\" for\"o\"";
        assert_eq!(blank(text), "a \n d \n   &'i j  m  for");
    }

    #[test]
    fn names_are_split_into_words() {
        assert_eq!(words("let PgRow = s3_client(Mysql2)"), ["let", "pg", "row", "s3", "client", "mysql2"]);
    }
}
