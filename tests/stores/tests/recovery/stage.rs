//! One case on its stage: what is there before the run that is swept, its repair, and how readers that know nothing of
//! Rivet judge what came of it.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use rivet_e2e::{Outcome, Sandbox, built, read_with};
use rivet_stores::{Bucket, HttpProxy, Rule, Trouble};
use tempfile::TempDir;

use crate::case::Case;

/// The longest run takes seconds, so that this one hangs.
const LIMIT_S: &str = "120";

/// Points that are judged together. What they wrote is removed then, so that a sweep needs little room.
const TOGETHER: usize = 25;

/// A case, ready for its runs.
pub struct Stage {
    pub case: Case,
    name: String,
    bucket: Bucket,
    /// The prefix of all points.
    prefix: String,
    template: Sandbox,
    /// What the store has to hold.
    expected: String,
    /// What `rivet state files` said at each point, not judged so far.
    listed: Vec<(String, String)>,
    failures: Vec<String>,
    visited: usize,
    reached: usize,
}

/// The place of one point: the swept run is started here.
pub struct Place<'a> {
    pub case: &'a Case,
    pub sandbox: Sandbox,
    pub proxy: HttpProxy,
    bucket: &'a Bucket,
}

impl Place<'_> {
    /// `rivet run` that ends by force should it hang; `before` is put before the program.
    pub fn run(&self, retries: u32, before: &[&str], args: &[&str]) -> Outcome {
        self.sandbox.write("rivet.yaml", &self.config(retries));
        let mut command = self.sandbox.command("timeout");
        // Cargo's directories, in each of which the loader would look for every library.
        command.env_remove("LD_LIBRARY_PATH");
        command.args(["-k", "5", LIMIT_S]).args(before).arg(built().join("rivet"));
        Outcome::of(command.args(["run", "--config", "rivet.yaml"]).args(args))
    }

    fn config(&self, retries: u32) -> String {
        self.case.config(&self.bucket.destination_at(&self.proxy.url), retries)
    }

    /// What stands there before the swept run: of windows the one before, and maybe what a killed run has left.
    fn prepare(&self) {
        if self.case.windows {
            self.case.fill(&self.sandbox, self.case.rows[0]);
            self.run(0, &[], &[]).expect(0, &[]);
        }
        self.case.fill(&self.sandbox, self.case.rows[1]);
        let Some((step, number)) = self.case.killed_at else { return };
        self.proxy.add(Rule::new(step, Trouble::Silence).from(number));
        let (hit, start) = (self.proxy.hit(), Instant::now());
        let running = self.sandbox.start(&self.config(0));
        while self.proxy.hit() == hit {
            assert!(start.elapsed() < Duration::from_mins(1), "no {step:?} {number}: {}", self.sandbox.log());
            thread::sleep(Duration::from_millis(5));
        }
        running.kill();
        self.proxy.heal();
    }

    /// Runs as the documentation says after an interruption, and once more. Answers what is listed then.
    fn repair(&self) -> Result<String, String> {
        self.case.fill(&self.sandbox, self.case.rows[2]);
        let mut repaired = self.run(0, &[], &[]);
        if self.case.resumes && repaired.code != Some(0) && repaired.stderr.contains("hint: go on with it by `") {
            repaired = self.run(0, &[], &["--resume"]);
        }
        let last = self.run(0, &[], &[]);
        let listed = self.sandbox.rivet(&["state", "files", "--config", "rivet.yaml", "--last", "1000"]);
        for (what, run) in [
            ("the next run does not repair it", &repaired),
            ("the run after its repair fails", &last),
            ("its files are not listed", &listed),
        ] {
            if run.code != Some(0) {
                return Err(format!("{what}: {run}"));
            }
        }
        Ok(listed.stdout)
    }
}

