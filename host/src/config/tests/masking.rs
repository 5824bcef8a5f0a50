//! Secrets on the lines that diagnostics show, and inside URLs.

use super::super::diagnostic::SourceText;
use super::super::mask::{is_secret_key, line, url_secrets};

#[test]
fn keys_that_hold_secrets() {
    for key in [
        "password",
        "PASSWORD",
        "db-password",
        "pasword",
        "passwrd",
        "url",
        "webhook_url",
        "secret_key",
        "session_token",
        "tokn",
        "access_key",
        "pwd",
        "webhok",
        "credentials",
    ] {
        assert!(is_secret_key(key), "{key}");
    }
    for key in [
        "password_env",
        "url_file",
        "credentials_file",
        "query",
        "mode",
        "tuning",
        "prefix",
        "name",
        "columns",
        "destination",
        "source",
        "path",
        "profile",
    ] {
        assert!(!is_secret_key(key), "{key}");
    }
}

#[test]
fn lines() {
    for (text, expected) in [
        ("  password: canary", "  password: ***"),
        ("source: { type: x, \"url\": \"db://a:canary@h\", port: 1 }", "source: { type: x, \"url\": ***"),
        ("  mode: db://a:canary@h/d", "  mode: db://a:***@h/d"),
        ("  mode: db://a:can/ary@h/d", "  mode: db://a:***@h/d"),
        ("  mode: db://a:can@ary@h/d x", "  mode: db://a:***@h/d x"),
        ("{\"password\":\"canary\"}", "{\"password\": ***"),
        ("  password_env: NAME", "  password_env: NAME"),
        ("  query: SELECT 1", "  query: SELECT 1"),
        ("  endpoint: https://store.example:9000/x@y", "  endpoint: https://store.example:***@y"),
    ] {
        assert_eq!(line(&SourceText::new(String::new(), text), 1), expected);
    }
    let text = "a:\n  password: |\n    canary\n\n    canary\n  mode: x\n";
    let source = SourceText::new(String::new(), text);
    let shown: Vec<String> = (1..=6).map(|n| line(&source, n)).collect();
    assert_eq!(shown, ["a:", "  password: ***", "    ***", "", "    ***", "  mode: x"]);
}

#[test]
fn secrets_of_urls() {
    assert_eq!(url_secrets("db://a:p%2Fq@h/d?sslmode=x&sslpassword=s%20t"), ["p%2Fq", "p/q", "s%20t", "s t"]);
    assert_eq!(url_secrets("db://a:p@h"), ["p"]);
    assert_eq!(url_secrets("db://a:p/q@h/d"), ["p/q"]);
    assert!(url_secrets("db://a@h:5432/d").is_empty());
    assert!(url_secrets("/var/lib/x.db").is_empty());
    assert!(url_secrets("db://a:@h").is_empty());
}
