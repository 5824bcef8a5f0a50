//! What the parts of one attempt share, and uploads in pieces, which are pending until they are completed.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rivet_plugin_api::{Cancel, Error, Result, ResultExt as _, WriteRequest, tracing};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::limits::Limits;
use super::xml::{Piece, Xml, etag_of};
use super::{Bucket, Clients, Found, runtime};
use crate::Published;

mod outcome;

pub(super) use outcome::{put, taken};

/// A permit stands for so many bytes.
const UNIT: usize = 1 << 10;

/// For everything that an attempt leaves to be given up. What is not done by then the next run does.
const GIVE_UP: Duration = Duration::from_secs(6);

/// What the parts of one attempt share.
pub(crate) struct Attempt {
    pub(super) bucket: Arc<Bucket>,
    pub(super) clients: Clients,
    pub(super) limits: Limits,
    /// Whether objects of an earlier attempt may be there.
    pub(super) replace: bool,
    pub(super) cancel: Cancel,
    room: Arc<Semaphore>,
    units: usize,
    failure: Mutex<Option<Error>>,
    uploads: Mutex<Vec<Arc<Upload>>>,
    is_flushed: AtomicBool,
    /// Bytes of further parts that wait in memory.
    held: AtomicU64,
    /// Memory of pieces that were sent, for those to come.
    spare: Mutex<Vec<Vec<u8>>>,
}

impl Attempt {
    pub(super) fn new(bucket: Arc<Bucket>, clients: Clients, request: &WriteRequest, cancel: Cancel) -> Self {
        let limits = Limits::of(request.memory_bytes);
        let units = limits.under_way / UNIT;
        Self {
            bucket,
            clients,
            limits,
            replace: request.replace,
            cancel,
            room: Arc::new(Semaphore::new(units)),
            units,
            failure: Mutex::default(),
            uploads: Mutex::default(),
            is_flushed: AtomicBool::new(false),
            held: AtomicU64::new(0),
            spare: Mutex::default(),
        }
    }

    /// An empty piece with room for `bytes` bytes.
    pub(super) fn empty_piece(&self, bytes: usize) -> Vec<u8> {
        let spare = lock(&self.spare).pop().filter(|spare| spare.capacity() >= bytes);
        spare.unwrap_or_else(|| Vec::with_capacity(bytes))
    }

    /// Keeps the memory of a piece that was sent, unless somebody still looks at it.
    fn reuse(&self, piece: Bytes) {
        if piece.is_unique() {
            let mut piece = Vec::from(piece);
            piece.clear();
            lock(&self.spare).push(piece);
        }
    }

