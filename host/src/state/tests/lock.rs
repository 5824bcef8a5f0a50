//! One run per export, whoever dies.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use super::super::lock::kernel;
use super::*;

#[test]
fn one_holder_per_export_also_among_threads() {
    let (_directory, path) = place();
    let state = State::open(&path).unwrap();
    let held = RunLock::acquire(&state, "orders", noon()).unwrap();
    let _other_export = RunLock::acquire(&state, "events", noon()).unwrap();
    let second = State::open(&path).unwrap();
    let refused = std::thread::spawn(move || RunLock::acquire(&second, "orders", noon()).unwrap_err()).join().unwrap();
    let StateErrorKind::Locked(by) = refused.kind() else { panic!("{refused}") };
    assert_eq!((by.export.as_str(), by.pid), ("orders", Some(std::process::id())));
    assert_eq!(by.started.as_deref(), Some("2026-03-29T12:52:00.000000000+00:00"));
    assert!(refused.to_string().starts_with("export \"orders\" is already being run by process "), "{refused}");
    drop(held);
    drop(RunLock::acquire(&state, "orders", noon()).unwrap());
    assert_eq!(names(&path), [FILE_NAME.to_owned(), format!("{FILE_NAME}.lock-events")]);
}

#[test]
fn threads_in_a_race_never_hold_it_together() {
    let (_directory, path) = place();
    let state = State::open(&path).unwrap();
    let inside = std::sync::atomic::AtomicU32::new(0);
    let taken = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let Ok(lock) = RunLock::acquire(&state, "orders", noon()) else { continue };
                    assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                    taken.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    assert_eq!(inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst), 1);
                    drop(lock);
                }
            });
        }
    });
    assert!(taken.into_inner() > 0);
    assert_eq!(names(&path), [FILE_NAME]);
}

const CHILDS_STATE: &str = "RIVET_TEST_STATE";

#[test]
#[ignore = "the child process of the next test"]
fn child_that_holds_the_lock() {
    let Some(path) = std::env::var_os(CHILDS_STATE) else { return };
    let state = State::open(Path::new(&path)).unwrap();
    let lock = RunLock::acquire(&state, "orders", noon()).unwrap();
    begin(&lock, "orders_child", 2, noon()).unwrap();
    writeln!(std::io::stdout(), "\nholding").unwrap();
    std::thread::park();
}

#[test]
fn a_killed_owner_holds_nothing_and_leaves_its_intent() {
    let (_directory, path) = place();
    let child = format!("{}::child_that_holds_the_lock", module_path!().split_once("::").unwrap().1);
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &child, "--ignored", "--nocapture"])
        .env(CHILDS_STATE, &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(owner.stdout.take().unwrap());
    assert!(output.lines().any(|line| line.unwrap() == "holding"));
    let state = State::open(&path).unwrap();
    let refused = RunLock::acquire(&state, "orders", noon()).unwrap_err();
    assert!(matches!(refused.kind(), StateErrorKind::Locked(by) if by.pid == Some(owner.id())), "{refused}");
    owner.kill().unwrap();
    owner.wait().unwrap();
    let lock = RunLock::acquire(&state, "orders", noon()).unwrap();
    let left = state.unfinished("orders").unwrap().unwrap();
    assert_eq!((left.run_id.as_str(), left.stamp.as_str(), left.chunks.len()), ("orders_child", "20260329_125200", 2));
    lock.record_parts(&left, 0, &[], noon()).unwrap();
    drop((lock, state));
    assert_eq!(names(&path), [FILE_NAME]);
}

#[test]
fn a_run_whose_lock_file_was_removed_cannot_commit_any_more() {
    let (_directory, path) = place();
    let state = State::open(&path).unwrap();
    let first = RunLock::acquire(&state, "orders", noon()).unwrap();
    let intent = begin(&first, "orders_1", 1, noon()).unwrap();
    std::fs::remove_file(path.with_file_name(format!("{FILE_NAME}.lock-orders"))).unwrap();
    let second = RunLock::acquire(&state, "orders", noon()).unwrap();
    let lost = first.record_parts(&intent, 0, &[], noon()).unwrap_err();
    assert!(matches!(lost.kind(), StateErrorKind::LockLost { export } if export == "orders"), "{lost}");
    second.record_parts(&intent, 0, &[], noon()).unwrap();
}

/// What the lock of a run says that ended on another boot of the machine.
fn as_of_another_boot(path: &Path, boot: Option<&str>) {
    Connection::open(path).unwrap().execute("UPDATE rivet_lock SET boot_id = ?1", [boot]).unwrap();
}

#[test]
fn a_kill_undoes_no_record_and_a_power_loss_makes_all_chunks_doubtful() {
    for (boot, begun) in [
        (None, [true, true, true, true]),
        (Some("another"), [true, true, true, true]),
        (kernel("random/boot_id").as_deref(), [true, true, false, false]),
    ] {
        let (_directory, path) = place();
        let state = State::open(&path).unwrap();
        let first = RunLock::acquire(&state, "orders", noon()).unwrap();
        let intent = begin(&first, "orders_1", 4, noon()).unwrap();
        first.record_first_begun(&intent, 0, noon()).unwrap();
        first.record_begun(&intent, 1, noon()).unwrap();
        first.record_parts(&intent, 1, &[part("b", 1)], noon()).unwrap();
        drop(first);
        as_of_another_boot(&path, boot);
        let _lock = RunLock::acquire(&state, "orders", noon()).unwrap();
        let left = state.unfinished("orders").unwrap().unwrap();
        assert!(left.chunks.iter().map(|chunk| chunk.begun).eq(begun), "{boot:?}: {:?}", left.chunks);
        assert!(left.chunks.iter().map(|chunk| chunk.done).eq([false, true, false, false]));
    }
}

#[test]
fn a_window_that_took_no_name_is_not_doubted() {
    let (_directory, path) = place();
    let state = State::open(&path).unwrap();
    let lock = RunLock::acquire(&state, "orders", noon()).unwrap();
    begin(&lock, "orders_1", 2, noon()).unwrap();
    drop(lock);
    as_of_another_boot(&path, Some("another"));
    let _lock = RunLock::acquire(&state, "orders", noon()).unwrap();
    assert!(state.unfinished("orders").unwrap().unwrap().chunks.iter().all(|chunk| !chunk.begun));
}

#[test]
fn odd_names_stay_in_the_directory() {
    let (_directory, path) = place();
    let state = State::open(&path).unwrap();
    let _lock = RunLock::acquire(&state, "../a b", noon()).unwrap();
    assert!(names(&path).contains(&format!("{FILE_NAME}.lock-..%2fa%20b")));
}
