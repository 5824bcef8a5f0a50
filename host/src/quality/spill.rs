//! Keys that do not fit in memory, in one temporary file without a name that all workers share. A run gives its place
//! back when it is dropped, so an attempt that is forgotten leaves nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::marker::PhantomData;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rivet_plugin_api::{Error, Result};

use super::key::{BUCKETS, Key};

/// Bytes that are read at once.
const BLOCK: u64 = 256 << 10;

/// Before the keys of a run: by bucket the number of keys before it, and the number of all, each in 4 bytes.
const HEADER: usize = (BUCKETS + 1) * 4;

/// The file, made when the first run is written.
#[derive(Debug)]
pub struct Spill {
    dir: PathBuf,
    room: Mutex<Room>,
}

#[derive(Debug, Default)]
struct Room {
    file: Option<Arc<File>>,
    end: u64,
    /// Bytes by offset that nobody uses. Neighbours are joined.
    free: BTreeMap<u64, u64>,
}

impl Spill {
    /// A file in `dir` when it is needed.
    pub fn new(dir: PathBuf) -> Arc<Self> {
        Arc::new(Self { dir, room: Mutex::default() })
    }

    /// Writes keys, bucket by bucket.
    pub fn write<K: Key>(self: &Arc<Self>, keys: &[K]) -> Result<Run<K>> {
        let mut next = [0; BUCKETS];
        for key in keys {
            next[key.bucket()] += 1;
        }
        let mut bytes = vec![0; HEADER + keys.len() * K::BYTES];
        let (header, body) = bytes.split_at_mut(HEADER);
        let mut before = 0_u32;
        for (count, place) in next.iter_mut().zip(header.chunks_exact_mut(4)) {
            place.copy_from_slice(&before.to_le_bytes());
            before += std::mem::replace(count, before);
        }
        header[HEADER - 4..].copy_from_slice(&before.to_le_bytes());
        for key in keys {
            let place = &mut next[key.bucket()];
            let at = *place as usize * K::BYTES;
            key.put(&mut body[at..at + K::BYTES]);
            *place += 1;
        }
        let run = self.take(bytes.len() as u64)?;
        run.file.write_all_at(&bytes, run.offset).map_err(|e| self.failed("write", &e))?;
        Ok(run)
    }

    /// A place in the file.
    fn take<K>(self: &Arc<Self>, bytes: u64) -> Result<Run<K>> {
        let mut room = self.lock();
        let file = match &room.file {
            Some(file) => Arc::clone(file),
            None => Arc::new(tempfile::tempfile_in(&self.dir).map_err(|e| self.failed("create", &e))?),
        };
        room.file = Some(Arc::clone(&file));
        Ok(Run { spill: Arc::clone(self), file, offset: room.take(bytes), bytes, of: PhantomData })
    }

    fn lock(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, doing: &str, e: &io::Error) -> Error {
        let text = format!("could not {doing} the temporary file for `unique_columns` in \"{}\"", self.dir.display());
        let hint = "a unique column takes 8 or 16 bytes a row: free space there, or set TMPDIR to another directory";
        match e.kind() {
            ErrorKind::StorageFull => Error::permanent(format!("{text}: no space left on device")).code("ENOSPC"),
            _ => Error::permanent(format!("{text}: {e}")),
        }
        .hint(hint)
    }
}

impl Room {
    /// The offset of `bytes` bytes that nobody uses.
    fn take(&mut self, bytes: u64) -> u64 {
        let fitting = self.free.iter().find(|(_, free)| **free >= bytes).map(|(offset, free)| (*offset, *free));
        let Some((offset, free)) = fitting else {
            self.end += bytes;
            return self.end - bytes;
        };
        self.free.remove(&offset);
        if free > bytes {
            self.free.insert(offset + bytes, free - bytes);
        }
        offset
    }

    fn give_back(&mut self, mut offset: u64, mut bytes: u64) {
        if let Some(after) = self.free.remove(&(offset + bytes)) {
            bytes += after;
        }
        if let Some((before, free)) = self.free.range(..offset).next_back().map(|(o, b)| (*o, *b))
            && before + free == offset
        {
            (offset, bytes) = (before, free + bytes);
        }
        self.free.insert(offset, bytes);
    }
}

/// Keys in the file.
#[derive(Debug)]
pub struct Run<K> {
    spill: Arc<Spill>,
    file: Arc<File>,
    offset: u64,
    bytes: u64,
    of: PhantomData<K>,
}

