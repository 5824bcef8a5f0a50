//! A copy of a library that nobody can change any more, and its checksum.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use sha2::{Digest as _, Sha256};

/// How large a plug-in may be: far more than any is, and little enough to be read and kept.
const MOST_BYTES: u64 = 1 << 30;

/// A file in memory that is sealed: what was hashed is what gets loaded, whoever may write to the original.
pub struct Sealed {
    /// The copy.
    pub file: File,
    /// Its SHA-256 in lower hex.
    pub sha256: String,
}

/// Copies an opened file into memory, seals the copy and says what is in it.
pub fn seal(path: &Path, file: &File) -> io::Result<Sealed> {
    check_size(file)?;
    let mut copy = memory(path)?;
    let sha256 = hash(file, MOST_BYTES, |bytes| copy.write_all(bytes))?;
    fcntl_add_seals(&copy, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(Sealed { file: copy, sha256 })
}

/// The SHA-256 of an opened file in lower hex.
pub fn sha256(file: &File) -> io::Result<String> {
    hash(file, u64::MAX, |_| Ok(()))
}

/// As [`sha256`] of what may be a plug-in. Whoever put it there may have made it as large as they liked.
pub fn library_sha256(file: &File) -> io::Result<String> {
    check_size(file)?;
    hash(file, MOST_BYTES, |_| Ok(()))
}

fn check_size(file: &File) -> io::Result<()> {
    if file.metadata()?.len() > MOST_BYTES { Err(too_large()) } else { Ok(()) }
}

fn too_large() -> io::Error {
    io::Error::other(format!("it is larger than any plug-in, which has at most {MOST_BYTES} bytes"))
}

/// A file in memory that may be executed. Kernels before 6.3 do not know the flag that asks for it, and need none.
fn memory(path: &Path) -> io::Result<File> {
    // Debuggers and `/proc/PID/maps` show the name, of which the kernel takes 249 bytes.
    let name: String = path.file_name().unwrap_or_default().to_string_lossy().chars().take(60).collect();
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let made = memfd_create(name.as_str(), flags | MemfdFlags::EXEC).or_else(|_| memfd_create(name.as_str(), flags));
    Ok(File::from(made?))
}

fn hash(file: &File, most: u64, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<String> {
    let (mut hasher, mut buffer, mut place) = (Sha256::new(), vec![0; 1 << 18], 0);
    loop {
        let read = match file.read_at(&mut buffer, place) {
            Ok(0) => break,
            Ok(read) => read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        hasher.update(&buffer[..read]);
        each(&buffer[..read])?;
        place += read as u64;
        // It may grow while it is read.
        if place > most {
            return Err(too_large());
        }
    }
    let mut text = String::with_capacity(64);
    for byte in hasher.finalize() {
        let hex = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
        text.extend([hex(byte >> 4), hex(byte & 15)]);
    }
    Ok(text)
}

/// Whether `text` is a SHA-256 in lower hex.
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_is_what_was_hashed_and_cannot_be_changed() {
        let mut original = tempfile::NamedTempFile::new().unwrap();
        original.write_all(b"abc").unwrap();
        let sealed = seal(original.path(), original.as_file()).unwrap();
        assert_eq!(sealed.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        original.as_file().write_all_at(b"xyz", 0).unwrap();
        assert_eq!(sha256(&sealed.file).unwrap(), sealed.sha256);
        assert_ne!(sha256(original.as_file()).unwrap(), sealed.sha256);
        assert!(sealed.file.write_all_at(b"x", 0).is_err() && sealed.file.set_len(0).is_err());
    }
}