impl Stage {
    /// Sets the stage; `None` when there is no store.
    pub fn set(name: &str, case: Case) -> Option<Self> {
        let bucket = Bucket::new(case.make)?;
        let mut template = Sandbox::new();
        bucket.admit(&mut template);
        let expected = case.expected(&template.copy());
        let (name, prefix) = (name.to_owned(), bucket.prefix.clone());
        let (listed, failures) = (Vec::new(), Vec::new());
        Some(Self { case, name, bucket, prefix, template, expected, listed, failures, visited: 0, reached: 0 })
    }

    /// What a run of the case does: `look` has it run on a place of its own.
    pub fn look<T>(&mut self, look: impl FnOnce(&Place<'_>) -> T) -> T {
        let place = self.place("look");
        place.prepare();
        look(&place)
    }

    fn place(&mut self, point: &str) -> Place<'_> {
        self.bucket.prefix = format!("{}{point}/out/", self.prefix);
        let proxy = HttpProxy::new(&self.bucket.endpoint);
        Place { case: &self.case, sandbox: self.template.copy(), proxy, bucket: &self.bucket }
    }

    /// Has `swept` run with the fault of `point`, which says whether it took place or what was wrong with the run, and
    /// repairs what is left.
    pub fn visit(&mut self, point: &str, swept: impl FnOnce(&Place<'_>) -> Result<bool, String>) {
        let place = self.place(point);
        place.prepare();
        let outcome = swept(&place).and_then(|reached| Ok((reached, place.repair()?)));
        drop(place);
        self.visited += 1;
        match outcome {
            Ok((reached, listed)) => {
                self.reached += usize::from(reached);
                self.listed.push((point.to_owned(), listed));
            }
            Err(failure) => self.failures.push(format!("{point}: {failure}")),
        }
        if self.listed.len() == TOGETHER {
            self.judge();
        }
    }

    /// Has readers judge what was not judged so far, and removes it.
    fn judge(&mut self) {
        let results = TempDir::with_prefix("rivet-stores-").unwrap();
        self.bucket.prefix = self.prefix.clone();
        let Some(found) = self.bucket.fetch(results.path()) else { return self.listed.clear() };
        self.bucket.clear();
        // What could not be listed or ended at that moment, a later run ends once it is a day old.
        let is_left = |upload: &&String| !upload.starts_with("ListUploads:") && !upload.starts_with("Abort:");
        for upload in found.uploads.iter().filter(is_left) {
            self.failures.push(format!("{upload}: an upload is pending"));
        }
        // What a look, or a point that failed before, has left is nobody's.
        for folder in fs::read_dir(results.path()).unwrap().map(Result::unwrap) {
            if !self.listed.iter().any(|(point, _)| folder.file_name() == point.as_str()) {
                fs::remove_dir_all(folder.path()).unwrap();
            }
        }
        for (point, listed) in self.listed.drain(..) {
            fs::create_dir_all(results.path().join(&point).join("out")).unwrap();
            fs::write(results.path().join(point).join("files.txt"), listed).unwrap();
        }
        let expected = self.template.write("expected.csv", &self.expected);
        let (kind, least) = if self.case.windows { ("windows", "1") } else { ("exports", "2") };
        let args = [kind, expected.to_str().unwrap(), least, results.path().to_str().unwrap()];
        self.failures.extend(read_with("exports.py", &args).unwrap().lines().map(str::to_owned));
    }

    /// Judges the rest, and fails when anything was wrong.
    pub fn end(mut self) {
        if !self.listed.is_empty() {
            self.judge();
        }
        let Self { name, failures, visited, reached, .. } = self;
        eprintln!("{name}: {reached} of {visited} points reached");
        assert!(failures.is_empty(), "{name}: {} failures\n\n{}", failures.len(), failures.join("\n\n"));
        // Where workers race, what the one run does need not be there in the next.
        assert!(reached * 2 >= visited, "{name}: only {reached} of {visited} points were reached");
    }
}

/// At most `most` of the numbers below `count`, evenly spread.
pub fn spread(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let most = most.min(count);
    (0..most).map(move |index| (2 * index + 1) * count / (2 * most))
}
