//! `type: local` where the file system is not as it should be: what is there stays, what is refused is named, and
//! nothing is left.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use rivet_e2e::{Outcome, Sandbox, built, skip};
use rusqlite::Connection;

const RUN: [&str; 3] = ["run", "--config", "rivet.yaml"];

/// A sandbox with three notes, and a configuration that writes them to `path`.
fn notes(path: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let db = Connection::open(sandbox.path().join("notes.db")).unwrap();
    db.execute_batch("create table notes (id integer primary key); insert into notes values (1), (2), (3)").unwrap();
    sandbox.write(
        "rivet.yaml",
        &format!(
            "source: {{ type: sqlite, path: notes.db }}
exports:
  - {{ name: notes, query: select id from notes, format: csv, destination: {{ type: local, path: {path} }} }}
"
        ),
    );
    sandbox
}

#[test]
fn missing_parents_are_made() {
    let sandbox = notes("out/a/b c/d");
    sandbox.rivet(&RUN).expect(0, &["rows:        3"]);
    let made = fs::read_dir(sandbox.path().join("out/a/b c/d")).unwrap().count();
    assert_eq!(made, 1);
}

#[test]
fn a_directory_may_be_a_link_and_one_that_leads_nowhere_is_named() {
    let sandbox = notes("chosen");
    symlink("out", sandbox.path().join("chosen")).unwrap();
    sandbox.rivet(&RUN).expect(0, &["rows:        3"]);
    assert_eq!(sandbox.out().len(), 1);
    fs::remove_file(sandbox.path().join("chosen")).unwrap();
    symlink("absent", sandbox.path().join("chosen")).unwrap();
    let nowhere = sandbox.rivet(&RUN);
    nowhere.expect(1, &["\"chosen\" is a symbolic link that leads nowhere (ENOENT)", "hint: create what it points to"]);
    assert!(!sandbox.path().join("absent").exists());
}

#[test]
fn files_of_others_stay_and_links_are_not_written_through() {
    let sandbox = notes("out");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let stamp = |second: u64| {
        let mut date = Command::new("date");
        let output = date.args(["-u", "-d", &format!("@{second}"), "+%Y%m%d_%H%M%S"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    // Every name that a run could choose first within the next minute.
    let mut theirs = Vec::new();
    for second in now..now + 60 {
        let path = sandbox.path().join(format!("out/notes_{}.csv", stamp(second)));
        if second.is_multiple_of(2) {
            fs::write(&path, "theirs").unwrap();
        } else {
            symlink(sandbox.path().join("outside"), &path).unwrap();
        }
        theirs.push(path);
    }
    sandbox.rivet(&RUN).expect(0, &["rows:        3"]);
    for path in &theirs {
        let is_link = fs::symlink_metadata(path).unwrap().is_symlink();
        assert!(is_link || fs::read_to_string(path).unwrap() == "theirs", "{}", path.display());
    }
    assert!(!sandbox.path().join("outside").exists());
    let ours: Vec<_> = sandbox.out().into_iter().filter(|n| !theirs.iter().any(|path| path.ends_with(n))).collect();
    assert!(ours.len() == 1 && ours[0].ends_with("_2.csv"), "{ours:?}");
    assert_eq!(fs::read_to_string(sandbox.path().join("out").join(&ours[0])).unwrap(), "id\n1\n2\n3\n");
}

#[test]
fn a_name_on_another_device_fails_the_run_and_leaves_nothing() {
    if !Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status().is_ok_and(|s| s.success()) {
        return skip("strace is missing, or may not trace");
    }
    let sandbox = notes("out");
    // The state file gets its name by a link as well.
    sandbox.rivet(&RUN).expect(0, &["rows:        3"]);
    let before = sandbox.out();
    let calls = "link,linkat,rename,renameat,renameat2";
    let mut command = sandbox.command("strace");
    command.args(["-f", "-qq", "-o", "calls.txt", "-e", &format!("trace={calls}")]);
    command.args(["-e", &format!("inject={calls}:error=EXDEV")]).arg(built().join("rivet")).args(RUN);
    let outcome = Outcome::of(&mut command);
    outcome.expect(
        1,
        &[
            "could not create \"out/notes_",
            "(EXDEV)",
            "hint: name a directory in destination.path that is wholly on one",
        ],
    );
    assert_eq!(sandbox.out(), before);
    sandbox.rivet(&RUN).expect(0, &["rows:        3"]);
    assert_eq!(sandbox.out().len(), 2);
}

#[test]
fn a_read_only_file_system_is_named() {
    if !Command::new("unshare").args(["-m", "true"]).output().is_ok_and(|o| o.status.success()) {
        return skip("mounting a file system needs root");
    }
    let sandbox = notes("out/deep");
    let script = "mount -t tmpfs -o ro tmpfs out && exec \"$0\" run --config rivet.yaml";
    let outcome = Outcome::of(sandbox.command("unshare").args(["-m", "sh", "-c", script]).arg(built().join("rivet")));
    outcome.expect(
        1,
        &[
            "could not create \"out/deep\": read-only file system (EROFS)",
            "hint: mount it writable, or change destination.path",
        ],
    );
}
