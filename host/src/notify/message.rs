//! What Slack is told, in the layout of rivet-cli 0.2.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::preflight::{Report, Verdict};
use crate::report::{Status, Summary};
use crate::secret;

/// The most characters of an error in a message; Slack shortens long messages itself, but without saying so.
const ERROR: usize = 2000;
/// The most characters of the names of exports.
const NAMES: usize = 300;

/// The message about an export.
pub(super) fn of(summary: &Summary) -> Value {
    let color = if summary.status == Status::Failed { "#e74c3c" } else { "#f39c12" };
    let (status, rows, ms) = (summary.status.as_str(), summary.rows, summary.duration_ms());
    let export = escaped(&summary.export, NAMES);
    let mut text = format!("*{export}* | status: `{status}` | rows: {rows} | duration: {ms}ms");
    if let Some(error) = &summary.error {
        // Writing to a `String` does not fail.
        let _ = write!(text, "\nerror: {}", escaped(&secret::redact(error), ERROR));
    }
    if summary.schema_changed == Some(true) {
        text.push_str("\nschema changed");
    }
    // What failed before its run began is known by its export.
    let run = if summary.run_id.is_empty() { &summary.export } else { &summary.run_id };
    let title = format!("Rivet: {}", escaped(run, NAMES));
    json!({ "attachments": [{ "color": color, "title": title, "text": text, "footer": "rivet export notification" }] })
}

/// The message about an export from which its source would suffer.
pub(super) fn of_verdict(report: &Report, verdict: Verdict) -> Value {
    let export = escaped(&report.export, NAMES);
    let rows = report.row_estimate.map_or_else(|| "unknown".to_owned(), |rows| format!("~{rows}"));
    let mut text = format!("*{export}* | status: `degraded` | verdict: {} | rows: {rows}", verdict.as_str());
    let lines = [("scan", &report.scan), ("suggestion", &report.suggestion)];
    for (label, line) in lines.into_iter().filter_map(|(label, line)| Some((label, line.as_ref()?))) {
        let _ = write!(text, "\n{label}: {}", escaped(&secret::redact(line), ERROR));
    }
    let title = format!("Rivet: check of {export}");
    json!({ "attachments": [{ "color": "#f39c12", "title": title, "text": text, "footer": "rivet export notification" }] })
}

/// At most `most` characters of a text, without what Slack would take for links and mentions.
fn escaped(text: &str, most: usize) -> String {
    let mut short: String = text.chars().take(most).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn summary(status: Status) -> Summary {
        Summary {
            export: "orders".into(),
            run_id: "orders_20260329T125109.336".into(),
            status,
            rows: 7,
            duration: Duration::from_millis(3210),
            ..Summary::default()
        }
    }

    #[test]
    fn a_success_is_orange_and_a_failure_red() {
        let changed = Summary { schema_changed: Some(true), ..summary(Status::Success) };
        let expected = json!({ "attachments": [{
            "color": "#f39c12",
            "title": "Rivet: orders_20260329T125109.336",
            "text": "*orders* | status: `success` | rows: 7 | duration: 3210ms\nschema changed",
            "footer": "rivet export notification",
        }] });
        assert_eq!(of(&changed), expected);
        let failed = Summary { error: Some("no route".into()), ..summary(Status::Failed) };
        let expected = json!({ "attachments": [{
            "color": "#e74c3c",
            "title": "Rivet: orders_20260329T125109.336",
            "text": "*orders* | status: `failed` | rows: 7 | duration: 3210ms\nerror: no route",
            "footer": "rivet export notification",
        }] });
        assert_eq!(of(&failed), expected);
    }

    #[test]
    fn texts_call_nobody_and_end() {
        assert_eq!(escaped("<!channel> a&b", 50), "&lt;!channel&gt; a&amp;b");
        assert_eq!(escaped("<é>ü", 3), "&lt;é&gt;…");
        let long = Summary { error: Some("ü".repeat(10_000)), ..summary(Status::Failed) };
        let text = of(&long)["attachments"][0]["text"].as_str().unwrap().to_owned();
        assert!(text.ends_with("üü…") && text.chars().count() < 2100, "{} characters", text.chars().count());
    }
}
