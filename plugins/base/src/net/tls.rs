//! TLS: whom to believe, with which authorities, and who we are ourselves.

use std::fs;
use std::io;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rivet_plugin_api::{Error, Result};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{CertificateError, ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use self::verify::{AnyName, Anyone};
use super::{Host, Target, Tls, TlsMode, io_error, is_poll};

mod binding;
mod verify;

pub(super) use self::binding::end_point;

const CA_FILE: &str = "give the authority's certificate as \"ca_file\", or as its parameter of the URL";

/// Encrypts `socket`, over which the server has been asked for TLS.
pub(super) fn handshake(
    mut socket: TcpStream,
    target: &Target,
    deadline: Option<Instant>,
) -> Result<StreamOwned<ClientConnection, TcpStream>> {
    let Host::Tcp(host) = &target.host else {
        return Err(Error::internal("TLS on a Unix socket"));
    };
    let name = ServerName::try_from(host.clone())
        .map_err(|_| Error::config(format!("host \"{host}\" is no name that a certificate can hold")))?;
    let mut client = ClientConnection::new(Arc::new(client_config(&target.tls)?), name)
        .map_err(|e| Error::config(format!("could not prepare TLS: {e}")))?;
    let server = target.name();
    while client.is_handshaking() {
        read_patiently(deadline, || client.complete_io(&mut socket).map(drop)).map_err(|e| {
            match e.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
                Some(e) => tls_error(e, &server),
                None => io_error(&e, &server, "negotiate TLS with"),
            }
        })?;
    }
    Ok(StreamOwned::new(client, socket))
}

/// Repeats a read that gave up only because nothing came yet, until `deadline`.
pub fn read_patiently<T>(deadline: Option<Instant>, mut read: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match read() {
            Err(e) if is_poll(&e) || e.kind() == io::ErrorKind::Interrupted => {
                if deadline.is_some_and(|d| Instant::now() >= d) {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time"));
                }
            }
            done => return done,
        }
    }
}

fn tls_error(e: &rustls::Error, server: &str) -> Error {
    let error = Error::auth(format!("could not negotiate TLS with server \"{server}\": {e}"));
    match e {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => error.hint(CA_FILE),
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => error.hint("connect by the name in the certificate, or use \"verify-ca\""),
        _ => error,
    }
}

/// Settings that believe the names of certificates of `ca_file`, or of the authorities that the system trusts.
#[cfg(feature = "object")]
pub(crate) fn trusting(ca_file: Option<std::path::PathBuf>) -> Result<ClientConfig> {
    client_config(&Tls { mode: TlsMode::VerifyFull, ca_file, ..Tls::default() })
}

/// Settings that believe no certificate, for connections without encryption.
#[cfg(feature = "object")]
pub(crate) fn trusting_nobody() -> Result<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::internal(format!("TLS provider: {e}")))?;
    Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

fn client_config(tls: &Tls) -> Result<ClientConfig> {
    // Given explicitly: a process-wide default provider would depend on what else is linked.
    let provider = Arc::new(ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match tls.mode {
        TlsMode::Disable | TlsMode::Prefer | TlsMode::Require => Arc::new(Anyone(Arc::clone(&provider))),
        TlsMode::VerifyCa => Arc::new(AnyName(authorities(tls, &provider)?)),
        TlsMode::VerifyFull => authorities(tls, &provider)?,
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::internal(format!("TLS provider: {e}")))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let (Some(cert_file), Some(key_file)) = (&tls.cert_file, &tls.key_file) else {
        return Ok(builder.with_no_client_auth());
    };
    let key = PrivateKeyDer::from_pem_slice(&read_file(key_file, "key_file")?)
        .map_err(|_| no_pem(key_file, "key_file", "an unencrypted private key"))?;
    builder.with_client_auth_cert(certificates(cert_file, "cert_file")?, key).map_err(|e| {
        tracing::debug!("the client certificate was refused: {e}");
        Error::config("the client certificate and its key cannot be used")
            .hint("the certificate must be one of X.509 version 3, and \"key_file\" must hold its key")
    })
}

/// Verifies against `ca_file`, or against the authorities that the system trusts.
fn authorities(tls: &Tls, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = &tls.ca_file {
        for certificate in certificates(file, "ca_file")? {
            roots
                .add(certificate)
                .map_err(|e| Error::config(format!("\"ca_file\" holds an unusable certificate: {e}")))?;
        }
    } else {
        let native = rustls_native_certs::load_native_certs();
        for error in &native.errors {
            tracing::debug!("could not read some of the system's certificates: {error}");
        }
        roots.add_parsable_certificates(native.certs);
        if roots.is_empty() {
            return Err(Error::config("this system has no trusted certificates").hint(CA_FILE));
        }
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|e| Error::config(format!("could not prepare certificate checks: {e}")))
}

fn certificates(file: &Path, option: &str) -> Result<Vec<CertificateDer<'static>>> {
    let list: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read_file(file, option)?).collect();
    match list {
        Ok(list) if !list.is_empty() => Ok(list),
        _ => Err(no_pem(file, option, "a certificate")),
    }
}

fn read_file(file: &Path, option: &str) -> Result<Vec<u8>> {
    fs::read(file).map_err(|e| Error::config(format!("could not read \"{option}\" file \"{}\": {e}", file.display())))
}

fn no_pem(file: &Path, option: &str, what: &str) -> Error {
    Error::config(format!("\"{option}\" file \"{}\" does not hold {what} in PEM form", file.display()))
}
