//! Logging in by the methods of MySQL and MariaDB, as the server asks. mysql_common knows how each answers.

use mysql_common::auth::plugins::{AuthProc, ChallengeResponsePlugin, Context, Response};
use mysql_common::io::ParseBuf;
use mysql_common::packets::{AuthPlugin, AuthSwitchRequest};
use rivet_plugin_api::{Error, Result, SecretString};
use rivet_plugin_base::net::exposed;

use super::Connection;
use crate::error::protocol;

/// What `caching_sha2_password` sends for a user whose password is not in its cache.
const FULL_AUTHENTICATION: u8 = 4;

/// What the methods want to know.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) password: &'a [u8],
    pub(super) nonce: &'a [u8],
    pub(super) is_tls: bool,
    /// Not over a network: nobody can listen.
    pub(super) is_local: bool,
    /// Whether nobody can listen, so that the password itself may be sent.
    pub(super) is_private: bool,
}

impl Context for Facts<'_> {
    fn pass(&self) -> &[u8] {
        self.password
    }

    fn is_ipc_transport(&self) -> bool {
        self.is_local
    }

    fn is_tls_transport(&self) -> bool {
        self.is_tls
    }

    fn scramble(&self) -> &[u8] {
        self.nonce
    }

    fn server_key_pem(&self) -> Option<&[u8]> {
        None
    }
}

/// The first answer to `nonce` by a method, and the method, which later challenges go to.
pub(super) fn first_answer(plugin: &AuthPlugin<'_>, facts: Facts<'_>) -> Result<(AuthProc, Vec<u8>)> {
    let exposes =
        matches!(plugin, AuthPlugin::MysqlClearPassword | AuthPlugin::MysqlOldPassword | AuthPlugin::Sha256Password);
    if exposes && !facts.is_private {
        return Err(exposed());
    }
    let mut method = AuthProc::init(plugin).map_err(|_| unsupported(plugin))?;
    let response = method.run(facts, facts.nonce).map_err(|_| unsupported(plugin))?;
    Ok((method, response.data().unwrap_or_default().to_vec()))
}

/// The answer to a further challenge, if it wants one.
fn next_answer(method: &mut AuthProc, challenge: &[u8], facts: Facts<'_>) -> Result<Option<Vec<u8>>> {
    // The server does not know the user's password by hash yet, and wants it as it is: in plain text over TLS, else
    // encrypted with a key that it sends itself, which anybody could do.
    if matches!(method, AuthProc::CachingSha2Password(_)) && challenge == [FULL_AUTHENTICATION] && !facts.is_private {
        return Err(exposed());
    }
    match method.run(facts, challenge).map_err(|e| protocol(format!("log-in: {e}")))? {
        Response::Next { packet } | Response::Last { packet } => Ok(packet),
    }
}

fn unsupported(plugin: &AuthPlugin<'_>) -> Error {
    let name = String::from_utf8_lossy(plugin.as_bytes()).into_owned();
    Error::auth(format!("the server asks for the authentication method \"{name}\", which is not supported"))
        .hint("supported are caching_sha2_password, sha256_password, mysql_native_password, client_ed25519 and mysql_clear_password")
}

impl Connection {
    /// Answers the server until it lets us in.
    pub(super) fn authenticate(&mut self, mut method: AuthProc, first_nonce: Vec<u8>) -> Result<()> {
        let password = self.target.password.clone().unwrap_or_default();
        let mut nonce = first_nonce;
        loop {
            let message = self.message()?;
            let body = self.body(message).to_vec();
            match body.as_slice() {
                [0x00, ..] => return Ok(()),
                [0x01, challenge @ ..] => {
                    if let Some(answer) = next_answer(&mut method, challenge, self.facts(&password, &nonce))? {
                        self.answer(&answer)?;
                    }
                }
                [0xfe] => return Err(unsupported(&AuthPlugin::MysqlOldPassword)),
                [0xfe, ..] => {
                    let switch: AuthSwitchRequest<'_> = ParseBuf(&body).parse(()).map_err(protocol)?;
                    nonce = switch.plugin_data().to_vec();
                    let (next, answer) = first_answer(&switch.auth_plugin(), self.facts(&password, &nonce))?;
                    method = next;
                    self.answer(&answer)?;
                }
                _ => return Err(protocol("neither success nor a question at the log-in")),
            }
        }
    }

    fn answer(&mut self, body: &[u8]) -> Result<()> {
        let sequence = self.inbox.next_sequence();
        self.send(sequence, body)
    }

    pub(super) fn facts<'a>(&self, password: &'a SecretString, nonce: &'a [u8]) -> Facts<'a> {
        Facts {
            password: password.expose().as_bytes(),
            nonce,
            is_tls: self.transport.is_encrypted(),
            is_local: self.transport.is_local(),
            is_private: self.transport.is_private(),
        }
    }
}

#[cfg(test)]
mod tests {
    use rivet_plugin_api::Category;

    use super::*;

    const SECRET: &[u8] = b"S3CR3T-CANARY";

    fn facts(is_tls: bool, is_private: bool) -> Facts<'static> {
        Facts { password: SECRET, nonce: &[7; 20], is_tls, is_local: false, is_private }
    }

    fn holds_secret(answer: &[u8]) -> bool {
        answer.windows(SECRET.len()).any(|part| part == SECRET)
    }

    #[test]
    fn the_password_itself_goes_to_nobody_who_has_not_proved_who_they_are() {
        for plugin in [AuthPlugin::MysqlClearPassword, AuthPlugin::Sha256Password, AuthPlugin::MysqlOldPassword] {
            for is_tls in [false, true] {
                let error = first_answer(&plugin, facts(is_tls, false)).map(drop).unwrap_err();
                assert_eq!(error.category(), Category::Auth, "{plugin:?}");
                assert!(error.hint_text().is_some_and(|h| h.contains("verify-full")), "{error}");
            }
        }
        let (_, answer) = first_answer(&AuthPlugin::MysqlClearPassword, facts(true, true)).unwrap();
        assert!(holds_secret(&answer));
    }

    #[test]
    fn neither_does_it_when_the_server_has_forgotten_the_hash() {
        for (is_tls, is_private) in [(false, false), (true, false), (false, true), (true, true)] {
            let (mut method, first) =
                first_answer(&AuthPlugin::CachingSha2Password, facts(is_tls, is_private)).unwrap();
            assert!(first.len() == 32 && !holds_secret(&first));
            match next_answer(&mut method, &[FULL_AUTHENTICATION], facts(is_tls, is_private)) {
                Ok(answer) => assert!(is_private && holds_secret(&answer.unwrap()) == is_tls),
                Err(error) => assert!(!is_private && error.category() == Category::Auth, "{error}"),
            }
        }
    }
}
