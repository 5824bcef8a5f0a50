//! Logging in by the methods of MySQL and MariaDB, as the server asks. mysql_common knows how each answers.

use mysql_common::auth::plugins::{AuthProc, ChallengeResponsePlugin, Context, Response};
use mysql_common::io::ParseBuf;
use mysql_common::packets::{AuthPlugin, AuthSwitchRequest};
use rivet_plugin_api::{Error, Result, SecretString};

use super::Connection;
use crate::error::protocol;

/// What the methods want to know.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) password: &'a [u8],
    pub(super) nonce: &'a [u8],
    pub(super) is_tls: bool,
    /// Not over a network: nobody can listen.
    pub(super) is_local: bool,
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
    let exposes = matches!(plugin, AuthPlugin::MysqlClearPassword | AuthPlugin::MysqlOldPassword);
    if exposes && !facts.is_tls && !facts.is_local {
        return Err(Error::auth("the server asks for the password in plain text on an open network")
            .hint("use TLS (mode \"verify-full\"), or another authentication method for this user"));
    }
    let mut method = AuthProc::init(plugin).map_err(|_| unsupported(plugin))?;
    let response = method.run(facts, facts.nonce).map_err(|_| unsupported(plugin))?;
    Ok((method, response.data().unwrap_or_default().to_vec()))
}

fn unsupported(plugin: &AuthPlugin<'_>) -> Error {
    let name = String::from_utf8_lossy(plugin.as_bytes()).into_owned();
    Error::auth(format!("the server asks for the authentication method \"{name}\", which is not supported"))
        .hint("supported are caching_sha2_password, sha256_password, mysql_native_password and mysql_clear_password")
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
                    let facts = self.facts(&password, &nonce);
                    let response = method.run(facts, challenge).map_err(|e| protocol(format!("log-in: {e}")))?;
                    if let Response::Next { packet: Some(answer) } | Response::Last { packet: Some(answer) } = response
                    {
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
        }
    }
}
