//! Runs one of whose requests meets what networks and stores do to requests.

use std::fmt;

use rivet_e2e::Outcome;
use rivet_stores::{Make, Rule, Step, Trouble};

use crate::case::Case;
use crate::stage::{Place, Stage, spread};
use crate::{Extent, sweeps};

/// Points of a sample.
const SAMPLE: usize = 6;

sweeps! {
    sweep;
    full: Case::full(Make::S3),
    split: Case::split(Make::S3),
    checkpoint_2: Case::chunked(Make::S3, 2, true),
    incremental_redo: Case::incremental(Make::S3).after(Step::Put, 2),
    pieces_redo: Case::pieces(Make::S3).after(Step::UploadPart, 2),
    gcs_split: Case::split(Make::Gcs),
    gcs_incremental_redo: Case::incremental(Make::Gcs).after(Step::Put, 2),;
    slow
    incremental: Case::incremental(Make::S3),
    chunked_1: Case::chunked(Make::S3, 1, false),
    chunked_2: Case::chunked(Make::S3, 2, false),
    checkpoint_redo: Case::chunked(Make::S3, 2, true).after(Step::Put, 4),
    time_window: Case::time_window(Make::S3),
    split_redo: Case::split(Make::S3).after(Step::Complete, 1),
    gcs_pieces_redo: Case::pieces(Make::Gcs).after(Step::UploadPart, 2),
    gcs_checkpoint_2: Case::chunked(Make::Gcs, 2, true),
}

/// What may happen to a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    /// 500.
    Internal,
    /// 503 with `Retry-After`.
    Busy,
    /// 429.
    TooMany,
    /// The connection is reset in the middle of the request's body, or before it where there is none.
    Reset,
    /// The store does what it says, and the connection is reset before the answer.
    Lost,
    /// The store gets less of the body than was sent.
    Truncated,
    /// The connection is reset in the middle of the answer.
    Cut,
    /// 403.
    Denied,
}

const FAULTS: [Fault; 8] = [
    Fault::Internal,
    Fault::Busy,
    Fault::TooMany,
    Fault::Reset,
    Fault::Lost,
    Fault::Truncated,
    Fault::Cut,
    Fault::Denied,
];

/// How often it happens, and how often it is tried again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Course {
    /// Once, to a run that tries again.
    Passing,
    /// Once, to a run that does not.
    Single,
    /// From then on, to a run that tries again.
    Lasting,
}

const COURSES: [Course; 3] = [Course::Passing, Course::Single, Course::Lasting];

/// A request, the n-th for its step, and what happens to it.
#[derive(Clone, Copy, Debug)]
struct Point {
    step: Step,
    number: u32,
    fault: Fault,
    course: Course,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}:{}:{:?}:{:?}", self.step, self.number, self.fault, self.course)
    }
}

fn sweep(name: &str, case: Case, extent: Extent) {
    let Some(mut stage) = Stage::set(name, case) else { return };
    let steps = stage.look(steps);
    let mut points = points(&steps);
    if let Ok(point) = std::env::var("RIVET_RECOVERY") {
        points.retain(|known| known.to_string() == point);
        assert!(!points.is_empty(), "\"{point}\" is no point of {steps:?}");
    }
    // The faults of a request stand side by side, so that another step than their number meets all of them.
    let most = if extent == Extent::Sample { SAMPLE } else { points.len() };
    for index in spread(points.len(), most) {
        let point = points[index];
        stage.visit(&point.to_string(), |place| troubled(place, point));
    }
    stage.end();
}

/// What the requests of a run that succeeds are for, in their order.
fn steps(place: &Place<'_>) -> Vec<Step> {
    let before = place.proxy.seen().len();
    place.run(0, &[], place.case.args()).expect(0, &[]);
    place.proxy.seen()[before..].iter().map(|seen| seen.step).collect()
}

fn points(steps: &[Step]) -> Vec<Point> {
    let mut points = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let number = steps[..=index].iter().filter(|other| *other == step).count() as u32;
        for fault in FAULTS.into_iter().filter(|fault| fault.is_for(*step)) {
            points.extend(COURSES.map(|course| Point { step: *step, number, fault, course }));
        }
    }
    points
}

impl Fault {
    /// Whether it makes a difference: without a body, none can be truncated.
    fn is_for(self, step: Step) -> bool {
        match self {
            Self::Truncated => matches!(step, Step::Put | Step::UploadPart | Step::Complete),
            Self::Cut => matches!(step, Step::Initiate | Step::Complete | Step::ListUploads | Step::Token),
            _ => true,
        }
    }

    fn trouble(self, is_json: bool) -> Trouble {
        let now = &[("Retry-After", "0")];
        match self {
            Self::Internal if is_json => {
                Trouble::Answer(500, &[], r#"{"error": {"code": 500, "errors": [{"reason": "internalError"}]}}"#)
            }
            Self::Internal => Trouble::Answer(500, &[], "<Error><Code>InternalError</Code></Error>"),
            Self::Busy if is_json => {
                Trouble::Answer(503, now, r#"{"error": {"code": 503, "errors": [{"reason": "backendError"}]}}"#)
            }
            Self::Busy => Trouble::Answer(503, now, "<Error><Code>SlowDown</Code></Error>"),
            Self::TooMany => Trouble::Answer(429, now, ""),
            Self::Reset => Trouble::ResetBody(1000),
            Self::Lost => Trouble::Lost,
            Self::Truncated => Trouble::Truncate(20),
            Self::Cut => Trouble::ResetAnswer(20),
            Self::Denied if is_json => {
                Trouble::Answer(403, &[], r#"{"error": {"code": 403, "errors": [{"reason": "forbidden"}]}}"#)
            }
            Self::Denied => Trouble::Answer(403, &[], "<Error><Code>AccessDenied</Code></Error>"),
        }
    }

    /// The classes that a run may end with which met it.
    fn classes(self) -> &'static [&'static str] {
        match self {
            // What was cut off may have been the end of the body, which a store may wait for or call malformed.
            Self::Internal | Self::Reset | Self::Lost | Self::Truncated | Self::Cut => &["network", "timeout"],
            Self::Busy | Self::TooMany => &["capacity"],
            Self::Denied => &["auth"],
        }
    }
}

/// A run that meets the fault, and whether it did. Says what is wrong with how it ended.
fn troubled(place: &Place<'_>, point: Point) -> Result<bool, String> {
    let Point { step, number, fault, course } = point;
    let is_json = place.case.make == Make::Gcs
        && matches!(step, Step::Put | Step::Stat | Step::Read | Step::List | Step::Delete | Step::Token);
    let rule = Rule::new(step, fault.trouble(is_json)).from(number);
    place.proxy.add(if course == Course::Lasting { rule } else { rule.times(1) });
    let before = place.proxy.hit();
    let run = place.run(if course == Course::Single { 0 } else { 2 }, &[], place.case.args());
    let reached = place.proxy.hit() > before;
    place.proxy.heal();
    judge(&run, point).map_err(|what| format!("{what}: {run}"))?;
    Ok(reached)
}

fn judge(run: &Outcome, point: Point) -> Result<(), String> {
    let class = run.stderr.lines().find_map(|line| line.strip_prefix("more: rivet explain-error "));
    match (run.code, class) {
        (Some(0), _) => Ok(()),
        (Some(1), _) if point.course == Course::Passing && point.fault != Fault::Denied => {
            Err("what passes is not survived".to_owned())
        }
        (Some(1), Some(class)) if point.fault.classes().contains(&class) => Ok(()),
        (code, class) => Err(format!("it ends with {code:?} and {class:?}")),
    }
}
