//! Starts the process of a plug-in: this very binary again, with what it says on a pipe and the frames on its standard
//! input, and nothing of the environment but what connectors need.

use std::ffi::{OsStr, OsString};
use std::io::{self, PipeReader};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::thread;

use crate::distribution;
use crate::plugin::Half;

/// The hidden command that serves a plug-in.
pub const COMMAND: &str = "plugin-serve";

/// What passes on from the environment: where programs, libraries, temporary files and configuration are, the language
/// and time zone, roots of trust, proxies, and what logs. Options come over the connection.
const KEPT: [&str; 19] = [
    "PATH",
    "HOME",
    "USER",
    "TZ",
    "LANG",
    "LANGUAGE",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "LD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "RUST_LOG",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "ALL_PROXY",
];

/// Families of such variables, among them those in which the chains of default credentials look.
const KEPT_FAMILIES: [&str; 5] = ["LC_", "AWS_", "GOOGLE_", "CLOUDSDK_", "GCE_METADATA_"];

/// How much of a batch is on its way before the other side has to take it.
const SENT_BYTES: usize = 1 << 20;

/// A process that has been started.
pub struct Started {
    pub process: Child,
    /// The host's end of the connection.
    pub socket: UnixStream,
    /// What it prints where it should not.
    pub output: PipeReader,
}

/// Starts a process. Only a destination gets this one's standard output, which may be where its data goes. Without
/// `arenas` the C library keeps few pools of memory, each of which takes address space.
pub fn start(half: Option<Half>, arenas: bool) -> io::Result<Started> {
    let (socket, theirs) = UnixStream::pair()?;
    for end in [&socket, &theirs] {
        // The system may allow less, which is only slower.
        rustix::net::sockopt::set_socket_send_buffer_size(end, SENT_BYTES)?;
    }
    let (output, writer) = io::pipe()?;
    // The file that runs now, also when another one has taken its place by name.
    let mut command = Command::new("/proc/self/exe");
    command.arg0(distribution::name()).arg(COMMAND).env_clear().envs(environment(std::env::vars_os()));
    if !arenas {
        command.env("MALLOC_ARENA_MAX", "2");
    }
    let stdout = match half {
        Some(Half::Destination) => Stdio::inherit(),
        _ => Stdio::from(writer.try_clone()?),
    };
    command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(stdout).stderr(writer);
    // Ctrl-C is for the host, which then asks its plug-ins to stop.
    command.process_group(0);
    Ok(Started { process: spawn(command)?, socket, output })
}

fn environment(all: impl Iterator<Item = (OsString, OsString)>) -> impl Iterator<Item = (OsString, OsString)> {
    let is_kept = |name: &OsStr| {
        let name = name.to_string_lossy();
        KEPT.contains(&&*name) || KEPT_FAMILIES.iter().any(|family| name.starts_with(family))
    };
    all.filter(move |(name, _)| is_kept(name))
}

/// Starts it from a thread that lives as long as this process: the kernel ends a child with the thread that started it.
fn spawn(command: Command) -> io::Result<Child> {
    type Order = (Command, mpsc::Sender<io::Result<Child>>);
    static SPAWNER: OnceLock<Mutex<mpsc::Sender<Order>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (orders, taken) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, answer) in taken {
                // Nobody waits any more when this fails, and then nobody needs the child.
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });
    let (answer, started) = mpsc::channel();
    let gone = |_| io::Error::other("the thread that starts processes has ended");
    spawner.lock().unwrap_or_else(PoisonError::into_inner).send((command, answer)).map_err(|e| gone(e.to_string()))?;
    started.recv().map_err(|e| gone(e.to_string()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_connectors_need_passes_on() {
        let pairs = ["PATH", "AWS_PROFILE", "LC_ALL", "DATABASE_URL", "PGPASSWORD", "AWSOME", "GOOGLE_X"];
        let all = pairs.into_iter().map(|name| (OsString::from(name), OsString::from("x")));
        let kept: Vec<_> = environment(all).map(|(name, _)| name).collect();
        assert_eq!(kept, ["PATH", "AWS_PROFILE", "LC_ALL", "GOOGLE_X"]);
    }
}