    /// Whether a further part of `bytes` bytes may wait in memory until it is published.
    pub(super) fn holds(&self, bytes: usize) -> bool {
        let (bytes, most) = (bytes as u64, self.limits.piece as u64);
        let grown = |held: u64| Some(held + bytes).filter(|held| *held <= most);
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown).is_ok()
    }

    /// Begins an upload in pieces. The store hears of it with the first piece.
    pub(super) fn upload(self: &Arc<Self>, key: String) -> Arc<Upload> {
        let upload = Arc::new(Upload {
            attempt: Arc::clone(self),
            key,
            id: OnceCell::new(),
            in_doubt: AtomicBool::new(false),
            is_done: AtomicBool::new(false),
            next: AtomicU32::new(1),
            bytes: AtomicU64::new(0),
            pieces: Mutex::default(),
            tasks: Mutex::default(),
        });
        lock(&self.uploads).push(Arc::clone(&upload));
        upload
    }

    /// Waits until every piece of every part is with the store, once: nothing may become visible before.
    pub(super) fn flush(&self) -> Result<()> {
        if !self.is_flushed.swap(true, Ordering::SeqCst) {
            let uploads = lock(&self.uploads).clone();
            for upload in uploads {
                runtime::wait_unless(&self.cancel, upload.sent())?;
            }
        }
        self.check()
    }

    /// The first failure of what was sent in the background.
    fn check(&self) -> Result<()> {
        lock(&self.failure).clone().map_or(Ok(()), Err)
    }

    fn fail(&self, error: Error) {
        lock(&self.failure).get_or_insert(error);
    }

    /// Waits until `bytes` more may be under way. A piece that is larger than the bound goes alone.
    async fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit> {
        let units = bytes.div_ceil(UNIT).min(self.units);
        let permit = Arc::clone(&self.room).acquire_many_owned(u32::try_from(units).unwrap_or(u32::MAX)).await;
        permit.map_err(|_| Error::internal("the attempt was ended before"))
    }

    /// Gives up every upload that was not completed. `end` does so whatever the outcome was.
    pub(super) fn end(&self) -> Result<()> {
        let left: Vec<_> = lock(&self.uploads).drain(..).filter(|upload| !upload.is_done()).collect();
        if left.is_empty() {
            return Ok(());
        }
        let count = left.len();
        runtime::wait(async {
            let given_up = async {
                let mut outcome = Ok(());
                let mut waiting = left.iter();
                let mut running: FuturesUnordered<_> =
                    waiting.by_ref().take(8).map(|upload| upload.give_up()).collect();
                while let Some(ended) = running.next().await {
                    outcome = outcome.and(ended);
                    running.extend(waiting.next().map(|upload| upload.give_up()));
                }
                outcome
            };
            timeout(GIVE_UP, given_up).await.unwrap_or_else(|_| {
                Err(Error::timeout(format!("giving up {count} uploads took longer than {} s", GIVE_UP.as_secs())))
            })
        })
    }
}

