use super::*;

fn by_url(url: &str) -> Result<Target> {
    Target::new(&Options { url: Some(SecretString::new(url)), ..Options::default() })
}

#[test]
fn a_url_is_taken_apart_and_decoded() {
    let t =
        by_url("mysql://an%40na:p%3A%2F%3F%25@db.example:6000/my%20db?ssl-mode=verify-full&connect_timeout=3").unwrap();
    assert_eq!((t.host, t.port), (Host::Tcp("db.example".into()), 6000));
    assert_eq!((t.user.as_str(), t.database.as_deref()), ("an@na", Some("my db")));
    assert_eq!(t.password.unwrap().expose(), "p:/?%");
    assert_eq!(t.tls.mode, TlsMode::VerifyFull);
    assert_eq!(t.connect_timeout, Some(Duration::from_secs(3)));
}

#[test]
fn addresses_and_sockets_are_hosts_too() {
    let v6 = by_url("mysql://u@[::1]:7/").unwrap();
    assert_eq!((v6.host.clone(), v6.name()), (Host::Tcp("::1".into()), "[::1]:7".into()));
    assert_eq!(v6.database, None);
    assert_eq!(by_url("mariadb://u@/d?socket=/run/my%20sql.sock").unwrap().name(), "/run/my sql.sock");
    assert_eq!(by_url("mysql://u@/").unwrap().name(), "localhost:3306");
    let options = Options {
        host: Some("[::1]".into()),
        user: Some("u".into()),
        database: Some("d".into()),
        ..Options::default()
    };
    assert_eq!(Target::new(&options).unwrap().name(), "[::1]:3306");
}

#[test]
fn wrong_urls_are_refused_without_quoting_secrets() {
    for (url, expected) in [
        ("postgres://u:canary@h/d", "does not begin with"),
        ("mysql://u:canary@h/d?target=x", "unknown parameter \"target\""),
        ("mysql://u:canary@h/d?ssl-mode=allow", "unknown ssl-mode"),
        ("mysql://u:canary%4@h/d", "without two hexadecimal digits"),
        ("mysql://u:can/ary@h/d", "an \"@\" behind"),
        ("mysql://u:12?canary@h/d", "an \"@\" behind"),
        ("mysql://u:canary@h:x/d", "port"),
        ("mysql://u:canary@h1,h2/d", "more than one host"),
        ("mysql://h/d", "no user"),
        ("mysql://u@h/d%00", "zero byte"),
        ("mysql://u@h:0/d", "\"port\" is 0"),
        ("mysql://u@h/d?ssl-ca=/ca.pem", "does not verify"),
        ("mysql://u@h/d?ssl-cert=/c.pem", "need each other"),
        ("mysql://u@h/d?socket=/run/s&ssl-mode=require", "cannot be encrypted"),
    ] {
        let error = by_url(url).unwrap_err().to_string();
        assert!(error.contains(expected), "{url}: {error}");
        assert!(!error.contains("canary"), "{error}");
    }
}

#[test]
fn url_and_fields_exclude_each_other() {
    let both = Options { url: Some(SecretString::new("mysql://u@h/d")), user: Some("u".into()), ..Options::default() };
    assert!(Target::new(&both).is_err());
    assert!(Target::new(&Options::default()).unwrap_err().to_string().contains("\"host\" is missing"));
    let tls = Some(Tls { mode: TlsMode::Require, ..Tls::default() });
    let with_tls =
        |url: &str| Target::new(&Options { url: Some(SecretString::new(url)), tls: tls.clone(), ..Options::default() });
    assert_eq!(with_tls("mysql://u@h/d").unwrap().tls.mode, TlsMode::Require);
    assert!(with_tls("mysql://u@h/d?ssl-mode=disable").is_err());
}

#[test]
fn unknown_options_are_refused_by_name() {
    let options = serde_json::json!({ "host": "h", "sslmode": "x" });
    let error = serde_json::from_value::<Options>(options).unwrap_err().to_string();
    assert!(error.contains("unknown field `sslmode`"), "{error}");
}
