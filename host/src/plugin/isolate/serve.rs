//! The other side: what the hidden command `rivet plugin-serve` does. It loads one plug-in, opens one handle, and does
//! as it is asked until the connection ends.

mod log;
mod session;

use std::collections::HashMap;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::{fs, io, thread};

use rivet_plugin_api::Cancel;
use rivet_plugin_api::abi::RvPlugin;
use rustix::process::{Resource, Rlimit, Signal, getpid, kill_process, set_parent_process_death_signal, setrlimit};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use self::session::Session;
use super::frame::{self, Frame, Kind, Lost};
use crate::{error, report};

/// Serves the host at the other end of standard input.
pub fn serve(linked: &[&'static RvPlugin]) -> ExitCode {
    match prepare() {
        Ok((out, tokens, frames)) => {
            Session::new(linked, out, tokens).run(&frames);
            ExitCode::SUCCESS
        }
        Err(e) => {
            report::eprint(&format!("error: only rivet itself starts this command: {e}\n"));
            ExitCode::from(error::exit::USAGE)
        }
    }
}

fn prepare() -> io::Result<(Out, Tokens, mpsc::Receiver<Frame>)> {
    let input: OwnedFd = io::stdin().as_fd().try_clone_to_owned()?;
    let socket = UnixStream::from(input);
    socket.peer_addr()?;
    // Nothing in this process reads frames by mistake.
    rustix::stdio::dup2_stdin(fs::File::open("/dev/null")?)?;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    // A service manager signals every process of a service. The host hears it too, and asks for an end in good order.
    let ignored = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&ignored))?;
    }
    let out = Out(Arc::new(Mutex::new(socket.try_clone()?)));
    log::install(out.clone());
    let tokens = Tokens::default();
    let frames = listen(socket, tokens.clone());
    Ok((out, tokens, frames))
}

/// Takes frames in as they come: a wish to stop is heard also while the plug-in works. When the connection ends, so does
/// this process, whatever the plug-in does.
fn listen(socket: UnixStream, tokens: Tokens) -> mpsc::Receiver<Frame> {
    let (arrived, frames) = mpsc::channel();
    thread::spawn(move || {
        // The host sends no longer batches than it has.
        while let Ok(frame) = frame::receive(&socket, u64::MAX, &mut || Ok(())) {
            if frame.kind == Kind::Cancel {
                let token = tokens.of(frame.channel);
                // What a plug-in does to stop may itself hang.
                if let Err(e) = thread::Builder::new().spawn(move || token.cancel()) {
                    tracing::warn!("no thread can be had to stop in: {e}");
                }
            } else if arrived.send(frame).is_err() {
                break;
            }
        }
        // Only a process that does not exist cannot be ended.
        let _ = kill_process(getpid(), Signal::KILL);
    });
    frames
}

/// The way back.
#[derive(Clone)]
struct Out(Arc<Mutex<UnixStream>>);

impl Out {
    /// A host that is gone hears nothing, and this process ends with the connection.
    fn send(&self, kind: Kind, channel: u32, parts: &[&[u8]]) {
        let socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(Lost::Broken(why)) = frame::send(&socket, kind, channel, parts, &mut || Ok(())) {
            report::eprint(&format!("could not answer: {why}\n"));
        }
    }
}

/// The host's wishes to stop, by channel. A wish may come before what it is for.
#[derive(Clone, Default)]
struct Tokens(Arc<Mutex<HashMap<u32, Cancel>>>);

impl Tokens {
    fn of(&self, channel: u32) -> Cancel {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(channel).or_default().clone()
    }

    fn forget(&self, channel: u32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&channel);
    }
}
