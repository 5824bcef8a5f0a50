//! Secrets that look otherwise in quotes are hidden in whatever a plug-in says.

use rivet_e2e::{CANARY, Sandbox};

use super::in_process::in_process;
use super::stage::{LOCAL, config};

/// What a user may have chosen, and what JSON and logs cannot show as it is.
fn secret() -> String {
    format!("{CANARY}\"of\\ü\u{200b}\ttwo")
}

/// A text in YAML.
fn quoted(text: &str) -> String {
    rivet_plugin_api::serde_json::to_string(text).unwrap()
}

#[test]
fn are_hidden_in_logs_and_errors_of_every_kind() {
    let (secret, sandbox) = (secret(), Sandbox::new());
    let said = format!("login with {secret} and {secret:?}");
    let options = format!(
        "password: {}, say: {}, error_in: {{ call: open, category: auth, message: {} }}",
        quoted(&secret),
        quoted(&secret),
        quoted(&said)
    );
    for config in [in_process(&options, LOCAL), config(&options, LOCAL)] {
        sandbox.write("rivet.yaml", &config);
        let commands: [(&[&str], i32); 5] = [
            (&["run"], 1),
            (&["run", "--json"], 1),
            (&["check"], 1),
            (&["check", "--json"], 1),
            (&["doctor", "--json"], 1),
        ];
        for (command, code) in commands {
            let outcome = sandbox.rivet(&[command, &["--config", "rivet.yaml"]].concat());
            outcome.expect(code, &["login with *** and ", r#"fault says: *** text="***" value="[\"***\"]""#]);
            assert!(!outcome.stdout.contains(CANARY) && !outcome.stderr.contains(CANARY), "{command:?}: {outcome}");
        }
    }
}
