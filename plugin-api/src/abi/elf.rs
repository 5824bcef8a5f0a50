//! What a library asks of the system that it is loaded on, read from its ELF tables.

use std::fs::File;

use object::Endianness;
use object::ReadCache;
use object::elf::{DF_STATIC_TLS, DT_FLAGS, DT_NEEDED};
use object::read::elf::{ElfFile64, FileHeader as _};

/// What can be said of a library without loading it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Library {
    /// The processor it was built for: `x86_64`, `aarch64`, or the number that ELF gives it.
    pub processor: String,
    /// The lowest glibc that has all it uses, such as `2.34`; `None` when it uses no versioned function of it.
    pub glibc: Option<String>,
    /// The libraries that are loaded with it, by file name.
    pub libraries: Vec<String>,
    /// Whether it claims thread-local storage that only a program has from its start: loading it may then fail.
    pub static_tls: bool,
}

impl Library {
    /// Reads the tables of an opened library; `None` when it is none, or a damaged one.
    pub fn read(file: &File) -> Option<Self> {
        let cache = ReadCache::new(file);
        let elf = ElfFile64::<Endianness, _>::parse(&cache).ok()?;
        let endian = elf.endian();
        let machine = elf.elf_header().e_machine(endian);
        let mut library = Self { processor: processor(machine.0), ..Self::default() };
        let table = elf.elf_dynamic_table().ok()?;
        for entry in &table {
            if entry.tag == DT_NEEDED {
                library.libraries.push(String::from_utf8_lossy(table.string(entry).ok()?).into_owned());
            } else if entry.tag == DT_FLAGS {
                library.static_tls |= entry.val & DF_STATIC_TLS.0 != 0;
            }
        }
        library.glibc = glibc(&elf);
        Some(library)
    }
}

fn processor(machine: u16) -> String {
    match machine {
        62 => "x86_64".to_owned(),
        183 => "aarch64".to_owned(),
        other => format!("ELF machine {other}"),
    }
}

/// The highest of the versions `GLIBC_x.y` that its symbols ask for.
fn glibc<'a>(elf: &ElfFile64<'a, Endianness, &'a ReadCache<&'a File>>) -> Option<String> {
    let (endian, sections) = (elf.endian(), elf.elf_section_table());
    let (needs, link) = sections.gnu_verneed(endian, elf.data()).ok()??;
    let strings = sections.strings(endian, elf.data(), link).ok()?;
    let mut highest: Option<Vec<u32>> = None;
    for (_, versions) in needs.flatten() {
        for version in versions.flatten() {
            let name = version.name(endian, strings).unwrap_or_default();
            let Some(number) = std::str::from_utf8(name).ok().and_then(|name| name.strip_prefix("GLIBC_")) else {
                continue;
            };
            let number: Option<Vec<u32>> = number.split('.').map(|part| part.parse().ok()).collect();
            highest = highest.max(number);
        }
    }
    highest.map(|parts| parts.iter().map(u32::to_string).collect::<Vec<_>>().join("."))
}
