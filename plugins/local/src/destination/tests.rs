//! Files in a real directory: names, conflicts, leftovers, redo.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use rivet_plugin_api::{Category, Format, FormatKind, Receipt};
use tempfile::TempDir;

use super::*;

const BASE: &str = "orders_20260329_125200";

fn open(directory: &TempDir) -> Local {
    let options = Options { path: Some(directory.path().join("a/b")), prefix: None };
    Local::open(options, &Context::default()).unwrap()
}

fn names(local: &Local) -> Vec<String> {
    let mut names = local.directory.names().unwrap();
    names.sort();
    names
}

fn request(base: &str, replace: bool, max_file_size: Option<u64>) -> WriteRequest {
    let format = Format { kind: FormatKind::Csv, max_file_size, ..Format::default() };
    WriteRequest {
        export: "orders".into(),
        base_name: base.into(),
        format,
        replace,
        verify: true,
        ..Default::default()
    }
}

fn batch() -> RecordBatch {
    RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef)]).unwrap()
}

fn begin(local: &mut Local, request: WriteRequest) -> Result<Box<dyn BatchWriter>> {
    local.begin(request, batch().schema(), &Context::default())
}

fn export(local: &mut Local, request: WriteRequest, batches: usize) -> Result<Receipt> {
    let mut writer = begin(local, request)?;
    for _ in 0..batches {
        writer.write(batch())?;
    }
    writer.finish()
}

#[test]
fn a_part_is_whole_durable_and_known() {
    let directory = tempfile::tempdir().unwrap();
    let mut local = open(&directory);
    let receipt = export(&mut local, request(BASE, false, None), 2).unwrap();
    assert_eq!(names(&local), [format!("{BASE}.csv")]);
    let part = &receipt.parts[0];
    assert_eq!(fs::read_to_string(&part.location).unwrap(), "id\n1\n2\n1\n2\n");
    let stat = local.stat(&part.name, &Context::default()).unwrap().unwrap();
    assert_eq!((stat.bytes, stat.checksum.as_deref()), (part.bytes, Some(part.checksum.as_str())));
    let other = directory.path().join("other");
    fs::write(&other, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(part.location.as_ref()), mode(&other), "the umask decides");
    local.remove(&part.name, &Context::default()).unwrap();
    local.remove(&part.name, &Context::default()).unwrap();
    assert_eq!(local.stat(&part.name, &Context::default()).unwrap(), None);
}

#[test]
fn a_taken_name_is_a_conflict_before_anything_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let mut local = open(&directory);
    export(&mut local, request(BASE, false, Some(1)), 2).unwrap();
    let before = names(&local);
    assert_eq!(before, [format!("{BASE}_part0.csv"), format!("{BASE}_part1.csv")]);
    let error = begin(&mut local, request(BASE, false, None)).err().unwrap();
    assert_eq!(error.category(), Category::Conflict);
    assert_eq!(names(&local), before);
    // Another base is free, also one that begins alike.
    export(&mut local, request(&format!("{BASE}_chunk1"), false, None), 1).unwrap();
    export(&mut local, request("orders_20260329_12520", false, None), 1).unwrap();
}

#[test]
fn a_name_taken_meanwhile_is_a_conflict_too() {
    let directory = tempfile::tempdir().unwrap();
    let mut local = open(&directory);
    let mut writer = begin(&mut local, request(BASE, false, Some(1))).unwrap();
    writer.write(batch()).unwrap();
    writer.write(batch()).unwrap();
    let theirs = local.directory.path().join(format!("{BASE}_part1.csv"));
    fs::write(&theirs, "theirs").unwrap();
    assert_eq!(writer.finish().unwrap_err().category(), Category::Conflict);
    assert_eq!(names(&local), [format!("{BASE}_part1.csv")]);
    assert_eq!(fs::read_to_string(theirs).unwrap(), "theirs");
}

#[test]
fn a_live_attempt_keeps_its_name_until_it_ends() {
    let directory = tempfile::tempdir().unwrap();
    let mut local = open(&directory);
    let mut writer = begin(&mut local, request(BASE, true, None)).unwrap();
    writer.write(batch()).unwrap();
    assert_eq!(begin(&mut local, request(BASE, true, None)).err().unwrap().category(), Category::Conflict);
    // Others sweep, but not what is alive.
    export(&mut local, request("orders_20260329_125201", false, None), 1).unwrap();
    writer.abort().unwrap();
    assert_eq!(names(&local), ["orders_20260329_125201.csv"]);
    export(&mut local, request(BASE, true, None), 1).unwrap();
}

