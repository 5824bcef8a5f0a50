use super::*;

fn by_url(url: &str) -> Result<Target> {
    Options { url: Some(SecretString::new(url)), ..Options::default() }.target()
}

#[test]
fn urls_are_those_of_libpq() {
    let t = by_url(
        "postgresql://u@h/d?sslmode=verify-full&sslrootcert=system&application_name=nightly%20run&options=-c%20a%3Db",
    )
    .unwrap();
    assert_eq!((t.name(), t.tls.mode, &t.tls.ca_file), ("h:5432".into(), TlsMode::VerifyFull, &None));
    assert_eq!((t.setting("application_name"), t.setting("options")), (Some("nightly run"), Some("-c a=b")));
    let t = by_url("postgres:///?host=h&port=1&user=u&password=p%26&dbname=d").unwrap();
    assert_eq!((t.name(), t.user.as_str(), t.database.as_deref()), ("h:1".into(), "u", Some("d")));
    assert_eq!(t.password.unwrap().expose(), "p&");
}

#[test]
fn the_directory_of_a_socket_is_a_host() {
    for url in ["postgres://u@/d?host=/var/run", "postgres://u@%2Fvar%2Frun/d"] {
        assert_eq!(by_url(url).unwrap().name(), "/var/run/.s.PGSQL.5432", "{url}");
    }
    assert_eq!(by_url("postgres://u@%2Frun:7/d").unwrap().name(), "/run/.s.PGSQL.7");
}

#[test]
fn single_fields_must_be_complete() {
    let options = Options { host: Some("h".into()), user: Some("u".into()), ..Options::default() };
    assert!(options.target().unwrap_err().message().contains("\"database\" is missing"));
    let options = Options { database: Some("d".into()), ..options };
    assert_eq!(options.target().unwrap().name(), "h:5432");
}

#[test]
fn unknown_options_are_refused_by_name() {
    let options = serde_json::json!({ "host": "h", "sslmode": "x" });
    let error = serde_json::from_value::<Options>(options).unwrap_err().to_string();
    assert!(error.contains("unknown field `sslmode`"), "{error}");
}
