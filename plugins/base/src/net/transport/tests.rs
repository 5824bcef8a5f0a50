use std::net::TcpListener;

use rivet_plugin_api::Category;

use super::super::{Fields, Scheme, Tls};
use super::*;

fn target(mode: TlsMode) -> Target {
    let scheme =
        Scheme { names: &[], port: 1, parameters: &[], socket_file: None, needs_database: false, needed_fields: "" };
    let tls = Tls { mode, ..Tls::default() };
    let fields = Fields { host: Some("h"), user: Some("u"), tls: Some(&tls), ..Fields::default() };
    Target::new(fields, &scheme).unwrap()
}

#[test]
fn plain_text_is_only_what_the_mode_allows() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let transport = Transport::of_tcp(TcpStream::connect(server.local_addr().unwrap()).unwrap()).unwrap();
    assert!(transport.is_private() && !transport.is_encrypted() && !transport.is_local());
    for mode in [TlsMode::Disable, TlsMode::Prefer, TlsMode::Require, TlsMode::VerifyCa, TlsMode::VerifyFull] {
        let wants = |offered| transport.wants_tls(&target(mode), offered);
        assert_eq!(wants(true).unwrap(), mode != TlsMode::Disable);
        match wants(false) {
            Ok(wanted) => assert!(!wanted && matches!(mode, TlsMode::Disable | TlsMode::Prefer)),
            Err(e) => assert!(e.category() == Category::Auth && e.hint_text().is_some(), "{e}"),
        }
    }
}
