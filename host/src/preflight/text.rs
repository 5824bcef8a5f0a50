//! A report for people, in the layout of rivet-cli 0.2 with more lines after it.

use std::fmt::{self, Write as _};

use super::about;
use super::report::{ColumnReport, Report};
use crate::state::{human_bytes, human_duration};

/// The column in which values begin.
const VALUES: usize = 16;
/// The width of a line; what is longer goes on below its beginning.
const WIDTH: usize = 79;

/// A blank line, the name, and one aligned line a fact.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.seed_lines(&mut text)?;
        self.more_lines(&mut text)?;
        write!(f, "\nExport: {}\n{text}", self.export)
    }
}

impl Report {
    fn seed_lines(&self, text: &mut String) -> fmt::Result {
        line(text, "Strategy:", &self.strategy)?;
        line(text, "Mode:", &self.mode_line)?;
        if let Some(rows) = self.row_estimate {
            line(text, "Row estimate:", &about(rows))?;
        }
        if let (Some(min), Some(max)) = (&self.key_min, &self.key_max) {
            line(text, "Cursor range:", &format!("{min} .. {max}"))?;
        } else if let (Some(column), Some(reason)) = (&self.key_column, &self.key_range_unknown) {
            line(text, "Cursor col:", column)?;
            wrapped(text, "", &format!("(range not looked up: {reason})"))?;
        }
        if let Some(scan) = &self.scan {
            line(text, "Scan type:", scan)?;
        }
        if let Some(verdict) = self.verdict {
            line(text, "Verdict:", verdict.as_str())?;
        }
        if let Some(profile) = self.recommended_profile {
            line(text, "Recommended:", &format!("tuning.profile: {profile}"))?;
        }
        match (self.recommended_parallel, self.parallel_reason) {
            (Some(1), Some(why)) => wrapped(text, "Parallelism:", &format!("1 ({why})"))?,
            (Some(parallel), Some(why)) => wrapped(text, "Recommended:", &format!("parallel: {parallel} ({why})"))?,
            _ => {}
        }
        for warning in &self.warnings {
            wrapped(text, "Warning:", &warning.text)?;
        }
        self.suggestion.as_ref().map_or(Ok(()), |suggestion| wrapped(text, "Suggestion:", suggestion))
    }

    fn more_lines(&self, text: &mut String) -> fmt::Result {
        if let Some(cursor) = &self.cursor {
            line(text, "Cursor:", &format!("{cursor} (stored: a run reads what is above)"))?;
        }
        if let Some(since) = &self.since {
            line(text, "Since:", since)?;
        }
        if let Some(table) = &self.table {
            let rows = self.table_rows.map(|rows| format!(", {} rows", about(rows))).unwrap_or_default();
            let bytes = self.table_bytes.map(|bytes| format!(", {}", human_bytes(bytes))).unwrap_or_default();
            line(text, "Table:", &format!("{table}{rows}{bytes}"))?;
        }
        columns(text, &self.columns)?;
        if let Some(range) = self.output_bytes {
            let sizes = format!("~{} .. {}", human_bytes(range.low), human_bytes(range.high));
            wrapped(text, "Output:", &format!("{sizes} ({})", self.basis[0]))?;
        }
        if let Some(range) = self.duration_ms {
            let times = format!("~{} .. {}", human_duration(range.low), human_duration(range.high));
            wrapped(text, "Duration:", &format!("{times} ({})", self.basis[1]))?;
        }
        for note in &self.notes {
            wrapped(text, "Note:", note)?;
        }
        self.error.as_ref().map_or(Ok(()), |error| line(text, "Error:", &error.message))
    }
}

/// One line, however long it is.
fn line(text: &mut String, label: &str, value: &str) -> fmt::Result {
    let value: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    writeln!(text, "  {label:<width$}{value}", width = VALUES - 2)
}

/// Lines that break between words.
fn wrapped(text: &mut String, label: &str, value: &str) -> fmt::Result {
    let (mut label, mut current) = (label, String::new());
    for word in value.split_whitespace() {
        if !current.is_empty() && VALUES + current.chars().count() + 1 + word.chars().count() > WIDTH {
            line(text, std::mem::take(&mut label), &current)?;
            current.clear();
        }
        if !current.is_empty() {
            current.push(' ');
        }
        current.push_str(word);
    }
    line(text, label, &current)
}

/// A table of the columns, as wide as it needs.
fn columns(text: &mut String, columns: &[ColumnReport]) -> fmt::Result {
    let width = |cell: fn(&ColumnReport) -> &str| columns.iter().map(|c| cell(c).chars().count()).max().unwrap_or(0);
    let (name, native) = (width(|c| &c.name), width(|c| &c.native_type));
    let arrow = width(|c| arrow_type(c));
    for (place, column) in columns.iter().enumerate() {
        let label = if place == 0 { "Columns:" } else { "" };
        let cells = format!(
            "{:<name$}  {:<native$}  {:<arrow$}  {}",
            column.name,
            column.native_type,
            arrow_type(column),
            column.note
        );
        line(text, label, cells.trim_end())?;
    }
    Ok(())
}

fn arrow_type(column: &ColumnReport) -> &str {
    column.arrow_type.as_deref().unwrap_or("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::{Verdict, estimate::Range, warning::Warning};

    #[test]
    fn the_layout_is_that_of_the_predecessor() {
        let report = Report {
            export: "events_full".into(),
            strategy: "full-scan".into(),
            mode_line: "full".into(),
            row_estimate: Some(5_000_000),
            scan: Some("Seq Scan on events".into()),
            verdict: Some(Verdict::Degraded),
            recommended_profile: Some("safe"),
            recommended_parallel: Some(4),
            parallel_reason: Some("why"),
            warnings: vec![Warning { code: "x", text: "Parallel memory risk".into() }],
            suggestion: Some(
                "No index detected -- full table scan. Add an indexed cursor column and switch to incremental mode. Use \
                 'safe' tuning profile to limit database impact."
                    .into(),
            ),
            columns: vec![
                ColumnReport {
                    name: "id".into(),
                    native_type: "integer".into(),
                    arrow_type: Some("Int32".into()),
                    nullable: false,
                    note: "exact".into(),
                },
                ColumnReport {
                    name: "place\n".into(),
                    native_type: "point[]".into(),
                    arrow_type: None,
                    nullable: true,
                    note: "an array".into(),
                },
            ],
            output_bytes: Some(Range { low: 1 << 20, high: 1 << 30 }),
            basis: ["a basis".into(), String::new()],
            ..Report::default()
        };
        let expected = "
Export: events_full
  Strategy:     full-scan
  Mode:         full
  Row estimate: ~5M
  Scan type:    Seq Scan on events
  Verdict:      DEGRADED
  Recommended:  tuning.profile: safe
  Recommended:  parallel: 4 (why)
  Warning:      Parallel memory risk
  Suggestion:   No index detected -- full table scan. Add an indexed cursor
                column and switch to incremental mode. Use 'safe' tuning
                profile to limit database impact.
  Columns:      id      integer  Int32  exact
                place   point[]  -      an array
  Output:       ~1.0 MB .. 1.0 GB (a basis)
";
        assert_eq!(report.to_string(), expected);
    }
}
