use super::*;

/// One that has every parameter there is.
const SCHEME: Scheme = Scheme {
    names: &["db", "database"],
    port: 5432,
    parameters: &[
        ("address", Parameter::Address),
        ("app", Parameter::Setting),
        ("ca", Parameter::CaFile),
        ("cert", Parameter::CertFile),
        ("connect_timeout", Parameter::ConnectTimeout),
        ("dbname", Parameter::Database),
        ("host", Parameter::Host),
        ("key", Parameter::KeyFile),
        ("mode", Parameter::TlsMode),
        ("password", Parameter::Password),
        ("port", Parameter::Port),
        ("socket", Parameter::Socket),
        ("user", Parameter::User),
    ],
    socket_file: Some(".s."),
    needs_database: true,
    needed_fields: "\"host\", \"user\" and \"database\"",
};

fn by_url(url: &str) -> Result<Target> {
    Target::new(Fields { url: Some(&SecretString::new(url)), ..Fields::default() }, &SCHEME)
}

#[test]
fn a_url_is_taken_apart_and_decoded() {
    let t = by_url("db://an%40na:p%3A%2F%3F%25@db.example:6000/my%20db?mode=verify-full&connect_timeout=3&app=a%26b")
        .unwrap();
    assert_eq!((t.name(), t.user.as_str(), t.database.as_deref()), ("db.example:6000".into(), "an@na", Some("my db")));
    assert_eq!(t.password.as_ref().unwrap().expose(), "p:/?%");
    assert_eq!((t.tls.mode, t.connect_timeout), (TlsMode::VerifyFull, Some(Duration::from_secs(3))));
    assert_eq!((t.setting("app"), t.setting("ca")), (Some("a&b"), None));
    let by_parameters = by_url("database:///?host=h&port=7&user=u&password=a%26b&dbname=d&connect_timeout=0").unwrap();
    assert_eq!((by_parameters.name(), by_parameters.connect_timeout), ("h:7".into(), None));
    assert_eq!(by_parameters.password.unwrap().expose(), "a&b");
}

#[test]
fn addresses_and_sockets_are_hosts_too() {
    for (url, name) in [
        ("db://u@[::1]:7/", "[::1]:7"),
        ("db://u@[fe80::1%25eth0]/", "[fe80::1%eth0]:5432"),
        ("db://u@127.0.0.1", "127.0.0.1:5432"),
        ("db://u@/d", "localhost:5432"),
        ("db://u@/d?host=/var/run", "/var/run/.s.5432"),
        ("db://u@%2Fvar%2Frun:7/d", "/var/run/.s.7"),
        ("db://u@h/d?socket=/run/my%20sock", "/run/my sock"),
    ] {
        assert_eq!(by_url(url).unwrap().name(), name, "{url}");
    }
    // The name stays that of the certificate.
    let there = by_url("db://u@h/d?address=192.0.2.1").unwrap();
    assert_eq!((there.name(), there.address), ("h:5432".into(), Some("192.0.2.1".parse().unwrap())));
    assert_eq!(by_url("db://u@/d?address=::1").unwrap().name(), "[::1]:5432");
    let fields = Fields { host: Some("[::1]"), user: Some("u"), database: Some("d"), ..Fields::default() };
    assert_eq!(Target::new(fields, &SCHEME).unwrap().name(), "[::1]:5432");
    assert_eq!(Target::new(Fields { host: Some("/run"), ..fields }, &SCHEME).unwrap().name(), "/run/.s.5432");
}

#[test]
fn modes_have_the_names_of_several_clients() {
    for (text, mode) in [
        ("disable", TlsMode::Disable),
        ("allow", TlsMode::Prefer),
        ("PREFERRED", TlsMode::Prefer),
        ("require", TlsMode::Require),
        ("VERIFY_CA", TlsMode::VerifyCa),
        ("verify_identity", TlsMode::VerifyFull),
        ("verify-full", TlsMode::VerifyFull),
    ] {
        assert_eq!(by_url(&format!("db://u@h/?mode={text}")).unwrap().tls.mode, mode);
    }
}

