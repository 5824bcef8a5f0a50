//! Logging in: password, MD5 and SCRAM-SHA-256, as the server asks.

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256};
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
                Message::AuthenticationSasl(body) => return self.scram(&body),
                _ if self.must_be_bound() => return Err(unbound()),
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
                _ => {
                    return Err(Error::auth("the server asks for an authentication method that is not supported")
                        .hint("supported are trust, password, md5, scram-sha-256 and client certificates"));
                }
            }
        }
    }

    fn scram(&mut self, offer: &AuthenticationSaslBody) -> Result<()> {
        let (mechanism, binding) = self.mechanism(offer)?;
        let password = self.password()?;
        let mut scram = ScramSha256::new(password.expose().as_bytes(), binding);
        let mut out = BytesMut::new();
        frontend::sasl_initial_response(mechanism, scram.message(), &mut out).map_err(protocol)?;
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

    /// The best of the mechanisms on offer: the one that is bound to the TLS connection, which nobody in between can pass
    /// on, where both sides have it.
    fn mechanism(&self, offer: &AuthenticationSaslBody) -> Result<(&'static str, ChannelBinding)> {
        let offers = |mechanism: &str| offer.mechanisms().any(|m| Ok(m == mechanism)).map_err(protocol);
        let is_wanted = self.target.setting("channel_binding") != Some("disable");
        let end_point = if is_wanted { self.transport.end_point() } else { None };
        match end_point {
            Some(hash) if offers(SCRAM_SHA_256_PLUS)? => {
                Ok((SCRAM_SHA_256_PLUS, ChannelBinding::tls_server_end_point(hash)))
            }
            _ if self.must_be_bound() => Err(unbound()),
            // A server that did offer it learns by this that its offer was taken away on the way, and refuses.
            Some(_) if offers(SCRAM_SHA_256)? => Ok((SCRAM_SHA_256, ChannelBinding::unrequested())),
            None if offers(SCRAM_SHA_256)? => Ok((SCRAM_SHA_256, ChannelBinding::unsupported())),
            _ => Err(Error::auth("the server offers no SASL mechanism that is supported")
                .hint("let the server offer scram-sha-256")),
        }
    }

    /// Whether the log-in must be bound to the TLS connection.
    fn must_be_bound(&self) -> bool {
        self.target.setting("channel_binding") == Some("require")
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

fn unbound() -> Error {
    Error::auth("the log-in cannot be bound to a TLS connection to the server, as \"channel_binding=require\" demands")
        .hint("remove it from the URL: \"sslmode=verify-full\" protects against the same")
}
