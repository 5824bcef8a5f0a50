//! The writer against a store in memory that can be told to fail.

mod verify;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, Write};
use std::sync::{Arc, Mutex};

use arrow_array::{ArrayRef, Int64Array};
use rivet_plugin_api::{ArrowLayout, Category, Compression, Format, FormatKind};

use super::*;
use crate::{Checksum, Published};

/// What the store was made to do, and when it is to fail.
#[derive(Default)]
struct World {
    parts: BTreeMap<String, Vec<u8>>,
    temporary: usize,
    ended: bool,
    fail_append_after: Option<usize>,
    fail_publish: Option<String>,
    damage: Option<Damage>,
}

/// What happens to a part between its last byte and its first reader.
#[derive(Clone, Copy, Debug)]
enum Damage {
    /// One bit of the byte at this position turns over.
    Flip(usize),
    /// Only this many bytes stay.
    Cut(usize),
    /// A byte is added.
    Grow,
}

impl Damage {
    fn befall(self, bytes: &mut Vec<u8>) {
        match self {
            Self::Flip(position) => bytes[position] ^= 1 << (position % 8),
            Self::Cut(length) => bytes.truncate(length),
            Self::Grow => bytes.push(b'\n'),
        }
    }
}

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<World>>);

struct MemoryPart {
    world: Memory,
    bytes: Vec<u8>,
    done: bool,
}

impl Store for Memory {
    type Sink = MemoryPart;
    fn create(&mut self, _: usize, _: &str, _: bool) -> Result<MemoryPart> {
        self.0.lock().unwrap().temporary += 1;
        Ok(MemoryPart { world: self.clone(), bytes: Vec::new(), done: false })
    }
    fn location(&self, name: &str) -> String {
        format!("memory/{name}")
    }
    fn remove(&mut self, name: &str) -> Result<()> {
        self.0.lock().unwrap().parts.remove(name);
        Ok(())
    }
    fn settle(&mut self, _: &[String]) -> Result<()> {
        Ok(())
    }
    fn end(&mut self) -> Result<()> {
        self.0.lock().unwrap().ended = true;
        Ok(())
    }
}

impl PartSink for MemoryPart {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes.extend_from_slice(bytes);
        match self.world.0.lock().unwrap().fail_append_after {
            Some(limit) if self.bytes.len() > limit => Err(Error::permanent("no space").code("ENOSPC")),
            _ => Ok(()),
        }
    }
    fn seal(&mut self) -> Result<()> {
        Ok(())
    }
    fn reopen(&mut self) -> Result<File> {
        let mut file = tempfile::tempfile()?;
        let mut bytes = self.bytes.clone();
        if let Some(damage) = self.world.0.lock().unwrap().damage {
            damage.befall(&mut bytes);
        }
        file.write_all(&bytes)?;
        file.rewind()?;
        Ok(file)
    }
    fn publish(&mut self, name: &str) -> Result<Published> {
        let mut world = self.world.0.lock().unwrap();
        if world.fail_publish.as_deref() == Some(name) {
            return Err(Error::permanent("no"));
        }
        let replaced = world.parts.insert(name.to_owned(), std::mem::take(&mut self.bytes)).is_some();
        world.temporary -= usize::from(!self.done);
        self.done = true;
        Ok(Published { replaced, store_checksum: None })
    }
    fn discard(&mut self) -> Result<()> {
        self.world.0.lock().unwrap().temporary -= usize::from(!self.done);
        self.done = true;
        Ok(())
    }
}

fn batch(from: i64, rows: i64) -> RecordBatch {
    RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from_iter_values(from..from + rows)) as ArrayRef)]).unwrap()
}

const PARQUET: Format = plain(FormatKind::Parquet, ArrowLayout::Stream);
const CSV: Format = plain(FormatKind::Csv, ArrowLayout::Stream);
const STREAM: Format = plain(FormatKind::Arrow, ArrowLayout::Stream);
const FORMATS: [Format; 4] = [PARQUET, CSV, STREAM, plain(FormatKind::Arrow, ArrowLayout::File)];

const fn plain(kind: FormatKind, arrow_layout: ArrowLayout) -> Format {
    Format { kind, arrow_layout, compression: Compression::Zstd, level: None, max_file_size: None }
}

fn request(format: &Format, max_file_size: Option<u64>) -> WriteRequest {
    let format = Format { max_file_size, ..format.clone() };
    WriteRequest { base_name: "t_1".into(), format, verify: true, ..WriteRequest::default() }
}

