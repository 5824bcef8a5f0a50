//! Keeps secrets off the screen: whatever was read as a secret option is removed from every log line and error.

use std::io::{self, Write};
use std::sync::{PoisonError, RwLock};

use crate::report;

/// Shorter secrets are not searched for: replacing every `a` of a text would help nobody.
const SHORTEST: usize = 4;

static SECRETS: RwLock<Vec<String>> = RwLock::new(Vec::new());

/// Removes `secrets` from everything shown from now on, also where it is shown in another form.
pub fn add(secrets: &[String]) {
    let mut known = SECRETS.write().unwrap_or_else(PoisonError::into_inner);
    for secret in secrets.iter().filter(|s| s.len() >= SHORTEST) {
        for form in forms(secret) {
            if !known.contains(&form) {
                known.push(form);
            }
        }
    }
    // A secret that contains another one is replaced first, so that nothing of it stays.
    known.sort_by_key(|s| std::cmp::Reverse(s.len()));
}

/// As it is, in a URL, and in quotes: of a log's field, and of JSON.
fn forms(secret: &str) -> [String; 4] {
    let inside = |quoted: String| quoted[1..quoted.len() - 1].to_owned();
    let json = serde_json::Value::from(secret).to_string();
    [secret.to_owned(), percent_encoded(secret), inside(format!("{secret:?}")), inside(json)]
}

fn percent_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte as char);
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// `text` with every known secret replaced by `***`.
pub fn redact(text: &str) -> String {
    let known = SECRETS.read().unwrap_or_else(PoisonError::into_inner);
    known
        .iter()
        .fold(text.to_owned(), |text, secret| if text.contains(secret) { text.replace(secret, "***") } else { text })
}

/// Standard error without secrets: the target of all logging. A log line is written in one piece.
pub struct RedactedStderr;

impl Write for RedactedStderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        report::eprint(&String::from_utf8_lossy(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = io::stderr().flush();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_disappear_in_every_form() {
        add(&["p@ss:w/rd".to_owned(), "p@ss".to_owned(), "abc".to_owned()]);
        assert_eq!(redact("url p@ss:w/rd and p%40ss%3Aw%2Frd"), "url *** and ***");
        assert_eq!(redact("abc is too short"), "abc is too short");
    }

    #[test]
    fn secrets_disappear_in_quotes_too() {
        for secret in ["sec\"ret\\pass", "tab\there", "key\nof\u{1b}lines", "gänsefüßchen\"", "zero\u{200b}width\""]
        {
            add(&[secret.to_owned()]);
            assert_eq!(redact(&format!("{secret} {secret:?}")), "*** \"***\"");
            let json = serde_json::json!({ "message": format!("no {secret}!") }).to_string();
            assert_eq!(redact(&json), r#"{"message":"no ***!"}"#);
        }
    }
}