#[test]
fn a_redo_replaces_and_removes_what_it_no_longer_writes() {
    let directory = tempfile::tempdir().unwrap();
    let mut local = open(&directory);
    export(&mut local, request(BASE, false, Some(1)), 3).unwrap();
    export(&mut local, request("orders_20260329_125200_chunk1", false, None), 1).unwrap();
    export(&mut local, request(BASE, true, None), 1).unwrap();
    assert_eq!(names(&local), [format!("{BASE}.csv"), format!("{BASE}_chunk1.csv")]);
    export(&mut local, request(BASE, true, Some(1)), 2).unwrap();
    assert_eq!(names(&local).len(), 3);
    assert!(export(&mut local, request(BASE, true, None), 0).unwrap().parts.is_empty());
    assert_eq!(names(&local), [format!("{BASE}_chunk1.csv")]);
}

#[test]
fn leftovers_of_dead_runs_are_swept_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let mut local = open(&directory);
    local.directory.create().unwrap();
    let dead = [
        ".orders_20250101_000000_chunk2.0.rivet-tmp",
        ".orders_20250101_000000_chunk2.lock.rivet-tmp",
        // Its attempt could not remove it.
        ".orders_20250102_000000.1.rivet-tmp",
    ];
    let kept = [
        ".customers_20250101_000000.lock.rivet-tmp",
        ".orders_2025.lock.rivet-tmp",
        ".orders_20250101_000000.0.rivet-tmp.bak",
        "orders_20250101_000000.csv",
    ];
    let own = [format!(".{BASE}.0.rivet-tmp"), format!(".{BASE}.lock.rivet-tmp")];
    for name in dead.iter().copied().chain(kept).chain(own.iter().map(String::as_str)) {
        fs::write(local.directory.path().join(name), "old").unwrap();
    }
    export(&mut local, request(BASE, false, None), 1).unwrap();
    let mut expected: Vec<_> = kept.iter().map(ToString::to_string).chain([format!("{BASE}.csv")]).collect();
    expected.sort();
    assert_eq!(names(&local), expected);
}

#[test]
fn nothing_leads_out_of_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let mut local = open(&directory);
    let context = Context::default();
    for name in ["", ".", "..", "../x", "a/b", "/etc/x", "a\\b", "a\0b"] {
        assert_eq!(local.stat(name, &context).unwrap_err().category(), Category::Config, "{name:?}");
        assert_eq!(local.remove(name, &context).unwrap_err().category(), Category::Config, "{name:?}");
        assert_eq!(
            begin(&mut local, request(name, true, None)).err().unwrap().category(),
            Category::Config,
            "{name:?}"
        );
    }
    let outside = directory.path().join("outside");
    fs::write(&outside, "precious").unwrap();
    local.directory.create().unwrap();
    symlink(&outside, local.directory.path().join(format!("{BASE}.csv"))).unwrap();
    for replace in [false, true] {
        assert_eq!(begin(&mut local, request(BASE, replace, None)).err().unwrap().category(), Category::Conflict);
    }
    assert!(local.stat(&format!("{BASE}.csv"), &context).is_err());
    assert!(local.remove(&format!("{BASE}.csv"), &context).is_err());
    assert_eq!(fs::read_to_string(outside).unwrap(), "precious");
}

#[test]
fn probe_leaves_nothing_and_names_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let mut local = open(&directory);
    let probe = local.probe(&Context::default()).unwrap();
    assert_eq!(probe.location, directory.path().join("a/b").display().to_string());
    assert!(probe.warnings[0].contains("does not exist"), "{:?}", probe.warnings);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "what was missing is missing again");
    local.directory.create().unwrap();
    assert!(local.probe(&Context::default()).unwrap().warnings.is_empty());
    assert!(names(&local).is_empty());
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let mut local = Local::open(Options { path: Some(file), prefix: None }, &Context::default()).unwrap();
    assert_eq!(local.probe(&Context::default()).unwrap_err().code_text(), Some("ENOTDIR"));
}

