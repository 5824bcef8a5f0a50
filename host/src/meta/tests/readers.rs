//! An independent program computes the hashes of what was written.

use std::fs::File;
use std::process::Command;

use arrow_array::RecordBatch;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::DataType;

use super::{HASH, batches, meta};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/e2e/readers/row_hash.py");

/// pyarrow has no values of these types.
fn foreign(batch: &RecordBatch) -> RecordBatch {
    let fields = batch.schema_ref().fields();
    let known = |i: &usize| !matches!(fields[*i].data_type(), DataType::Interval(_));
    batch.project(&(0..fields.len()).filter(known).collect::<Vec<_>>()).unwrap()
}

#[test]
#[expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test asks its environment, and says that it is skipped"
)]
fn python_computes_the_same_hashes() {
    let Ok(python) = std::env::var("RIVET_TEST_PYTHON") else {
        assert!(std::env::var_os("CI").is_none(), "RIVET_TEST_PYTHON is not set, and CI demands it");
        eprintln!("skipped: RIVET_TEST_PYTHON names no python with pyarrow and xxhash: use scripts/test");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    for batch in [batches::example(), batches::edges(), foreign(&batches::everything())] {
        let hashed = meta(HASH, batch.schema_ref()).apply(batch).unwrap();
        let path = directory.path().join("rows.arrows");
        let mut writer = StreamWriter::try_new(File::create(&path).unwrap(), hashed.schema_ref()).unwrap();
        writer.write(&hashed).unwrap();
        writer.finish().unwrap();
        let output = Command::new(&python).arg(SCRIPT).arg(&path).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), hashed.num_rows().to_string());
    }
}
