//! The host's hold on the process of a plug-in: calls one at a time, each watched, and what is said when it ends before
//! its time.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::unix::net::UnixStream;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rivet_plugin_api::abi::{LogEvent, PluginLog};
use rivet_plugin_api::{Cancel, Error, Result};
use serde_json::Value;

use super::end::{End, Subject};
use super::frame::{self, Answer, Frame, HANDLE, Kind, Lost, Request};
use super::output::Output;
use super::{Limits, spawn};
use crate::clock::{self, Stopwatch};
use crate::plugin::Half;

/// How often a wait looks whether it should go on.
const LOOK: Duration = Duration::from_millis(100);

/// How long a plug-in may take to stop once it was asked to.
const GRACE: Duration = Duration::from_secs(5);

/// How many frames may come for a channel before they are asked for: a reader is asked for two batches ahead.
const EARLY: usize = 4;

/// What has arrived for the open channels before anybody has asked for it.
type Early = HashMap<u32, VecDeque<Frame>>;

/// The process of one handle.
pub struct Child {
    subject: Subject,
    socket: UnixStream,
    /// Held while a frame is sent.
    sending: Mutex<()>,
    /// Held during a call.
    turn: Mutex<Early>,
    /// Channels whose cancellation has not been sent.
    cancelled: Mutex<Vec<u32>>,
    process: Mutex<Process>,
    output: Output,
    log: Arc<PluginLog>,
    channels: AtomicU32,
}

struct Process {
    child: std::process::Child,
    status: Option<ExitStatus>,
    /// Why the host has ended it.
    killed: Option<End>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Child {
    /// Starts a process for one half, or only to ask what the plug-in is.
    pub fn start(
        name: &str,
        version: &str,
        limits: Limits,
        half: Option<Half>,
        log: Arc<PluginLog>,
    ) -> Result<Arc<Self>> {
        let failed = |e: io::Error| Error::from(e).context(format!("could not start a process for plug-in \"{name}\""));
        let started = spawn::start(half, limits.memory_mb.is_none()).map_err(failed)?;
        started.socket.set_read_timeout(Some(LOOK)).map_err(failed)?;
        started.socket.set_write_timeout(Some(LOOK)).map_err(failed)?;
        Ok(Arc::new(Self {
            subject: Subject { name: name.to_owned(), version: version.to_owned(), limits },
            socket: started.socket,
            sending: Mutex::default(),
            turn: Mutex::default(),
            cancelled: Mutex::default(),
            process: Mutex::new(Process { child: started.process, status: None, killed: None }),
            output: Output::listen(name, started.output),
            log,
            channels: AtomicU32::new(HANDLE + 1),
        }))
    }

    /// The name of the plug-in.
    pub fn plugin(&self) -> &str {
        &self.subject.name
    }

    /// A channel for a reader or writer.
    pub fn channel(&self) -> u32 {
        self.channels.fetch_add(1, Ordering::Relaxed)
    }

    /// Asks what `channel` is for to stop, at once where no other frame is being sent.
    pub fn cancel(&self, channel: u32) {
        lock(&self.cancelled).push(channel);
        self.send_cancelled();
    }

    fn send_cancelled(&self) {
        let Ok(_sending) = self.sending.try_lock() else { return };
        let mut cancelled = lock(&self.cancelled);
        // So few bytes go whole or not at all; when they do not, the next look tries again.
        let give_up = &mut || Err(Lost::GivenUp);
        cancelled.retain(|channel| {
            matches!(frame::send(&self.socket, Kind::Cancel, *channel, &[], give_up), Err(Lost::GivenUp))
        });
    }

    /// Runs a call, which is over when `talk` has its answers. `cancel` is what the call follows.
    pub fn call<T>(
        &self,
        name: &str,
        cancel: &Cancel,
        talk: impl FnOnce(&mut Talk<'_>) -> Result<Result<T>, Lost>,
    ) -> Result<T> {
        let mut turn = lock(&self.turn);
        let mut heard = Talk { child: self, early: &mut turn, watch: Watch::new(self, cancel) };
        match talk(&mut heard) {
            Ok(outcome) => outcome,
            Err(lost) => Err(self.lost(name, lost)),
        }
    }

    /// As [`Self::call`] for one request with one answer.
    pub fn ask(&self, name: &str, channel: u32, cancel: &Cancel, request: &Request) -> Result<Value> {
        self.call(name, cancel, |talk| {
            talk.request(channel, request)?;
            Ok(done(talk.answer(channel)?))
        })
    }

    /// Whether it still answers, as far as is known.
    pub fn is_alive(&self) -> bool {
        let process = lock(&self.process);
        process.status.is_none() && process.killed.is_none()
    }

    fn kill(&self, why: End) {
        let mut process = lock(&self.process);
        process.killed.get_or_insert(why);
        // One that has ended meanwhile needs no killing.
        let _ = process.child.kill();
    }

    /// Waits for the end, which has begun, and makes sure of it.
    fn reap(&self) -> io::Result<ExitStatus> {
        let watch = Stopwatch::start();
        loop {
            let mut process = lock(&self.process);
            if let Some(status) = process.status {
                return Ok(status);
            }
            if watch.elapsed() > GRACE {
                process.child.kill()?;
            }
            process.status = process.child.try_wait()?;
            drop(process);
            clock::sleep(Duration::from_millis(1), &Cancel::new());
        }
    }

    fn lost(&self, call: &str, lost: Lost) -> Error {
        match lost {
            Lost::Unsaid(error) => return error.context(format!("could not ask plug-in \"{}\"", self.plugin())),
            Lost::Broken(why) => self.kill(End::Nonsense(why)),
            Lost::Gone | Lost::GivenUp => {}
        }
        let status = match self.reap() {
            Ok(status) => status,
            Err(e) => return Error::from(e).context(format!("the process of plug-in \"{}\" is lost", self.plugin())),
        };
        let killed = lock(&self.process).killed.clone();
        let end = killed.unwrap_or_else(|| End::of(status));
        self.subject.explain(&end, call, &self.output.last())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It ends by itself when the connection does.
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
        if let Err(e) = self.reap() {
            tracing::warn!("the process of plug-in \"{}\" is lost: {e}", self.plugin());
        }
    }
}

/// Looks after one call: the time it takes, and whether it is still wanted.
struct Watch<'a> {
    child: &'a Child,
    cancel: &'a Cancel,
    running: Stopwatch,
    stopping: Option<Stopwatch>,
}

impl<'a> Watch<'a> {
    fn new(child: &'a Child, cancel: &'a Cancel) -> Self {
        Self { child, cancel, running: Stopwatch::start(), stopping: None }
    }

