//! Looks into a plug-in file before it is loaded: a truncated library would kill the process inside `dlopen`.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use object::read::elf::{ElfFile64, FileHeader as _, ProgramHeader as _};
use object::{Endianness, Object as _, ObjectSection as _, ObjectSymbol as _, ReadCache};
use serde::Deserialize;

use super::{ABI_MAJOR, ABI_MINOR, ENTRY_SYMBOL, MARKER_MAGIC, MARKER_SECTION};

/// What a plug-in's marker says about it.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize)]
pub struct Marker {
    /// The `type:` users write.
    pub name: String,
    /// The plug-in's own version.
    pub version: String,
    /// `source`, `destination` or both with a comma.
    #[serde(default)]
    pub kinds: String,
    /// The ABI it was built for, `major.minor`.
    pub abi: String,
    /// The lowest ABI it works with, `major.minor`.
    #[serde(default)]
    pub needs: Option<String>,
    /// `unwind` or `abort`.
    #[serde(default)]
    pub panic: String,
}

impl Marker {
    /// The marker of an opened library, whatever it says; `None` for a file that has none, or that cannot be read.
    pub fn read(file: &File) -> Option<Self> {
        let cache = ReadCache::new(file);
        let elf = ElfFile64::<Endianness, _>::parse(&cache).ok()?;
        parse_marker(elf.section_by_name(MARKER_SECTION)?.data().ok()?)
    }
}

/// Why a file is not used. One line, naming the file, and what to do next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The file.
    pub path: PathBuf,
    /// Why, in words that follow the path.
    pub reason: String,
}

impl Refusal {
    pub(crate) fn new(path: &Path, reason: impl Into<String>) -> Self {
        Self { path: path.to_owned(), reason: reason.into() }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}

impl std::error::Error for Refusal {}

/// Which process a plug-in is to run in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Process {
    /// This one, which must survive it.
    Own,
    /// One of its own, whose end is only an error.
    Isolated,
}

/// As [`inspect_for`] this process.
pub fn inspect(path: &Path, file: &File) -> Result<Marker, Refusal> {
    inspect_for(path, file, Process::Own)
}

/// Reads the marker of the opened library `file` after checking that the file is whole and for this machine, and that
/// `process` can take it.
pub fn inspect_for(path: &Path, file: &File, process: Process) -> Result<Marker, Refusal> {
    let refuse = |reason: String| Refusal::new(path, reason);
    let length = file.metadata().map_err(|e| refuse(format!("cannot be read: {e}")))?.len();
    if length == 0 {
        return Err(refuse("the file is empty".into()));
    }
    check_kind(file).map_err(refuse)?;
    let cache = ReadCache::new(file);
    let elf = ElfFile64::<Endianness, _>::parse(&cache)
        .map_err(|_| refuse("the library is damaged or truncated: copy it again".into()))?;
    check_whole(&elf, length).map_err(refuse)?;
    let section = elf
        .section_by_name(MARKER_SECTION)
        .ok_or_else(|| refuse("not a rivet plug-in: it has no marker (is it another library?)".into()))?;
    let bytes = section.data().map_err(|_| refuse("the library is damaged or truncated: copy it again".into()))?;
    let marker = parse_marker(bytes).ok_or_else(|| refuse("its plug-in marker cannot be read".into()))?;
    check_versions(&marker).map_err(refuse)?;
    check_panic(&marker, process).map_err(refuse)?;
    // A damaged symbol table loads and then lacks the entry: say so before anything of the library runs.
    let is_entry = |s: &object::read::elf::ElfSymbol64<'_, '_, Endianness, _>| {
        s.name_bytes() == Ok(ENTRY_SYMBOL.as_bytes()) && s.is_definition()
    };
    if elf.dynamic_symbols().any(|s| is_entry(&s)) {
        Ok(marker)
    } else {
        Err(refuse(format!("{} {} exports no \"{ENTRY_SYMBOL}\": rebuild it", marker.name, marker.version)))
    }
}

fn check_kind(file: &File) -> Result<(), String> {
    let mut head = [0; 20];
    let read = file.read_at(&mut head, 0).map_err(|e| format!("cannot be read: {e}"))?;
    if read < head.len() || head[..4] != *b"\x7fELF" {
        return Err("not a shared library for this system".into());
    }
    let machine = u16::from_le_bytes([head[18], head[19]]);
    let expected = match std::env::consts::ARCH {
        "x86_64" => 62,
        "aarch64" => 183,
        _ => machine,
    };
    if head[4] != 2 || machine != expected {
        return Err(format!("built for another processor: this host runs on {}", std::env::consts::ARCH));
    }
    Ok(())
}

