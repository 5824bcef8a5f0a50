//! A proxy between the binary and a store, which does to chosen requests what networks and overloaded stores do. It hands
//! everything else on as it is, `Host` included, so that signatures stay valid.

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use crate::Step;
use crate::http::{Message, answer};

/// What happens to a request.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// The store does not see it; this comes back: a status, further headers, a body.
    Answer(u16, &'static [(&'static str, &'static str)], &'static str),
    /// The store does what it says, and the connection is reset before the answer.
    Lost,
    /// The connection is reset after so many bytes of its body.
    ResetBody(usize),
    /// The store answers, and the connection is reset after so many bytes of the answer's body.
    ResetAnswer(usize),
    /// The store gets so many bytes fewer.
    Truncate(usize),
    /// The store gets a body in which this byte is another.
    Flip(usize),
    /// It reaches the store later.
    Delay(Duration),
    /// Nothing happens any more, and the connection stays open.
    Silence,
}

/// Which requests have which trouble.
#[derive(Clone, Debug)]
pub struct Rule {
    step: Step,
    pattern: String,
    /// How many requests pass before.
    skip: u32,
    /// How many are hit then.
    times: u32,
    trouble: Trouble,
}

impl Rule {
    /// Every request for `step` has `trouble`.
    pub fn new(step: Step, trouble: Trouble) -> Self {
        Self { step, pattern: String::new(), skip: 0, times: u32::MAX, trouble }
    }

    /// Only those in whose path and query `pattern` occurs.
    #[must_use]
    pub fn at(self, pattern: &str) -> Self {
        Self { pattern: pattern.to_owned(), ..self }
    }

    /// Only from the n-th on, counted from 1.
    #[must_use]
    pub fn from(self, number: u32) -> Self {
        Self { skip: number - 1, ..self }
    }

    /// Only so many of them.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    /// Whether it hits this request, of which it takes note.
    fn hits(&mut self, step: Step, target: &str) -> bool {
        if step != self.step || !target.contains(&self.pattern) || self.times == 0 {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.times -= 1;
        true
    }
}

/// A request that came by.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What it was for.
    pub step: Step,
    /// Its path and query.
    pub target: String,
    /// What the client was answered; 0 when nothing.
    pub status: u16,
    /// Whether it had trouble.
    pub is_hit: bool,
}

/// A listener on a port of its own; what connects there talks to the store.
pub struct HttpProxy {
    /// Its address, to be used in place of the store's.
    pub url: String,
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    rules: Vec<Rule>,
    seen: Vec<Seen>,
    is_over: bool,
}

impl HttpProxy {
    /// A proxy that hands everything on to the store at `url`.
    pub fn new(url: &str) -> Self {
        let server: SocketAddr = url.strip_prefix("http://").unwrap().trim_end_matches('/').parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let theirs = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if lock(&theirs).is_over {
                    return;
                }
                let shared = Arc::clone(&theirs);
                thread::spawn(move || while_open(client, server, &shared));
            }
        });
        Self { url: format!("http://{address}"), address, shared }
    }

    /// Adds a rule. The first that hits a request counts.
    pub fn add(&self, rule: Rule) {
        lock(&self.shared).rules.push(rule);
    }

    /// Takes all rules away.
    pub fn heal(&self) {
        lock(&self.shared).rules.clear();
    }

    /// What came by so far.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.shared).seen.clone()
    }

    /// How many requests for `step` came by so far.
    pub fn count(&self, step: Step) -> usize {
        lock(&self.shared).seen.iter().filter(|seen| seen.step == step).count()
    }

    /// How many requests had trouble so far.
    pub fn hit(&self) -> usize {
        lock(&self.shared).seen.iter().filter(|seen| seen.is_hit).count()
    }
}

impl Drop for HttpProxy {
    fn drop(&mut self) {
        lock(&self.shared).is_over = true;
        // Wakes the listener, which sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves one connection of the binary with one to the store.
fn while_open(client: TcpStream, server: SocketAddr, shared: &Mutex<Shared>) {
    let Ok(store) = TcpStream::connect(server) else { return };
    let _ = (client.set_nodelay(true), store.set_nodelay(true));
    let mut pair = Pair { client: BufReader::new(client), store: BufReader::new(store) };
    while let Some(head) = Message::read_head(&mut pair.client) {
        let step = Step::of(&head);
        let target = head.target().to_owned();
        let trouble =
            lock(shared).rules.iter_mut().find_map(|rule| rule.hits(step, &target).then(|| rule.trouble.clone()));
        let is_hit = trouble.is_some();
        // Noted before the answer is out, so that whoever has it finds the request here.
        let note = |status: u16| lock(shared).seen.push(Seen { step, target: target.clone(), status, is_hit });
        if pair.pass(head, trouble, note).is_none() {
            return;
        }
    }
}

struct Pair {
    client: BufReader<TcpStream>,
    store: BufReader<TcpStream>,
}

impl Pair {
    /// Handles one request; `None` when the connection is over.
    fn pass(&mut self, mut request: Message, trouble: Option<Trouble>, note: impl Fn(u16)) -> Option<()> {
        request.invite_body(self.client.get_mut())?;
        if let Some(Trouble::ResetBody(bytes)) = trouble {
            note(0);
            let length = bytes.min(request.length().unwrap_or(0));
            self.client.read_exact(&mut vec![0; length]).ok()?;
            return self.reset();
        }
        request.read_body(&mut self.client)?;
        match trouble {
            Some(Trouble::Answer(status, headers, body)) => {
                note(status);
                return answer(status, headers, body).send(self.client.get_mut());
            }
            Some(Trouble::Silence) => {
                note(0);
                // Until the binary gives up, or the test ends.
                return self.client.read_to_end(&mut Vec::new()).ok().and(None);
            }
            Some(Trouble::Truncate(bytes)) => request.body.truncate(request.body.len().saturating_sub(bytes)),
            Some(Trouble::Flip(at)) => {
                let at = at.min(request.body.len().saturating_sub(1));
                if let Some(byte) = request.body.get_mut(at) {
                    *byte ^= 1;
                }
            }
            Some(Trouble::Delay(time)) => thread::sleep(time),
            _ => {}
        }
        request.send(self.store.get_mut())?;
        let mut reply = Message::read_head(&mut self.store)?;
        reply.read_answer_body(&mut self.store, request.method())?;
        match trouble {
            Some(Trouble::Lost) => {
                note(0);
                self.reset()
            }
            Some(Trouble::ResetAnswer(bytes)) => {
                note(0);
                let mut sent = reply.head();
                sent.extend_from_slice(&reply.body[..bytes.min(reply.body.len())]);
                self.client.get_mut().write_all(&sent).ok()?;
                thread::sleep(Duration::from_millis(50));
                self.reset()
            }
            _ => {
                note(reply.status());
                reply.send(self.client.get_mut())
            }
        }
    }

    /// Ends the connection as a crash does, not as a goodbye.
    fn reset(&mut self) -> Option<()> {
        let client = self.client.get_ref();
        let _ = SockRef::from(client).set_linger(Some(Duration::ZERO));
        None
    }
}
