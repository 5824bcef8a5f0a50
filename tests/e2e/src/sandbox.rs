//! A directory of one test, and the binary run in it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use std::{fs, thread};

use tempfile::TempDir;

/// A fresh directory that is the working directory, the home and the place of the configuration of every run.
pub struct Sandbox {
    dir: TempDir,
    environment: Vec<(String, String)>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// Its log and errors.
    pub stderr: String,
}

/// A run that goes on.
pub struct Running(Child);

/// Where a run that goes on prints to.
const LOG: &str = "run.log";

/// The root of the workspace.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// The directory that cargo built `rivet` and the plug-ins into; builds them once when they are not there.
pub fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let dir = test.ancestors().nth(2).unwrap().to_owned();
        if !dir.join("rivet").exists() {
            let status = Command::new(env!("CARGO")).arg("build").current_dir(workspace()).status().unwrap();
            assert!(status.success(), "cargo build failed");
        }
        dir
    })
}

impl Sandbox {
    /// A sandbox whose runs write into its directory `out`.
    pub fn new() -> Self {
        let dir = TempDir::with_prefix("rivet-e2e-").unwrap();
        fs::create_dir(dir.path().join("out")).unwrap();
        Self { dir, environment: Vec::new() }
    }

    /// Another sandbox with the same files and the same environment.
    #[must_use]
    pub fn copy(&self) -> Self {
        let copy = Self { environment: self.environment.clone(), ..Self::new() };
        for entry in fs::read_dir(self.path()).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
            }
        }
        for name in self.out() {
            fs::copy(self.path().join("out").join(&name), copy.path().join("out").join(&name)).unwrap();
        }
        copy
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Sets an environment variable of every later run.
    pub fn env(&mut self, name: &str, value: impl Into<String>) {
        self.environment.push((name.to_owned(), value.into()));
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// A command that runs in the sandbox and knows nothing of the machine's configuration.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.current_dir(self.path()).env("HOME", self.path()).env("XDG_DATA_HOME", self.path());
        for name in ["RIVET_PLUGIN_PATH", "RIVET_STATE", "RUST_LOG", "TZ", "XDG_CONFIG_HOME"] {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().map(|(k, v)| (k, v))).stdin(Stdio::null());
        command
    }

    /// Runs `rivet` to its end.
    pub fn rivet(&self, args: &[&str]) -> Outcome {
        Outcome::of(self.command(built().join("rivet")).args(args))
    }

    /// Runs `config` and asserts that every export succeeded.
    pub fn run(&self, config: &str) -> Outcome {
        let outcome = self.try_run(config);
        assert_eq!(outcome.code, Some(0), "{outcome}");
        outcome
    }

    /// Runs `config`.
    pub fn try_run(&self, config: &str) -> Outcome {
        self.write("rivet.yaml", config);
        self.rivet(&["run", "--config", "rivet.yaml"])
    }

    /// Starts a run of `config`.
    pub fn start(&self, config: &str) -> Running {
        self.write("rivet.yaml", config);
        let mut command = self.command(built().join("rivet"));
        let log = fs::File::create(self.path().join(LOG)).unwrap();
        command.args(["run", "--config", "rivet.yaml"]).stdout(log.try_clone().unwrap()).stderr(log);
        Running(command.spawn().unwrap())
    }

    /// What the last started run has printed so far, on both streams.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path().join(LOG)).unwrap()
    }

    /// The names in `out`, in order, hidden ones too.
    pub fn out(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path().join("out")).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The one file in `out` that `extension` ends.
    pub fn only(&self, extension: &str) -> String {
        let names = self.out();
        let found: Vec<_> = names.iter().filter(|n| Path::new(n).extension().is_some_and(|e| e == extension)).collect();
        assert_eq!(found.len(), 1, "{names:?}");
        self.path().join("out").join(found[0]).to_str().unwrap().to_owned()
    }

    /// Waits until a file with something in it is in `out`, finished or not.
    pub fn wait_for_output(&self) {
        let start = Instant::now();
        let begun = || fs::read_dir(self.path().join("out")).unwrap().flatten().any(|e| e.metadata().is_ok());
        while !begun() {
            assert!(start.elapsed() < Duration::from_secs(30), "nothing was written within 30 s");
            thread::sleep(Duration::from_millis(5));
        }
        // Some batches more, so that the run is in the middle.
        thread::sleep(Duration::from_millis(200));
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Outcome {
    /// Runs `command` to its end.
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Asserts the exit code and that each text was printed, on either stream.
    pub fn expect(&self, code: i32, texts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self}");
        for text in texts {
            assert!(self.stdout.contains(text) || self.stderr.contains(text), "\"{text}\" is missing in:\n{self}");
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {:?}\n--- stdout\n{}--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

impl Drop for Running {
    /// A test that fails leaves nothing running.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// Ends it as a power cut would.
    pub fn kill(mut self) {
        assert!(self.0.try_wait().unwrap().is_none(), "the run was over before it could be killed");
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Asks it to stop, as a service manager or Ctrl-C does, and waits for its end.
    pub fn terminate(self, signal: &str) -> Option<i32> {
        self.send(signal);
        self.wait_for(Duration::from_secs(30))
    }

    /// Sends it a signal.
    pub fn send(&self, signal: &str) {
        let status = Command::new("kill").args([format!("-{signal}"), self.0.id().to_string()]).status().unwrap();
        assert!(status.success(), "the run was over before it could be stopped");
    }

    /// Waits for its end, and kills it when that takes longer than `limit`.
    pub fn wait_for(mut self, limit: Duration) -> Option<i32> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            assert!(start.elapsed() < limit, "the run did not end within {limit:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }
}