/// Every byte that the loader will map, and the section table, must exist.
fn check_whole<'a>(elf: &ElfFile64<'a, Endianness, &'a ReadCache<&'a File>>, length: u64) -> Result<(), String> {
    let endian = elf.endian();
    let header = elf.elf_header();
    let damaged = || "the library is damaged or truncated: copy it again".to_owned();
    let segments = header.program_headers(endian, elf.data()).map_err(|_| damaged())?;
    if header.e_type(endian) != object::elf::ET_DYN || segments.is_empty() {
        return Err("not a shared library".into());
    }
    let beyond = segments.iter().any(|s| {
        s.p_type(endian) == object::elf::PT_LOAD
            && s.p_offset(endian).checked_add(s.p_filesz(endian)).is_none_or(|end| end > length)
    });
    let table_end =
        header.e_shoff.get(endian) + u64::from(header.e_shnum(endian)) * u64::from(header.e_shentsize(endian));
    if beyond || table_end > length { Err(damaged()) } else { Ok(()) }
}

fn parse_marker(section: &[u8]) -> Option<Marker> {
    let at = section.windows(MARKER_MAGIC.len()).position(|w| w == MARKER_MAGIC)?;
    let json = &section[at + MARKER_MAGIC.len()..];
    let end = json.iter().position(|b| *b == 0)?;
    serde_json::from_slice(&json[..end]).ok()
}

fn check_versions(marker: &Marker) -> Result<(), String> {
    let number = |text: &str| -> Option<(u32, u32)> {
        let (major, minor) = text.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    let Marker { name, version, .. } = marker;
    let (major, _) = number(&marker.abi).ok_or("its marker names no ABI version")?;
    let needs = marker.needs.as_deref().and_then(number).unwrap_or((major, 0));
    if major != ABI_MAJOR {
        let next = if major > ABI_MAJOR { "upgrade rivet" } else { "install a newer version of the plug-in" };
        return Err(format!(
            "{name} {version} was built for plug-in ABI {}; this host speaks {ABI_MAJOR}.0 to {ABI_MAJOR}.{ABI_MINOR}: {next}",
            marker.abi
        ));
    }
    if needs.0 != ABI_MAJOR || needs.1 > ABI_MINOR {
        return Err(format!(
            "{name} {version} needs plug-in ABI {}.{}; this host speaks {ABI_MAJOR}.0 to {ABI_MAJOR}.{ABI_MINOR}: \
             upgrade rivet",
            needs.0, needs.1
        ));
    }
    Ok(())
}

fn check_panic(marker: &Marker, process: Process) -> Result<(), String> {
    if marker.panic != "abort" || process == Process::Isolated {
        return Ok(());
    }
    let Marker { name, version, .. } = marker;
    Err(format!(
        "{name} {version} was built with panic = \"abort\", so that a panic in it would end the host: run it with \
         `isolation: process` or --isolate, or build it with panic = \"unwind\""
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker(abi: &str, needs: &str, panic: &str) -> Marker {
        let text =
            format!(r#"{{"name":"x","version":"2.0.0","abi":"{abi}","needs":"{needs}","panic":"{panic}","new":1}}"#);
        let blob = [b"junk", MARKER_MAGIC.as_slice(), text.as_bytes(), b"\0rest"].concat();
        parse_marker(&blob).unwrap()
    }

    #[test]
    fn versions_are_negotiated() {
        assert_eq!(check_versions(&marker("1.0", "1.0", "unwind")), Ok(()));
        assert_eq!(check_versions(&marker("1.7", "1.0", "unwind")), Ok(()), "a newer plug-in that can live with 1.0");
        assert!(check_versions(&marker("1.7", "1.7", "unwind")).unwrap_err().contains("needs plug-in ABI 1.7"));
        assert!(check_versions(&marker("2.0", "2.0", "unwind")).unwrap_err().contains("built for plug-in ABI 2.0"));
        let aborts = marker("1.0", "1.0", "abort");
        assert_eq!(check_versions(&aborts), Ok(()));
        assert!(check_panic(&aborts, Process::Own).unwrap_err().contains("--isolate"));
        assert_eq!(check_panic(&aborts, Process::Isolated), Ok(()));
    }

    #[test]
    fn a_marker_must_end_and_be_json() {
        assert_eq!(parse_marker(b"\x7fRIVET-PLUGIN\0\x01\n{\"name\""), None);
        assert_eq!(parse_marker(b"\x7fRIVET-PLUGIN\0\x01\n{]\0"), None);
    }
}
