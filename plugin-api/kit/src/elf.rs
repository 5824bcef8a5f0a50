//! What a library's file says about how it will load: what it exports, needs and asks of the loader.

use std::fs::File;
use std::os::fd::AsRawFd as _;

use libtest_mimic::Failed;
use object::read::elf::ElfFile64;
use object::{Endian as _, Endianness, Object as _, ObjectSection as _, ObjectSymbol as _};

use crate::check::ensure;

const DT_NEEDED: u64 = 1;
const DT_FLAGS: u64 = 30;
const DF_STATIC_TLS: u64 = 0x10;
const ENTRY: &str = "rivet_plugin_entry";

/// That something is as it should be, maybe with a remark.
pub(crate) type Remark = Result<Option<String>, Failed>;

/// The facts that the loader goes by.
pub(crate) struct Facts {
    /// Symbols that others could bind to.
    exports: Vec<String>,
    /// Libraries that are loaded with it.
    needs: Vec<String>,
    /// Whether it wants thread-local storage in the block that is laid out when the process starts.
    static_tls: bool,
    /// The newest version of glibc whose symbols it uses.
    glibc: Option<(u32, u32)>,
}

impl Facts {
    pub(crate) fn of(file: &File) -> Result<Self, Failed> {
        // From its beginning, wherever the descriptor stands.
        let bytes = std::fs::read(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        let elf = ElfFile64::<Endianness, _>::parse(bytes.as_slice())?;
        let section = |name| elf.section_by_name(name).and_then(|section| section.data().ok()).unwrap_or_default();
        let (strings, dynamic) = (section(".dynstr"), section(".dynamic"));
        let is_exported = |symbol: &object::read::elf::ElfSymbol64<'_, '_, Endianness, _>| {
            symbol.is_definition() && symbol.is_global()
        };
        let exports = elf.dynamic_symbols().filter(is_exported);
        let mut facts = Self {
            exports: exports.filter_map(|symbol| symbol.name().ok().map(str::to_owned)).collect(),
            needs: Vec::new(),
            static_tls: false,
            glibc: texts(strings).filter_map(glibc_version).max(),
        };
        for entry in dynamic.chunks_exact(16) {
            let word = |at: usize| {
                let bytes = entry[at..at + 8].try_into().unwrap_or_default();
                elf.endian().read_u64(bytes)
            };
            match word(0) {
                DT_NEEDED => {
                    let name = strings.get(word(8) as usize..).unwrap_or_default();
                    facts.needs.extend(texts(name).next().map(str::to_owned));
                }
                DT_FLAGS => facts.static_tls |= word(8) & DF_STATIC_TLS != 0,
                _ => {}
            }
        }
        Ok(facts)
    }

    /// Whether the entry is there. What else is exported does no harm to a host that loads it, but two such libraries
    /// may clash where they are linked into one binary.
    pub(crate) fn exports_its_entry(&self) -> Remark {
        ensure!(self.exports.iter().any(|name| name == ENTRY), "it exports no \"{ENTRY}\"");
        let others: Vec<&str> = self.exports.iter().map(String::as_str).filter(|name| *name != ENTRY).collect();
        Ok(match others.as_slice() {
            [] => None,
            [first] => Some(format!("it also exports \"{first}\", which should be static")),
            [first, ..] => Some(format!("it also exports {} names, such as \"{first}\"", others.len())),
        })
    }

    pub(crate) fn loads_into_a_running_process(&self) -> Remark {
        ensure!(
            !self.static_tls,
            "it wants static thread-local storage, which a running process may have none left of: build it with \
             -fPIC and without -ftls-model=initial-exec; jemalloc is a common reason"
        );
        Ok(None)
    }

    pub(crate) fn needs_what_systems_have(&self) -> Remark {
        let of_toolchain = self.needs.iter().find(|name| name.starts_with("libstd-"));
        if let Some(name) = of_toolchain {
            return Err(format!("it needs \"{name}\" of one toolchain: build it without -C prefer-dynamic").into());
        }
        let by_path = self.needs.iter().find(|name| name.contains('/'));
        if let Some(name) = by_path {
            return Err(format!("it needs \"{name}\" at that very path: link it by its name").into());
        }
        let glibc = self.glibc.map(|(major, minor)| format!("glibc {major}.{minor} or newer"));
        let others = self.needs.iter().filter(|name| !is_of_the_system(name)).cloned();
        let all: Vec<String> = glibc.into_iter().chain(others).collect();
        Ok((!all.is_empty()).then(|| format!("needs {}", all.join(", "))))
    }
}

/// Part of glibc, of the compiler's runtime, or the loader itself.
fn is_of_the_system(name: &str) -> bool {
    let stem = name.split(".so").next().unwrap_or_default();
    ["libc", "libm", "libdl", "libpthread", "librt", "libgcc_s"].contains(&stem) || stem.starts_with("ld-linux")
}

/// The texts of a string table, from its first byte on.
fn texts(table: &[u8]) -> impl Iterator<Item = &str> {
    table.split(|byte| *byte == 0).filter_map(|text| std::str::from_utf8(text).ok())
}

fn glibc_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.strip_prefix("GLIBC_")?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}
