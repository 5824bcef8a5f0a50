//! Keeps secrets off the screen: whatever was read as a secret option is removed from every log line and error.

use std::io::{self, Write};
use std::sync::{PoisonError, RwLock};

use crate::report;

/// Shorter secrets are not searched for: replacing every `a` of a text would help nobody.
const SHORTEST: usize = 4;

static SECRETS: RwLock<Vec<String>> = RwLock::new(Vec::new());

/// Removes `secrets` from everything shown from now on, also percent-encoded.
pub fn add(secrets: &[String]) {
    let mut known = SECRETS.write().unwrap_or_else(PoisonError::into_inner);
    for secret in secrets.iter().filter(|s| s.len() >= SHORTEST) {
        for form in [secret.clone(), percent_encoded(secret)] {
            if !known.contains(&form) {
                known.push(form);
            }
        }
    }
    // A secret that contains another one is replaced first, so that nothing of it stays.
    known.sort_by_key(|s| std::cmp::Reverse(s.len()));
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
}
