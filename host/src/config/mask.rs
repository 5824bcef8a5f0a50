//! Keeps secrets out of the source lines that diagnostics show, and finds the secrets inside URLs.

use rivet_plugin_api::suggest::distance;

use super::diagnostic::SourceText;

const MASK: &str = "***";
/// A key with one of these in it holds a secret.
const WORDS: [&str; 9] = ["password", "passwd", "passphrase", "secret", "token", "url", "dsn", "credential", "_key"];
/// A part of a key near to one of these is a mistyped secret.
const MISTYPED: [&str; 6] = ["password", "passwd", "secret", "token", "webhook", "credential"];
/// A key made of one of these holds a secret.
const PARTS: [&str; 6] = ["pass", "pwd", "pw", "uri", "sas", "apikey"];

/// Whether the value under `key` may be a secret. Names of variables and files are none.
pub(super) fn is_secret_key(key: &str) -> bool {
    let key = key.to_lowercase().replace('-', "_");
    if key.ends_with("_env") || key.ends_with("_file") {
        return false;
    }
    let near = |part: &str, word: &str| distance(part, word, if word.len() > 5 { 2 } else { 1 }).is_some();
    WORDS.iter().any(|w| key.contains(w))
        || key.split('_').any(|p| PARTS.contains(&p) || p.len() > 3 && MISTYPED.iter().any(|w| near(p, w)))
}

/// Line `number` of the file with every value masked that may be a secret: after a key that says so, below such a
/// key, and inside a URL.
pub(super) fn line(source: &SourceText, number: usize) -> String {
    let line = source.line(number);
    if below_secret_key(source, number) {
        let indent = line.len() - line.trim_start().len();
        return format!("{}{MASK}", &line[..indent]);
    }
    let masked = match first_secret_value(line) {
        Some(at) => format!("{} {MASK}", &line[..at]),
        None => line.to_owned(),
    };
    userinfo_masked(&masked)
}

/// Whether the line continues the value of a secret key: a block scalar, a folded scalar or a nested map.
fn below_secret_key(source: &SourceText, number: usize) -> bool {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut level = indent(source.line(number));
    // A value of more lines than this is no secret that a person wrote.
    for above in (number.saturating_sub(200)..number).rev() {
        let line = source.line(above);
        if line.trim().is_empty() || indent(line) >= level {
            continue;
        }
        if first_secret_value(line).is_some() {
            return true;
        }
        level = indent(line);
        if level == 0 {
            break;
        }
    }
    false
}

/// The offset behind the colon of the first secret key that has a value on or after this line.
fn first_secret_value(line: &str) -> Option<usize> {
    let is_end_of_secret_key = |at: usize| {
        let (before, after) = (&line[..at], &line[at + 1..]);
        let ends_key = after.chars().next().is_none_or(char::is_whitespace) || before.ends_with(['"', '\'']);
        let key = near_end(before).trim_end().trim_end_matches(['"', '\'']);
        let last = |stops: fn(char) -> bool| key.rsplit(stops).next().unwrap_or(key);
        // The second reading is for keys with a slip of the finger in them.
        ends_key
            && (is_secret_key(last(|c| !(c.is_alphanumeric() || c == '_' || c == '-')))
                || is_secret_key(last(char::is_whitespace)))
    };
    line.match_indices(':').map(|(at, _)| at).find(|at| is_end_of_secret_key(*at)).map(|at| at + 1)
}

/// The end of a text, as far as a key can reach. No key that a person mistyped is longer, and a hostile line, which is
/// looked at from each of its colons, must not cost more.
pub(super) fn near_end(text: &str) -> &str {
    &text[text.char_indices().rev().nth(100).map_or(0, |(at, _)| at)..]
}

/// `scheme://user:password@host` with the password masked, wherever it stands.
pub fn userinfo_masked(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (head, tail) = rest.split_at(at + 3);
        out.push_str(head);
        rest = tail;
        if let Some((user, _)) = userinfo(tail) {
            let end = tail[..authority_end(tail)].rfind('@').unwrap_or(0);
            out.push_str(user);
            out.push(':');
            out.push_str(MASK);
            rest = &tail[end..];
        }
    }
    out + rest
}

/// Where the authority of what follows `://` ends. Generous: an unescaped `/` in a password must not reveal it.
fn authority_end(tail: &str) -> usize {
    let word = tail.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',')).unwrap_or(tail.len());
    tail[..word].rfind('@').map_or(word, |at| at + 1)
}

/// User and password of what follows `://`.
fn userinfo(tail: &str) -> Option<(&str, &str)> {
    let authority = &tail[..authority_end(tail)];
    authority.rsplit_once('@')?.0.split_once(':')
}

/// The secrets inside a URL, as written and percent-decoded: the password of the userinfo and parameters that are
/// named like secrets.
pub(crate) fn url_secrets(url: &str) -> Vec<String> {
    let Some((_, tail)) = url.split_once("://") else { return Vec::new() };
    let mut found: Vec<&str> = userinfo(tail).map(|(_, password)| password).into_iter().collect();
    // A password may hold an unescaped "/": what a stricter reader takes for it is a secret too.
    let strict = &tail[..tail.find(['/', '?', '#']).unwrap_or(tail.len())];
    found.extend(strict.rsplit_once('@').and_then(|(u, _)| u.split_once(':')).map(|(_, p)| p));
    let query = tail.split_once('?').map_or("", |(_, q)| q.split('#').next().unwrap_or(q));
    found.extend(query.split('&').filter_map(|p| p.split_once('=')).filter(|(k, _)| is_secret_key(k)).map(|(_, v)| v));
    let mut secrets: Vec<String> = Vec::new();
    for text in found.into_iter().filter(|s| !s.is_empty()) {
        for form in [text.to_owned(), percent_decode(text)] {
            if !secrets.contains(&form) {
                secrets.push(form);
            }
        }
    }
    secrets
}

/// A URL without the password of its user and without parameters that are named like secrets; other text as it is.
pub fn url_without_secrets(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let authority = match authority.rsplit_once('@') {
        Some((userinfo, host)) => format!("{}@{host}", userinfo.split(':').next().unwrap_or_default()),
        None => authority.to_owned(),
    };
    let tail = match tail.split_once('?') {
        Some((path, query)) => {
            let is_shown = |parameter: &&str| !is_secret_key(parameter.split('=').next().unwrap_or_default());
            let kept: Vec<&str> = query.split('&').filter(is_shown).collect();
            if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) }
        }
        None => tail.to_owned(),
    };
    format!("{scheme}://{authority}{tail}")
}

fn percent_decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes();
    while let [first, rest @ ..] = bytes {
        let hex = |b: u8| (b as char).to_digit(16);
        if let (b'%', [hi, lo, tail @ ..]) = (*first, rest)
            && let (Some(hi), Some(lo)) = (hex(*hi), hex(*lo))
        {
            out.push((hi * 16 + lo) as u8);
            bytes = tail;
        } else {
            out.push(*first);
            bytes = rest;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
