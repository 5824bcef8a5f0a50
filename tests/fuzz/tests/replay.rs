//! Every input that the fuzzer found worth keeping, through its target again.
#![expect(clippy::print_stderr, reason = "a failure names its input")]

use std::fs;
use std::path::Path;

use rivet_fuzz::TARGETS;

#[test]
fn the_corpus_is_refused_or_accepted_as_it_should() {
    for &(name, target) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(files.len() > 5, "{} holds {} inputs", folder.display(), files.len());
        for file in files {
            // Shown when the test fails, so that the input is known by which it does.
            eprintln!("{}", file.display());
            target(&fs::read(file).unwrap());
        }
    }
}