    /// Gives up on a plug-in that takes too long.
    fn look(&mut self) -> Result<(), Lost> {
        self.child.send_cancelled();
        if self.cancel.is_cancelled() && self.stopping.get_or_insert_with(Stopwatch::start).elapsed() > GRACE {
            self.child.kill(End::Deaf(GRACE.as_secs()));
            return Err(Lost::GivenUp);
        }
        let limit = self.child.subject.limits.call_timeout_s;
        if limit > 0 && self.running.elapsed() > Duration::from_secs(limit) {
            self.child.kill(End::Silent(limit));
            return Err(Lost::GivenUp);
        }
        Ok(())
    }
}

/// What is sent and received during one call.
pub struct Talk<'a> {
    child: &'a Child,
    early: &'a mut Early,
    watch: Watch<'a>,
}

impl Talk<'_> {
    /// From now on frames of `channel` may come whenever another one is waited for.
    pub fn open(&mut self, channel: u32) {
        self.early.insert(channel, VecDeque::new());
    }

    /// Nothing more is to come from `channel`.
    pub fn close(&mut self, channel: u32) {
        self.early.remove(&channel);
    }

    /// Sends a request.
    pub fn request(&mut self, channel: u32, request: &Request) -> Result<(), Lost> {
        let json = frame::encode(request).map_err(Lost::Unsaid)?;
        self.send(Kind::Message, channel, &[&json])
    }

    /// Sends a frame.
    pub fn send(&mut self, kind: Kind, channel: u32, parts: &[&[u8]]) -> Result<(), Lost> {
        let sent = {
            let _sending = lock(&self.child.sending);
            frame::send(&self.child.socket, kind, channel, parts, &mut || self.watch.look())
        };
        self.child.send_cancelled();
        sent
    }

    /// Waits for the next frame of `channel`.
    pub fn receive(&mut self, channel: u32) -> Result<Frame, Lost> {
        if let Some(frame) = self.early.get_mut(&channel).and_then(VecDeque::pop_front) {
            return Ok(frame);
        }
        let arrow = self.child.subject.limits.batch_bytes();
        loop {
            let frame = frame::receive(&self.child.socket, arrow, &mut || self.watch.look())?;
            match frame.kind {
                Kind::Log => self.log(&frame)?,
                _ if frame.channel == channel => return Ok(frame),
                _ => keep(self.early, frame)?,
            }
            // A plug-in that only logs does not let wait.
            self.watch.look()?;
        }
    }

    /// Waits for the answer to a request of `channel`.
    pub fn answer(&mut self, channel: u32) -> Result<Answer, Lost> {
        let frame = self.receive(channel)?;
        if frame.kind != Kind::Message {
            return Err(Lost::Broken("a batch instead of an answer".to_owned()));
        }
        answer_in(&frame)
    }

    fn log(&self, frame: &Frame) -> Result<(), Lost> {
        let event: LogEvent = serde_json::from_slice(&frame.body).map_err(|e| Lost::Broken(e.to_string()))?;
        self.child.log.tell(&event);
        Ok(())
    }
}

/// Keeps a frame for whoever will ask for it. A plug-in that sends what nobody will ever ask for would fill the memory.
fn keep(early: &mut Early, frame: Frame) -> Result<(), Lost> {
    match early.get_mut(&frame.channel) {
        Some(kept) if kept.len() < EARLY => kept.push_back(frame),
        _ => return Err(Lost::Broken(format!("an answer on channel {} that nobody asked for", frame.channel))),
    }
    Ok(())
}

/// The answer in a message.
pub fn answer_in(frame: &Frame) -> Result<Answer, Lost> {
    serde_json::from_slice(&frame.body).map_err(|e| Lost::Broken(e.to_string()))
}

/// The value of an answer that is not the end of anything.
pub fn done(answer: Answer) -> Result<Value> {
    match answer {
        Answer::Done(value) => Ok(value),
        Answer::End => Err(Error::internal("an end was answered where none can be")),
        Answer::Failed(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_somebody_will_ask_for_is_kept() {
        let frame = |channel| Frame { kind: Kind::Arrow, channel, body: Vec::new() };
        let mut early = Early::from([(1, VecDeque::new())]);
        for _ in 0..EARLY {
            keep(&mut early, frame(1)).unwrap();
        }
        for channel in [HANDLE, 1, 2] {
            let lost = keep(&mut early, frame(channel)).unwrap_err();
            assert!(matches!(lost, Lost::Broken(why) if why.contains("nobody asked for")), "{channel}");
        }
        assert_eq!(early.values().map(VecDeque::len).sum::<usize>(), EARLY);
    }
}
