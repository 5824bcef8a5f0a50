//! What a release is packed into, and the examples of how to run it.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use rivet_e2e::{Outcome, Postgres, Sandbox, built, skip, workspace};

fn example(name: &str) -> String {
    fs::read_to_string(workspace().join("docs/examples").join(name)).unwrap()
}

/// The fenced blocks of a page that a shell runs.
fn commands(page: &str) -> Vec<String> {
    let text = fs::read_to_string(workspace().join("docs/src").join(page)).unwrap();
    text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// Packs what cargo built, and tries the tarball.
fn pack(sandbox: &Sandbox) -> PathBuf {
    let dist = sandbox.path().join("dist");
    let mut release = sandbox.command(workspace().join("scripts/release"));
    // The compiler and its registry are those of whoever runs the tests.
    release.env("HOME", std::env::var_os("HOME").unwrap()).arg("--check").arg("--built").arg(built()).arg(&dist);
    Outcome::of(&mut release).expect(0, &["trying the tarball", "── orders ──", "status:      success"]);
    dist
}

#[test]
fn a_release_is_packed_and_installed_as_the_guide_says() {
    let sandbox = Sandbox::new();
    let dist = pack(&sandbox);
    let names = |folder: &Path| -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let tarball = names(&dist).into_iter().find(|name| name.ends_with(".tar.gz")).unwrap();
    let [install, try_it] = &commands("guides/install.md")[..] else { panic!("the guide has other blocks") };
    // The same commands, for this machine's tarball and a prefix of the test.
    let prefix = sandbox.path().join("usr/local");
    let install = install.replace("rivet-x86_64-unknown-linux-gnu.tar.gz", &tarball).replace("sudo ", "");
    let install = install.replace("/usr/local", prefix.to_str().unwrap());
    let run = |script: &str, folder: &Path| {
        let outcome = Outcome::of(sandbox.command("sh").args(["-e", "-c", script]).current_dir(folder));
        outcome.expect(0, &[]);
        outcome
    };
    let listed = run(&install, &dist).stdout;
    assert!(listed.contains("usr/local/bin/../lib/rivet/plugins/librivet_plugin_sqlite.so"), "{listed}");
    let empty = sandbox.path().join("empty");
    fs::create_dir(&empty).unwrap();
    run(&try_it.replace("~/", &format!("{}/", dist.display())), &empty);
    assert!(names(&empty).iter().any(|name| name.ends_with(".parquet")), "{:?}", names(&empty));
    let formula = fs::read_to_string(dist.join("rivet.rb")).unwrap();
    let sum = fs::read_to_string(dist.join(format!("{tarball}.sha256"))).unwrap();
    assert!(formula.contains(sum.split(' ').next().unwrap()) && !formula.contains('@'), "{formula}");
    let is_unpacked = |name: &String| name.starts_with("rivet-") && dist.join(name).is_dir();
    let unpacked = dist.join(names(&dist).into_iter().find(is_unpacked).unwrap());
    let bill: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(unpacked.join("sbom.cdx.json")).unwrap()).unwrap();
    let components: Vec<&str> =
        bill["components"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    for name in ["rivet", "rivet-plugin-sqlite", "parquet", "rustls", "libsqlite3-sys"] {
        assert!(components.contains(&name), "{name}");
    }
    assert!(!components.iter().any(|name| ["clap_derive", "rivet-e2e", "cc"].contains(name)), "{components:?}");
    let licences = fs::read_to_string(unpacked.join("THIRD-PARTY-LICENSES.txt")).unwrap();
    assert!(licences.contains("Apache License") && licences.contains("ring 0."));
}

#[test]
fn the_units_for_systemd_are_valid() {
    let sandbox = Sandbox::new();
    if Outcome::of(sandbox.command("sh").args(["-c", "command -v systemd-analyze"])).code != Some(0) {
        return skip("there is no systemd-analyze: use scripts/test");
    }
    let service = example("rivet.service").replace("/usr/local/bin/rivet", built().join("rivet").to_str().unwrap());
    let units = [sandbox.write("rivet.service", &service), sandbox.write("rivet.timer", &example("rivet.timer"))];
    let outcome = Outcome::of(sandbox.command("systemd-analyze").arg("verify").args(&units));
    assert_eq!((outcome.code, outcome.stderr.trim()), (Some(0), ""), "{outcome}");
    let broken = sandbox.write("rivet.service", &service.replace("Type=oneshot", "Type=wrong"));
    let outcome = Outcome::of(sandbox.command("systemd-analyze").arg("verify").arg(broken));
    assert!(outcome.stderr.contains("wrong"), "{outcome}");
}

/// The configuration inside the example for Kubernetes, and what cron runs, on a real table.
#[test]
fn what_cron_and_kubernetes_run_works() {
    let Some(postgres) = Postgres::schema("shop_on_schedule") else { return };
    postgres.sql("create table orders as select i as id, 'note' as note from generate_series(1, 100) i");
    let example_yaml = example("cronjob.yaml");
    let inside = example_yaml.split("rivet.yaml: |\n").nth(1).unwrap().split("---").next().unwrap();
    let config = inside.replace("shop.orders", "shop_on_schedule.orders");
    let sandbox = Sandbox::new();
    for folder in ["etc", "lib", "log"] {
        fs::create_dir(sandbox.path().join(folder)).unwrap();
    }
    sandbox.write("etc/rivet.yaml", &config);
    sandbox.write("etc/database-url", &format!("{}\n", postgres.url));
    let at = |text: &str| {
        let place = sandbox.path().display();
        let text = text.replace("/usr/local/bin/rivet", built().join("rivet").to_str().unwrap());
        let text =
            text.replace("/var/log/rivet", &format!("{place}/log")).replace("/etc/rivet", &format!("{place}/etc"));
        text.replace("/var/lib/rivet", &format!("{place}/lib"))
    };
    let cron = example("rivet.cron");
    let (mut variables, mut line) = (Vec::new(), "");
    for text in cron.lines().filter(|text| !text.starts_with('#')) {
        match text.split_once('=') {
            Some((name, value)) if !name.contains(' ') => variables.push((name, at(value))),
            _ => line = text,
        }
    }
    // Five fields of time and a user come first.
    let command = at(line.splitn(7, ' ').nth(6).unwrap());
    for _ in 0..2 {
        let outcome = Outcome::of(sandbox.command("sh").args(["-c", &command]).envs(variables.iter().cloned()));
        outcome.expect(0, &[]);
    }
    let log = fs::read_to_string(sandbox.path().join("log/rivet.log")).unwrap();
    assert!(log.contains("rows:        100\n") && log.contains("rows:        0\n"), "{log}");
    assert!(sandbox.path().join("lib/state.db").exists());
    assert!(!log.contains(rivet_e2e::CANARY));
}
