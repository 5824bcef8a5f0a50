//! Batches that lie about themselves, from a plug-in in C: refused by the name of their maker wherever it runs. What it
//! does to its own memory ends its own process.

use std::path::Path;
use std::process::Command;

use rivet_e2e::{Outcome, Sandbox, built, workspace};

use super::stage::{all_gone, run};

/// Compiles the plug-in into the search path of the sandbox.
fn liar() -> Sandbox {
    let mut sandbox = Sandbox::new();
    let plugins = sandbox.path().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    let include = format!("-I{}", workspace().join("plugin-api/include").display());
    let output = Command::new("cc")
        .args(["-std=c11", "-shared", "-fPIC", &include, "-o"])
        .args([
            plugins.join("libbad_batch.so").as_path(),
            Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/c/bad_batch.c")),
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    sandbox.env("RIVET_PLUGIN_PATH", plugins.to_str().unwrap());
    sandbox
}

fn config(wrong: &str) -> String {
    format!(
        "source: {{ type: bad_batch, wrong: {wrong}, tuning: {{ max_retries: 0 }} }}
exports: [{{ name: t, query: x, format: csv, destination: {{ type: local, path: out }} }}]
"
    )
}

#[test]
fn are_refused_wherever_the_plugin_runs() {
    let sandbox = liar();
    for wrong in [
        "utf-8",
        "offsets",
        "negative last offset",
        "huge length",
        "nulls without bitmap",
        "another schema",
        "released",
    ] {
        let said = [&[][..], &["--isolate"]].map(|args| {
            let outcome = run(&sandbox, &config(wrong), args);
            outcome.expect(1, &["plug-in \"bad_batch\" broke its promise: malformed batch: "]);
            assert_eq!(sandbox.out(), [""; 0], "{wrong}");
            outcome.stderr.lines().find(|line| line.starts_with("error: ")).map(str::to_owned)
        });
        assert_eq!(said[0], said[1], "{wrong}");
    }
    run(&sandbox, &config("nothing"), &["--isolate"]).expect(0, &["rows:        6"]);
}

/// Whoever installs a plug-in for everybody has not written it.
#[test]
fn are_refused_from_the_directories_of_the_installation_too() {
    let sandbox = liar();
    let liar = sandbox.path().join("plugins/libbad_batch.so");
    let installed = sandbox.path().join("installed");
    for place in ["bin/plugins/libbad_batch.so", "lib/rivet/plugins/libbad_batch.so", "bin/librivet_plugin_liar.so"] {
        let program = installed.join("bin/rivet");
        std::fs::create_dir_all(program.parent().unwrap()).unwrap();
        std::fs::copy(built().join("rivet"), &program).unwrap();
        std::fs::create_dir_all(installed.join(place).parent().unwrap()).unwrap();
        std::fs::copy(&liar, installed.join(place)).unwrap();
        for wrong in ["utf-8", "offsets"] {
            sandbox.write("rivet.yaml", &config(wrong));
            let mut command = sandbox.command(&program);
            let local = built().join("librivet_plugin_local.so");
            command.args(["run", "--config", "rivet.yaml"]).env("RIVET_PLUGIN_PATH", local);
            let expected = "plug-in \"bad_batch\" broke its promise: malformed batch: ";
            Outcome::of(&mut command).expect(1, &[expected]);
            assert_eq!(sandbox.out(), [""; 0], "{wrong} from {place}");
        }
        std::fs::remove_dir_all(&installed).unwrap();
    }
}

#[test]
fn about_memory_end_the_process_of_the_plugin() {
    let sandbox = liar();
    let outcome = run(&sandbox, &config("double release"), &["--isolate"]);
    outcome.expect(
        1,
        &["plug-in \"bad_batch\" 1.0.0 aborted in \"", "double free", "more: rivet explain-error plugin.crashed\n"],
    );
    all_gone(&sandbox);
}
