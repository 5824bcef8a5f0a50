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
fn what_vendors_and_drivers_put_into_urls_is_taken() {
    for parameters in [
        "sslmode=require&channel_binding=require",
        "channel_binding=disable&gssencmode=disable&client_encoding=UTF8",
        "target_session_attrs=read-write&load_balance_hosts=disable&sslnegotiation=postgres",
        "keepalives=1&keepalives_idle=30&keepalives_interval=10&keepalives_count=3&keepalives_retries=3",
        "tcp_user_timeout=30000&connect_timeout=5&fallback_application_name=psql",
        // A parameter without a value counts as absent.
        "channel_binding=&keepalives=",
    ] {
        by_url(&format!("postgresql://u@h/d?{parameters}")).unwrap();
    }
    let t = by_url("postgresql://u@h/d?hostaddr=192.0.2.7&channel_binding=require").unwrap();
    assert_eq!((t.name(), t.address), ("h:5432".into(), Some("192.0.2.7".parse().unwrap())));
    assert_eq!(t.setting("channel_binding"), Some("require"));
}

#[test]
fn what_cannot_be_honoured_is_refused_with_what_to_do() {
    for (parameter, hint) in [
        ("channel_binding=REQUIRE", "use disable, prefer or require"),
        ("target_session_attrs=leader", "read-write"),
        ("gssencmode=require", "GSSAPI"),
        ("client_encoding=latin1", "UTF-8"),
        ("sslnegotiation=direct", "remove it"),
        ("load_balance_hosts=all", "disable or random"),
    ] {
        let error = by_url(&format!("postgresql://u@h/d?{parameter}")).unwrap_err();
        let name = parameter.split('=').next().unwrap();
        assert!(error.message().contains(&format!("\"{name}\"")), "{error}");
        assert!(error.hint_text().is_some_and(|text| text.contains(hint)), "{error}: {:?}", error.hint_text());
    }
    for parameter in ["keepalives=on", "tcp_user_timeout=30s"] {
        let error = by_url(&format!("postgresql://u@h/d?{parameter}")).unwrap_err();
        assert!(error.message().contains("is not a number"), "{error}");
    }
    assert!(by_url("postgresql://u@h/d?sslcompression=1").unwrap_err().message().contains("unknown parameter"));
}

#[test]
fn a_url_without_a_user_says_where_to_write_one() {
    let error = by_url("postgresql://h/d").unwrap_err();
    assert_eq!(error.message(), "the URL names no user");
    assert!(error.hint_text().is_some_and(|hint| hint.contains("\"user@\"")), "{:?}", error.hint_text());
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