#[test]
fn wrong_urls_are_refused() {
    for (url, expected) in [
        ("mydb://u@h/d", "does not begin with \"db://\" or \"database://\""),
        ("db:/u@h/d", "does not begin with"),
        ("db://u@h/d?target=x", "unknown parameter \"target\""),
        ("db://u@h/d?target", "a parameter without a value"),
        ("db://u@h/d?mode=all", "unknown mode"),
        ("db://u@h/d?address=h2", "not an IP address"),
        ("db://u@h:x/d", "port"),
        ("db://u@h/d?port=70000", "port"),
        ("db://u@[::1/d", "without \"]\""),
        ("db://u@[::1]7/d", "between \"]\" and the port"),
        ("db://u@h1,h2/d", "more than one host"),
        ("db://h/d", "no user"),
        ("db://u@h/d%00", "zero byte"),
        ("db://u@h/d?app=%00", "zero byte"),
        ("db://u@/?socket=%00", "zero byte"),
        ("db://u@h:0/d", "\"port\" is 0"),
        ("db://u@h/d?connect_timeout=soon", "number of seconds"),
        ("db://u@h/%ff", "not UTF-8"),
        ("db://u@h/d?ca=/ca.pem", "does not verify"),
        ("db://u@h/d?cert=/c.pem", "need each other"),
        ("db://u@h/d?socket=/run/s&mode=require", "cannot be encrypted"),
        ("db://u@h/d?socket=/run/s&address=::1", "has no IP address"),
    ] {
        let error = by_url(url).unwrap_err();
        assert!(error.message().contains(expected), "{url}: {error}");
    }
}

/// However a URL goes wrong, and whatever a reserved character in the password makes of it.
#[test]
fn no_message_quotes_a_password() {
    let mut refused = 0;
    for secret in [
        "canary",
        "can/ary",
        "can?ary",
        "can#ary",
        "can&ary",
        "can@ary",
        "can:ary",
        "can%ary",
        "can%zzary",
        "can=ary",
        "can[ary",
        "can,ary",
        "?canary=1",
        "&canary=1",
        "/canary",
        "/?canary=1",
        "@canary",
        "@canary:x",
        "1234567/ary",
    ] {
        for url in [
            "db://u:SECRET@h/d?target=x",
            "db://u:SECRET@h:x/d",
            "db://u:SECRET@h,i/d",
            "db://u:SECRET@[h/d",
            "db://u:SECRET@h/d?mode=SECRET",
            "db://u:SECRET@h/d?port=SECRET",
            "db://u:SECRET@h/d?connect_timeout=SECRET",
            "db://u:SECRET",
            "db://u:SECRET/d",
            "db://:SECRET@h/d",
            "SECRET@h/d",
            "db://u@h/d?password=SECRET&target=x",
            "db://h/d?password=SECRET",
        ] {
            let Err(error) = by_url(&url.replace("SECRET", secret)) else { continue };
            refused += 1;
            let text = format!("{error} {:?} {error:?}", error.hint_text());
            assert!(!text.contains("ary") && !text.contains("1234567"), "{url}, {secret}: {text}");
        }
    }
    assert!(refused > 200, "{refused}");
    assert!(!format!("{:?}", by_url("db://u:canary@h/d?password=canary").unwrap()).contains("canary"));
}

#[test]
fn url_and_fields_exclude_each_other() {
    let url = SecretString::new("db://u@h/d");
    let both = Fields { url: Some(&url), user: Some("u"), ..Fields::default() };
    assert!(Target::new(both, &SCHEME).unwrap_err().message().contains("exclude each other"));
    let missing = |fields| Target::new(fields, &SCHEME).unwrap_err().to_string();
    assert!(missing(Fields::default()).contains("\"host\" is missing"));
    assert!(missing(Fields { host: Some("h"), ..Fields::default() }).contains("\"user\" is missing"));
    assert!(missing(Fields { host: Some("h"), user: Some("u"), ..Fields::default() }).contains("\"database\""));
    let tls = Tls { mode: TlsMode::Require, ..Tls::default() };
    let with_tls = |url: &str| {
        Target::new(Fields { url: Some(&SecretString::new(url)), tls: Some(&tls), ..Fields::default() }, &SCHEME)
    };
    assert_eq!(with_tls("db://u@h/d").unwrap().tls.mode, TlsMode::Require);
    assert!(with_tls("db://u@h/d?mode=disable").unwrap_err().message().contains("both"));
}