fn run(world: &Memory, request: WriteRequest, batches: i64) -> Result<Receipt> {
    let mut writer = PartWriter::new(world.clone(), request, Cancel::new());
    for n in 0..batches {
        writer.write(batch(n * 1000, 1000))?;
        assert!(world.0.lock().unwrap().parts.is_empty(), "nothing is visible before the end");
    }
    writer.finish()
}

#[test]
fn one_part_has_no_suffix_and_its_receipt_tells_the_truth() {
    for format in &FORMATS {
        let world = Memory::default();
        let receipt = run(&world, request(format, None), 3).unwrap();
        let part = &receipt.parts[0];
        let name = format!("t_1.{}", format.extension());
        assert_eq!((&part.name, part.rows, part.validated_rows), (&name, 3000, Some(3000)));
        assert_eq!(part.location, format!("memory/{name}"));
        let world = world.0.lock().unwrap();
        let mut checksum = Checksum::new();
        checksum.update(&world.parts[&name]);
        assert_eq!((part.bytes, &part.checksum), (world.parts[&name].len() as u64, &checksum.to_string()));
        assert_eq!((world.temporary, world.ended, world.parts.len()), (0, true, 1));
    }
}

#[test]
fn parts_end_at_the_limit_and_none_is_empty() {
    for format in &FORMATS {
        let world = Memory::default();
        // Each batch reaches the limit, so each becomes a part.
        let receipt = run(&world, request(format, Some(10)), 3).unwrap();
        let names: Vec<_> = receipt.parts.iter().map(|p| p.name.rsplit_once('.').unwrap().0).collect();
        assert_eq!(names, ["t_1_part0", "t_1_part1", "t_1_part2"]);
        assert!(receipt.parts.iter().all(|p| p.rows == 1000));
        // A single batch that reaches the limit is a single part.
        let receipt = run(&Memory::default(), request(format, Some(10)), 1).unwrap();
        assert_eq!(receipt.parts.len(), 1);
        assert!(!receipt.parts[0].name.contains("_part"));
    }
}

#[test]
fn no_rows_make_no_parts() {
    let world = Memory::default();
    let mut writer = PartWriter::new(world.clone(), request(&CSV, None), Cancel::new());
    writer.write(batch(0, 0)).unwrap();
    assert!(writer.finish().unwrap().parts.is_empty());
    assert!(writer.finish().is_err());
    assert!(world.0.lock().unwrap().ended);
}

#[test]
fn an_error_of_the_store_arrives_as_it_is_and_leaves_nothing() {
    let world = Memory::default();
    world.0.lock().unwrap().fail_append_after = Some(3000);
    let error = run(&world, request(&STREAM, None), 9).unwrap_err();
    assert_eq!(error.code_text(), Some("ENOSPC"));
    let world = world.0.lock().unwrap();
    assert_eq!((world.temporary, world.ended, world.parts.len()), (0, true, 0));
}

#[test]
fn a_part_that_cannot_be_published_takes_the_earlier_ones_back() {
    let world = Memory::default();
    world.0.lock().unwrap().fail_publish = Some("t_1_part2.csv".into());
    let error = run(&world, request(&CSV, Some(1)), 4).unwrap_err();
    assert_eq!(error.to_string(), "could not publish \"t_1_part2.csv\": no");
    let world = world.0.lock().unwrap();
    assert_eq!((world.temporary, world.ended, world.parts.len()), (0, true, 0));
}

#[test]
fn abort_and_drop_leave_nothing() {
    for abort in [true, false] {
        let world = Memory::default();
        let mut writer = PartWriter::new(world.clone(), request(&PARQUET, Some(1)), Cancel::new());
        writer.write(batch(0, 10)).unwrap();
        writer.write(batch(10, 10)).unwrap();
        if abort {
            writer.abort().unwrap();
            writer.abort().unwrap();
        }
        drop(writer);
        let world = world.0.lock().unwrap();
        assert_eq!((world.temporary, world.ended), (0, true));
    }
}

#[test]
fn a_wish_to_stop_ends_the_attempt() {
    let (world, cancel) = (Memory::default(), Cancel::new());
    let mut writer = PartWriter::new(world.clone(), request(&CSV, None), cancel.clone());
    writer.write(batch(0, 10)).unwrap();
    cancel.cancel();
    assert_eq!(writer.finish().unwrap_err().category(), Category::Cancelled);
    assert_eq!(world.0.lock().unwrap().temporary, 0);
}
