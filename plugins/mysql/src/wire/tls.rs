//! Encryption: TLS on a connection whose server offers it, and whom to believe. Never falls back to plain text unless
//! the mode is `prefer` and the server itself declines.

use std::fs;
use std::io;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rivet_plugin_api::{Error, Result};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
    StreamOwned,
};

use super::transport::Transport;
use crate::error::io_error;
use crate::options::{Host, Target, Tls, TlsMode};

/// Whether to ask for TLS of a server that does or does not offer it.
pub(super) fn wanted(transport: &Transport, target: &Target, offered: bool) -> Result<bool> {
    match (transport, target.tls.mode) {
        (Transport::Tcp(_), TlsMode::Disable) => Ok(false),
        (Transport::Tcp(_), TlsMode::Prefer) => Ok(offered),
        (Transport::Tcp(_), _) if offered => Ok(true),
        (Transport::Tcp(_), _) => Err(Error::auth(format!("server \"{}\" does not offer TLS", target.name()))
            .hint("turn on TLS at the server, or set the TLS mode to \"prefer\" or \"disable\" and accept plain text")),
        // Nobody can listen on a socket of this machine.
        _ => Ok(false),
    }
}

/// The encrypted form of `transport`, over which TLS has been asked for.
pub(super) fn encrypt(transport: &Transport, target: &Target, deadline: Option<Instant>) -> Result<Transport> {
    let Transport::Tcp(stream) = transport else {
        return Err(Error::internal("TLS was asked for on a connection that cannot have it"));
    };
    let stream = stream.try_clone().map_err(|e| io_error(&e, &target.name(), "negotiate TLS with"))?;
    handshake(stream, target, deadline).map(|s| Transport::Tls(Box::new(s)))
}

fn handshake(
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
        patiently(deadline, || client.complete_io(&mut socket).map(drop)).map_err(|e| {
            match e.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
                Some(e) => tls_error(e, &server),
                None => io_error(&e, &server, "negotiate TLS with"),
            }
        })?;
    }
    Ok(StreamOwned::new(client, socket))
}

/// Repeats a read that gave up only because nothing came yet, until `deadline`.
fn patiently<T>(deadline: Option<Instant>, mut read: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match read() {
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
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
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            error.hint("give the authority's certificate as \"ca_file\"")
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => error.hint("connect by the name in the certificate, or use \"verify-ca\""),
        _ => error,
    }
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
    builder
        .with_client_auth_cert(certificates(cert_file, "cert_file")?, key)
        .map_err(|e| Error::config(format!("the client certificate cannot be used: {e}")))
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
            return Err(Error::config("this system has no trusted certificates")
                .hint("give the authority's certificate as \"ca_file\""));
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

/// Believes whoever answers, as `prefer` and `require` are documented to; still proves that it owns its certificate.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Demands a trusted authority, but not that the certificate names the host (`verify-ca`).
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        cert: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // The name is compared last: this error says that everything else was in order.
        match self.0.verify_server_cert(cert, chain, name, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
