use super::*;

fn by_url(url: &str) -> Result<Target> {
    Options { url: Some(SecretString::new(url)), ..Options::default() }.target()
}

#[test]
fn urls_are_those_of_other_clients() {
    let t = by_url("mysql://u@h?ssl-mode=VERIFY_IDENTITY&ssl-ca=/ca.pem&connect_timeout=3").unwrap();
    assert_eq!((t.name(), t.tls.mode, t.database), ("h:3306".into(), TlsMode::VerifyFull, None));
    assert_eq!(t.tls.ca_file, Some("/ca.pem".into()));
    assert_eq!(by_url("mariadb://u@h/d").unwrap().database.as_deref(), Some("d"));
}

#[test]
fn the_file_of_a_socket_is_a_host() {
    for url in ["mariadb://u@/d?socket=/run/my%20sql.sock", "mysql://u@%2Frun%2Fmy%20sql.sock/d"] {
        assert_eq!(by_url(url).unwrap().name(), "/run/my sql.sock", "{url}");
    }
    let socket = Options { socket: Some("/run/s".into()), user: Some("u".into()), ..Options::default() };
    assert_eq!(socket.target().unwrap().name(), "/run/s");
    let both = Options { host: Some("h".into()), ..socket };
    assert!(both.target().unwrap_err().message().contains("exclude"));
}

#[test]
fn unknown_options_are_refused_by_name() {
    let options = serde_json::json!({ "host": "h", "sslmode": "x" });
    let error = serde_json::from_value::<Options>(options).unwrap_err().to_string();
    assert!(error.contains("unknown field `sslmode`"), "{error}");
}
