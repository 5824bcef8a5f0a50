//! Sources over a network: where the server is, how a connection to it is made, and whom to believe at its other end.

use std::io;

use rivet_plugin_api::Error;

mod target;
mod url;
mod address;
mod connect;
mod transport;
mod tls;

pub use target::{Fields, Host, Parameter, Scheme, Target, Tls, TlsMode};
pub use tls::read_patiently;
pub use transport::Transport;

#[cfg(feature = "object")]
pub(crate) use tls::{trusting, trusting_nobody};

/// The error for a failed read, write or connect, naming the server.
pub fn io_error(e: &io::Error, server: &str, doing: &str) -> Error {
    let text = match e.kind() {
        io::ErrorKind::UnexpectedEof => format!("server \"{server}\" closed the connection unexpectedly"),
        _ => format!("could not {doing} server \"{server}\": {}", plain(e)),
    };
    let error = Error::network(text);
    match e.kind() {
        io::ErrorKind::ConnectionRefused => error.hint("check host and port, and that the server listens there"),
        io::ErrorKind::NotFound => error.hint("check the path of the socket, and that the server runs"),
        _ => error,
    }
}

/// The error for a server that asks for the password itself on a connection that is not
/// [private](Transport::is_private).
pub fn exposed() -> Error {
    Error::auth("the server asks for the password itself, and the connection is not encrypted").hint(
        "set the TLS mode to \"verify-full\", or give the user an authentication method that does not send the password",
    )
}

/// Whether a read only reached the polling interval. Windows reports it as a time-out.
pub fn is_poll(e: &io::Error) -> bool {
    e.kind() == io::ErrorKind::WouldBlock || (cfg!(windows) && e.kind() == io::ErrorKind::TimedOut)
}

/// The system's text without Rust's "(os error 111)".
pub(crate) fn plain(e: &io::Error) -> String {
    let text = e.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use rivet_plugin_api::Category;

    use super::*;

    #[test]
    fn socket_errors_name_the_server_and_not_the_errno() {
        let refused = io::Error::from_raw_os_error(111);
        let error = io_error(&refused, "db:5432", "connect to");
        assert_eq!(error.to_string(), "could not connect to server \"db:5432\": connection refused");
        assert_eq!(error.category(), Category::Network);
    }
}
