//! Hostile and broken files: every one ends after bounded work, with a place.

use std::fmt::Write as _;

use super::super::expand::{Piece, Pieces};
use super::super::mask::near_end;
use super::load;

/// The first problem of `text`.
fn problem(text: &str) -> String {
    load(text).unwrap_err().diagnostics()[0].message.clone()
}

#[test]
fn aliases_cannot_explode() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let before = format!("*a{}, ", level - 1).repeat(9);
        writeln!(bomb, "a{level}: &a{level} [{}]", before.trim_end_matches(", ")).unwrap();
    }
    assert_eq!(problem(&bomb), "the configuration holds more than 500000 values");
}

#[test]
fn nesting_is_bounded() {
    let message = "lists and maps are nested more than 64 deep";
    assert_eq!(problem(&"[".repeat(10_000)), message);
    assert_eq!(problem(&"{a: ".repeat(10_000)), message);
    assert_eq!(problem(&"- ".repeat(10_000)), message);
    let block = (0..200).fold(String::new(), |block, depth| {
        block
            + &" ".repeat(depth)
            + "a:
"
    });
    assert_eq!(problem(&block), message);
    // Aliases deepen too.
    let mut chain = "a0: &a0 [x]\n".to_owned();
    for level in 1..100 {
        writeln!(chain, "a{level}: &a{level} [*a{}]", level - 1).unwrap();
    }
    assert_eq!(problem(&chain), message);
}

#[test]
fn from_each_colon_of_a_line_little_is_looked_at() {
    let line = format!("a: [{}\"password\": canary", "\":\":".repeat(10_000));
    assert!(!load(&line).unwrap_err().to_string().contains("canary"));
    let looked_at = line.match_indices(':').map(|(at, _)| near_end(&line[..at]).len());
    assert!(looked_at.clone().count() > 20_000 && looked_at.max() == Some(101), "{}", line.len());
    assert_eq!(near_end("é".repeat(200).as_str()).chars().count(), 101);
}

#[test]
fn no_part_of_a_text_is_looked_at_twice_for_placeholders() {
    for body in ["${", "${A", "$${", "${A:-${B"] {
        let value = body.repeat(200_000);
        let text = format!("source: {{ type: db }}\nexports: []\nplugins: ['{value}']\n");
        assert_eq!(load(&text).unwrap().plugins.len(), 1, "{body}");
        let written = |piece| match piece {
            Piece::Plain(text) => text.len(),
            Piece::Escape => "$${".len(),
            Piece::Placeholder(body) => "${}".len() + body.len(),
        };
        assert_eq!(Pieces(&value).map(written).sum::<usize>(), value.len(), "{body}");
    }
    let pieces: Vec<_> = Pieces("a$${b}$$${c}${d}${e").collect();
    let plain = Piece::Plain;
    let (rest, last) = ([plain("b}$"), Piece::Escape, plain("c}"), Piece::Placeholder("d")], plain("${e"));
    let expected = [&[plain("a"), Piece::Escape], rest.as_slice(), &[last]].concat();
    assert_eq!(pieces, expected);
}

#[test]
fn many_problems_are_counted() {
    let keys: String = (0..1000).fold(String::new(), |keys, i| keys + &format!("key{i}: 1\n"));
    let shown = load(&format!("source: {{ type: db }}\nexports: []\n{keys}")).unwrap_err().to_string();
    assert!(shown.ends_with("\nerror: 980 more problems are not shown\n"), "{shown}");
}

fn load_bytes(bytes: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.yaml");
    std::fs::write(&path, bytes).unwrap();
    let shown = super::super::load(&path, None, &[], &super::env).map(|c| format!("ok, in {}", c.dir.display()));
    shown.unwrap_or_else(|e| e.to_string()).replace(&dir.path().display().to_string(), "DIR")
}

#[test]
fn bytes_that_are_no_text() {
    let valid = "source: { type: db }\r\nexports: []\r\n";
    assert_eq!(load_bytes(valid.as_bytes()), "ok, in DIR");
    assert_eq!(load_bytes(format!("\u{feff}{valid}").as_bytes()), "ok, in DIR");
    assert_eq!(load_bytes(valid.replace("\r\n", "\r").as_bytes()), "ok, in DIR");
    let utf16: Vec<u8> = [0xfeff].into_iter().chain(valid.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let latin1 = b"source: { type: db }\nexports: []\n# caf\xe9\n";
    let surrogate = b"a: \xed\xa0\x80\n";
    let nul = b"source: { type: db }\nexports: []\n\0plugins: [x]\n";
    let large = "# comment\n".repeat(5_000_000);
    for (bytes, expected) in [
        (&utf16[..], "the configuration is UTF-16, not UTF-8\n --> DIR/c.yaml\n"),
        (latin1, "the configuration is not UTF-8 text\n --> DIR/c.yaml:3:6\n"),
        (surrogate, "the configuration is not UTF-8 text\n --> DIR/c.yaml:1:4\n"),
        (nul, "the configuration holds the control character U+0000\n --> DIR/c.yaml:3:1\n"),
        (large.as_bytes(), "the configuration \"DIR/c.yaml\" is larger than 8 MiB\n --> DIR/c.yaml\n"),
    ] {
        let shown = load_bytes(bytes);
        assert!(shown.starts_with(&format!("error: {expected}")), "{shown}");
    }
}

#[test]
fn files_that_cannot_be_read() {
    let shown = |path: &str| super::super::load(path.as_ref(), None, &[], &super::env).unwrap_err().to_string();
    let missing =
        "error: could not read the configuration \"/no/such.yaml\": there is no such file\n --> /no/such.yaml\n";
    assert_eq!(shown("/no/such.yaml"), missing);
    assert!(shown("/").contains("it is a directory"), "{}", shown("/"));
}

/// Neither panics nor hangs, whatever is cut off or put in.
#[test]
fn mutations_of_a_valid_file() {
    let valid = super::examples::EVERY_KEY;
    let inserts =
        ["", "\t", ":", "- ", "{", "]", "\"", "'", "&a ", "*a", "!t ", "|", "<<: ", "${", "\u{feff}", "é", "? "];
    for (at, _) in valid.char_indices().step_by(7) {
        let insert = inserts[at % inserts.len()];
        for text in [&valid[..at], &format!("{}{insert}{}", &valid[..at], &valid[at..])] {
            if let Err(error) = load(text) {
                assert!(!error.to_string().contains("canary"), "{error}");
            }
        }
    }
}