impl<K: Key> Run<K> {
    /// Reads the keys of a bucket. `block` is memory to be used again.
    pub fn each(&self, bucket: usize, block: &mut Vec<u8>, mut take: impl FnMut(K)) -> Result<()> {
        let (mut at, end) = self.bucket(bucket)?;
        while at < end {
            block.resize((end - at).min(BLOCK) as usize, 0);
            self.read_at(block, at)?;
            block.chunks_exact(K::BYTES).for_each(|bytes| take(K::get(bytes)));
            at += block.len() as u64;
        }
        Ok(())
    }

    /// How many keys a bucket has.
    pub fn count(&self, bucket: usize) -> Result<usize> {
        let (start, end) = self.bucket(bucket)?;
        Ok((end - start) as usize / K::BYTES)
    }

    /// Where a bucket begins and ends in the run.
    fn bucket(&self, bucket: usize) -> Result<(u64, u64)> {
        let mut pair = [0; 8];
        self.read_at(&mut pair, bucket as u64 * 4)?;
        let [a, b, c, d, e, f, g, h] = pair;
        let at = |bytes| HEADER as u64 + u64::from(u32::from_le_bytes(bytes)) * K::BYTES as u64;
        Ok((at([a, b, c, d]), at([e, f, g, h])))
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> Result<()> {
        self.file.read_exact_at(bytes, self.offset + at).map_err(|e| self.spill.failed("read", &e))
    }
}

impl<K> Drop for Run<K> {
    fn drop(&mut self) {
        self.spill.lock().give_back(self.offset, self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;

    fn over(file: File) -> Arc<Spill> {
        let room = Room { file: Some(Arc::new(file)), ..Room::default() };
        Arc::new(Spill { dir: "tmp".into(), room: Mutex::new(room) })
    }

    #[test]
    fn keys_come_back_by_bucket() {
        let spill = Spill::new(std::env::temp_dir());
        let keys: Vec<u64> = (0..100_000_u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        let runs = [spill.write(&keys[..60_000]).unwrap(), spill.write(&keys[60_000..]).unwrap()];
        let mut read = Vec::new();
        for bucket in 0..BUCKETS {
            for run in &runs {
                let before = read.len();
                run.each(bucket, &mut Vec::new(), |key: u64| read.push(key)).unwrap();
                assert_eq!(run.count(bucket).unwrap(), read.len() - before);
                assert!(read[before..].iter().all(|key| u64::all(bucket).contains(key)));
            }
        }
        let sorted = |mut keys: Vec<u64>| {
            keys.sort_unstable();
            keys
        };
        assert_eq!(sorted(read), sorted(keys));
    }

    #[test]
    fn a_dropped_run_gives_its_place_back() {
        let spill = Spill::new(std::env::temp_dir());
        let write = |keys: usize| spill.write(&vec![1_u64; keys]).unwrap();
        let (first, second, third, last) = (write(10), write(10), write(10), write(1));
        let (start, end) = (first.offset, spill.lock().end);
        drop((second, first, third));
        assert_eq!(spill.lock().free.len(), 1, "neighbours are joined");
        let again = write(30);
        assert_eq!((again.offset, spill.lock().end), (start, end));
        drop((again, last));
        assert_eq!(spill.lock().free, BTreeMap::from([(0, end)]));
    }

    #[test]
    fn a_full_disk_is_an_error_and_leaks_nothing() {
        let full = over(OpenOptions::new().write(true).open("/dev/full").unwrap());
        let error = full.write(&[1_u64, 2]).unwrap_err();
        let expected = "could not write the temporary file for `unique_columns` in \"tmp\": no space left on device";
        assert_eq!(error.to_string(), format!("{expected} (ENOSPC)"));
        let room = full.lock();
        assert_eq!(room.free.values().sum::<u64>(), room.end);
    }

    #[test]
    fn a_file_that_was_cut_is_an_error() {
        let spill = Spill::new(std::env::temp_dir());
        let run = spill.write(&[u64::MAX; 1_000]).unwrap();
        run.file.set_len(HEADER as u64 + 800).unwrap();
        let error = run.each(BUCKETS - 1, &mut Vec::new(), |_| ()).unwrap_err();
        assert!(error.to_string().starts_with("could not read the temporary file"), "{error}");
    }
}
