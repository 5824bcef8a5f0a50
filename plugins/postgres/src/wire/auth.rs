//! Logging in: password, MD5 and SCRAM-SHA-256, as the server asks.

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::{AuthenticationSaslBody, Message};
use postgres_protocol::message::frontend;
use rivet_plugin_api::{Error, Result, SecretString};
use rivet_plugin_base::net::exposed;

use super::Connection;
use crate::error::protocol;

impl Connection {
    /// Answers the server until it lets us in.
    pub(super) fn authenticate(&mut self) -> Result<()> {
        loop {
            match self.message()? {
                Message::AuthenticationOk => return Ok(()),
                Message::AuthenticationCleartextPassword => {
                    if !self.transport.is_private() {
                        return Err(exposed());
                    }
                    let password = self.password()?;
                    self.send_password(password.expose().as_bytes())?;
                }
                Message::AuthenticationMd5Password(body) => {
                    let password = self.password()?;
                    let hash = md5_hash(self.target.user.as_bytes(), password.expose().as_bytes(), body.salt());
                    self.send_password(hash.as_bytes())?;
                }
                Message::AuthenticationSasl(body) => return self.scram(&body),
                _ => {
                    return Err(Error::auth("the server asks for an authentication method that is not supported")
                        .hint("supported are trust, password, md5, scram-sha-256 and client certificates"));
                }
            }
        }
    }

    fn scram(&mut self, offer: &AuthenticationSaslBody) -> Result<()> {
        let mut offered = offer.mechanisms();
        if !offered.any(|m| Ok(m == SCRAM_SHA_256)).map_err(protocol)? {
            return Err(Error::auth("the server offers no SASL mechanism that is supported")
                .hint("let the server offer scram-sha-256"));
        }
        let password = self.password()?;
        let mut scram = ScramSha256::new(password.expose().as_bytes(), ChannelBinding::unsupported());
        let mut out = BytesMut::new();
        frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), &mut out).map_err(protocol)?;
        self.send(&out)?;
        let Message::AuthenticationSaslContinue(body) = self.message()? else {
            return Err(protocol("no SASL challenge"));
        };
        scram.update(body.data()).map_err(protocol)?;
        out.clear();
        frontend::sasl_response(scram.message(), &mut out).map_err(protocol)?;
        self.send(&out)?;
        let Message::AuthenticationSaslFinal(body) = self.message()? else {
            return Err(protocol("no final SASL message"));
        };
        scram.finish(body.data()).map_err(|_| {
            Error::auth("the server could not prove that it knows the password")
                .hint("somebody may be posing as the server: check host and TLS")
        })?;
        match self.message()? {
            Message::AuthenticationOk => Ok(()),
            _ => Err(protocol("no end of the authentication")),
        }
    }

    fn password(&self) -> Result<SecretString> {
        self.target.password.clone().ok_or_else(|| {
            Error::auth(format!("the server asks for a password of user \"{}\", and none is given", self.target.user))
                .hint("give one with \"password_env\", or in the URL")
        })
    }

    fn send_password(&mut self, password: &[u8]) -> Result<()> {
        let mut out = BytesMut::new();
        frontend::password_message(password, &mut out).map_err(protocol)?;
        self.send(&out)
    }
}