#[test]
fn probes_below_one_missing_directory_do_not_disturb_each_other() {
    let directory = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for path in ["a/b", "a/c", "a", "a/b"].iter().cycle().take(32) {
            let options = Options { path: Some(directory.path().join(path)), prefix: None };
            let probe = move || Local::open(options, &Context::default())?.probe(&Context::default());
            scope.spawn(move || probe().unwrap());
        }
    });
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn what_is_in_the_way_of_the_directory_is_named() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    fs::write(at("file"), "precious").unwrap();
    symlink(at("nowhere"), at("dangling")).unwrap();
    symlink(at("loop"), at("loop")).unwrap();
    fs::create_dir(at("real")).unwrap();
    symlink(at("real"), at("chosen")).unwrap();
    let no_directory = (Category::Config, "not a directory", "name a directory");
    let nowhere = (Category::NotFound, "leads nowhere", "create what it points to");
    for (path, culprit, (category, what, next)) in [
        ("file", "file", no_directory),
        ("file/deep/er", "file", no_directory),
        ("dangling", "dangling", nowhere),
        ("dangling/deep", "dangling", nowhere),
        ("loop/deep", "loop", nowhere),
    ] {
        let options = Options { path: Some(at(path)), prefix: None };
        let mut local = Local::open(options, &Context::default()).unwrap();
        let failures = [
            begin(&mut local, request(BASE, false, None)).err().unwrap(),
            local.probe(&Context::default()).unwrap_err(),
        ];
        for error in failures {
            assert_eq!(error.category(), category, "{path}: {error}");
            let text = error.to_string();
            for part in [at(path).to_str().unwrap(), at(culprit).to_str().unwrap(), what] {
                assert!(text.contains(part), "{path}: {text}");
            }
            assert!(error.hint_text().unwrap().contains(next), "{path}: {error:?}");
        }
    }
    assert!(!at("nowhere").exists() && fs::read_to_string(at("file")).unwrap() == "precious");
    // The directory itself may be a link, below which missing ones are created as elsewhere.
    let mut local = Local::open(Options { path: Some(at("chosen/new")), prefix: None }, &Context::default()).unwrap();
    export(&mut local, request(BASE, false, None), 1).unwrap();
    assert!(at("real/new").join(format!("{BASE}.csv")).is_file());
}

#[test]
fn a_link_that_leads_nowhere_is_not_written_through() {
    let directory = tempfile::tempdir().unwrap();
    let mut local = open(&directory);
    local.directory.create().unwrap();
    let outside = directory.path().join("outside");
    for taken in [format!("{BASE}.csv"), format!("{BASE}_part0.csv")] {
        symlink(&outside, local.directory.path().join(&taken)).unwrap();
        for replace in [false, true] {
            let error = begin(&mut local, request(BASE, replace, Some(1))).err().unwrap();
            assert!(error.category() == Category::Conflict && error.to_string().contains(&taken), "{error}");
        }
        fs::remove_file(local.directory.path().join(taken)).unwrap();
    }
    // Nor is one in place of a temporary file or its lock, whose names are known beforehand.
    symlink(&outside, local.directory.path().join(format!(".{BASE}.0.rivet-tmp"))).unwrap();
    export(&mut local, request(BASE, false, None), 1).unwrap();
    let other = BASE.replace("52", "53");
    symlink(&outside, local.directory.path().join(format!(".{other}.lock.rivet-tmp"))).unwrap();
    assert_eq!(begin(&mut local, request(&other, false, None)).err().unwrap().category(), Category::Conflict);
    assert!(!outside.exists());
}

#[test]
fn a_name_longer_than_the_file_system_takes_is_refused_before_anything_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let mut local = open(&directory);
    let error = begin(&mut local, request(&"n".repeat(250), false, None)).err().unwrap();
    assert_eq!((error.category(), error.code_text()), (Category::Config, Some("ENAMETOOLONG")), "{error}");
    assert!(error.hint_text().unwrap().contains("shorten"), "{error:?}");
    assert!(names(&local).is_empty());
    let deep = directory.path().join(format!("{}x", "deep/".repeat(1000)));
    let mut local = Local::open(Options { path: Some(deep), prefix: None }, &Context::default()).unwrap();
    assert_eq!(local.probe(&Context::default()).unwrap_err().code_text(), Some("ENAMETOOLONG"));
}

#[test]
fn a_file_that_cannot_be_created_is_named_and_nothing_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let mut local = open(&directory);
    let mut writer = begin(&mut local, request(BASE, false, None)).unwrap();
    // The temporary file cannot be created where something else has its name.
    let taken = local.directory.path().join(format!(".{BASE}.0.rivet-tmp"));
    fs::create_dir(&taken).unwrap();
    let error = writer.write(batch()).unwrap_err();
    assert!(error.to_string().contains(".0.rivet-tmp"), "{error}");
    fs::remove_dir(taken).unwrap();
    drop(writer);
    assert!(names(&local).is_empty());
}

#[test]
fn options_refuse_unknown_keys_and_fall_back_to_prefix() {
    let parse = |json| rivet_plugin_api::parse_options::<Options>(serde_json_value(json));
    assert_eq!(parse(r#"{"path":"p","prefix":"q"}"#).unwrap().directory(), Path::new("p"));
    assert_eq!(parse(r#"{"prefix":"q"}"#).unwrap().directory(), Path::new("q"));
    assert_eq!(parse("{}").unwrap().directory(), Path::new("."));
    assert!(parse(r#"{"bucket":"b"}"#).is_err());
}

fn serde_json_value(text: &str) -> rivet_plugin_api::serde_json::Value {
    rivet_plugin_api::serde_json::from_str(text).unwrap()
}