/// An upload in pieces.
pub(crate) struct Upload {
    attempt: Arc<Attempt>,
    key: String,
    id: OnceCell<String>,
    /// Whether the store may have begun one whose id is not known here.
    in_doubt: AtomicBool,
    is_done: AtomicBool,
    next: AtomicU32,
    bytes: AtomicU64,
    pieces: Mutex<Vec<Piece>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Upload {
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Bytes of the next piece.
    pub(super) fn piece_bytes(&self) -> usize {
        self.attempt.limits.piece_bytes(self.next.load(Ordering::Relaxed))
    }

    /// Sends a piece in the background, once there is room for it.
    pub(super) fn push(self: &Arc<Self>, piece: Vec<u8>) -> Result<()> {
        self.attempt.check()?;
        let permit = runtime::wait_unless(&self.attempt.cancel, self.attempt.room(piece.len()))?;
        self.start(Bytes::from(piece), permit);
        Ok(())
    }

    /// Sends the first `bytes` bytes of a file in the background.
    pub(super) fn push_file(self: &Arc<Self>, file: File, bytes: u64) -> Result<()> {
        let upload = Arc::clone(self);
        let task = runtime::handle()?.spawn(async move {
            let outcome = upload.send_file(&file, bytes).await;
            if let Err(error) = outcome.context(|| format!("could not upload \"{}\"", upload.key)) {
                upload.attempt.fail(error);
            }
        });
        lock(&self.tasks).push(task);
        Ok(())
    }

    async fn send_file(self: &Arc<Self>, file: &File, bytes: u64) -> Result<()> {
        let mut offset = 0;
        while offset < bytes {
            let length = usize::try_from(bytes - offset).unwrap_or(usize::MAX).min(self.piece_bytes());
            let permit = self.attempt.room(length).await?;
            let mut piece = self.attempt.empty_piece(length);
            piece.resize(length, 0);
            file.read_exact_at(&mut piece, offset)?;
            offset += length as u64;
            self.start(Bytes::from(piece), permit);
        }
        Ok(())
    }

    /// Runs on the runtime of the caller or on that of the plug-in, which is the same.
    fn start(self: &Arc<Self>, piece: Bytes, permit: OwnedSemaphorePermit) {
        let Ok(runtime) = runtime::handle() else { return };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
        let upload = Arc::clone(self);
        let task = runtime.spawn(async move {
            match upload.send(number, piece.clone()).await {
                Ok(sent) => {
                    lock(&upload.pieces).push(sent);
                    upload.attempt.reuse(piece);
                }
                Err(error) => upload.attempt.fail(error),
            }
            drop(permit);
        });
        let mut tasks = lock(&self.tasks);
        tasks.retain(|task| !task.is_finished());
        tasks.push(task);
    }

    async fn send(&self, number: u32, piece: Bytes) -> Result<Piece> {
        let id = self.id.get_or_try_init(|| self.begin()).await?;
        let sent = self.xml().upload(&self.key, id, number, piece).await;
        sent.context(|| format!("could not upload piece {number} of \"{}\"", self.key))
    }

    async fn begin(&self) -> Result<String> {
        // Also when this is given up before the answer is there.
        self.in_doubt.store(true, Ordering::SeqCst);
        let (id, in_doubt) = self.xml().initiate(&self.key).await;
        self.in_doubt.store(in_doubt, Ordering::SeqCst);
        id.context(|| format!("could not begin the upload of \"{}\"", self.key))
    }

    /// Waits until everything that was pushed is with the store or has failed.
    async fn sent(&self) -> Result<()> {
        loop {
            let Some(task) = lock(&self.tasks).pop() else { return Ok(()) };
            let mut watched = Watched { task: Some(task), tasks: &self.tasks };
            if let Some(task) = &mut watched.task
                && task.await.is_err_and(|e| e.is_panic())
            {
                self.attempt.fail(Error::internal("an upload panicked"));
            }
            watched.task = None;
        }
    }

    /// Makes the object visible.
    pub(super) fn publish(&self) -> Result<Published> {
        runtime::wait_unless(&self.attempt.cancel, self.sent())?;
        self.attempt.check()?;
        let published = runtime::wait(self.complete())?;
        self.is_done.store(true, Ordering::SeqCst);
        Ok(published)
    }

    async fn complete(&self) -> Result<Published> {
        let Some(id) = self.id.get() else { return Err(Error::internal("nothing was uploaded")) };
        let mut pieces = std::mem::take(&mut *lock(&self.pieces));
        pieces.sort_unstable_by_key(|piece| piece.number);
        let expected = Found { bytes: self.bytes.load(Ordering::Relaxed), etag: Some(etag_of(&pieces)) };
        let outcome = outcome::complete(&self.attempt, &self.key, id, &pieces, &expected).await;
        if outcome.is_ok() && self.in_doubt.swap(false, Ordering::SeqCst) {
            self.give_up_unknown().await?;
        }
        outcome
    }

    fn is_done(&self) -> bool {
        self.is_done.load(Ordering::SeqCst)
    }

    /// Leaves nothing of the upload at the store.
    async fn give_up(&self) -> Result<()> {
        let tasks = std::mem::take(&mut *lock(&self.tasks));
        tasks.iter().for_each(JoinHandle::abort);
        for task in tasks {
            // Either way it has ended, and with it its request.
            let _ = task.await;
        }
        if let Some(id) = self.id.get() {
            let aborted = self.xml().abort(&self.key, id).await;
            aborted.context(|| format!("could not abort the upload of \"{}\"", self.key))?;
        }
        if self.in_doubt.load(Ordering::SeqCst) { self.give_up_unknown().await } else { Ok(()) }
    }

    /// Aborts uploads under this key that the store began without its answer arriving here.
    async fn give_up_unknown(&self) -> Result<()> {
        for pending in self.xml().list(&self.key).await?.uploads {
            if pending.key == self.key && self.id.get().is_none_or(|id| *id != pending.upload_id) {
                tracing::debug!(key = pending.key, "aborting an upload whose answer was lost");
                self.xml().abort(&pending.key, &pending.upload_id).await?;
            }
        }
        Ok(())
    }

    fn xml(&self) -> &Xml {
        &self.attempt.clients.xml
    }
}

/// A task that is waited for. It goes back to the others when the wait is given up, so that it can be ended with them.
struct Watched<'a> {
    task: Option<JoinHandle<()>>,
    tasks: &'a Mutex<Vec<JoinHandle<()>>>,
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        lock(self.tasks).extend(self.task.take());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
