//! The tables that the `state` and `metrics` commands print. Their layout is that of rivet-cli 0.2, which scripts read.

use std::borrow::Cow;
use std::fmt::Write;
use std::path::Path;

use super::{ChunkReport, FileRecord, RunRecord, StoredCursor};

/// `rivet state show`.
pub fn cursor_table(cursors: &[StoredCursor]) -> String {
    if cursors.is_empty() {
        return "No export state recorded yet.\n".to_owned();
    }
    let mut table = Table::new(90, format!("{:<30} {:<40} LAST RUN", "EXPORT", "LAST CURSOR"));
    for c in cursors {
        let (value, at) = (or_dash(c.value.as_deref()), c.last_run_at.as_deref().map_or("-".into(), to_the_second));
        table.line(format!("{:<30} {value:<40} {at}", plain(&c.export)));
    }
    table.0
}

/// `rivet state files`.
pub fn file_table(files: &[FileRecord]) -> String {
    if files.is_empty() {
        return "No files recorded yet.\n".to_owned();
    }
    let header = format!("{:<35} {:<40} {:>8} {:>10} CREATED", "RUN ID", "FILE", "ROWS", "BYTES");
    let mut table = Table::new(110, header);
    for f in files {
        let (id, name, at) = (plain(&f.run_id), plain(&f.name), to_the_second(&f.created_at));
        table.line(format!("{id:<35} {name:<40} {:>8} {:>10} {at}", f.rows, human_bytes(f.bytes)));
    }
    table.0
}

/// `rivet metrics`.
pub fn metrics_table(runs: &[RunRecord]) -> String {
    if runs.is_empty() {
        return "No metrics recorded yet.\n".to_owned();
    }
    let header = format!(
        "{:<20} {:<10} {:>10} {:>10} {:>8} {:>6} {:>10} RUN ID",
        "EXPORT", "STATUS", "ROWS", "DURATION", "RSS", "FILES", "BYTES"
    );
    let mut table = Table::new(110, header);
    for m in runs.iter().map(|run| &run.metrics) {
        let rss = m.peak_rss_mb.map_or("-".to_owned(), |mb| format!("{mb}MB"));
        let bytes = if m.bytes > 0 { human_bytes(m.bytes) } else { "-".to_owned() };
        table.line(format!(
            "{:<20} {:<10} {:>10} {:>10} {rss:>8} {:>6} {bytes:>10} {}",
            plain(&m.export),
            plain(&m.status),
            m.rows,
            human_duration(m.duration_ms),
            m.files,
            or_dash(m.run_id.as_deref())
        ));
        if let Some(error) = &m.error {
            table.line(format!("  Error: {}", plain(error)));
        }
        let retries = (m.retries > 0).then(|| format!("retries={}", m.retries));
        let validated = m.validated.map(|ok| format!("validated={}", if ok { "pass" } else { "FAIL" }));
        let schema = m.schema_changed.map(|changed| format!("schema={}", if changed { "CHANGED" } else { "ok" }));
        let flags: Vec<String> = [retries, validated, schema].into_iter().flatten().collect();
        if !flags.is_empty() {
            table.line(format!("  {}", flags.join("  ")));
        }
    }
    table.0
}

/// `rivet state chunks`.
pub fn chunk_table(database: &Path, export: &str, report: Option<&ChunkReport>) -> String {
    let mut text = format!("{:<12}{}\n", "database:", plain(&database.display().to_string()));
    let Some(report) = report else {
        return text + &format!("No chunk checkpoint data for export '{}'.\n", plain(export));
    };
    let preamble = [
        ("export:", export),
        ("run_id:", &report.run_id),
        ("plan_hash:", &report.plan_hash),
        ("status:", &report.status),
        ("updated_at:", &report.updated_at),
    ];
    text.extend(preamble.map(|(label, value)| format!("{label:<12}{}\n", plain(value))));
    let header = format!("{:<6} {:<12} {:<18} {:<18} {:>4} {:>8} FILE", "IDX", "STATUS", "START", "END", "ATT", "ROWS");
    let mut table = Table::new(90, header);
    for c in &report.chunks {
        let rows = c.rows.map_or("-".to_owned(), |rows| rows.to_string());
        let more = if c.files > 1 { format!(" (+{})", c.files - 1) } else { String::new() };
        table.line(format!(
            "{:<6} {:<12} {:<18} {:<18} {:>4} {rows:>8} {}{more}",
            c.index,
            plain(&c.status),
            or_dash(c.start.as_deref()),
            or_dash(c.end.as_deref()),
            c.attempts,
            or_dash(c.file.as_deref())
        ));
        if let Some(error) = &c.error {
            table.line(format!("       error: {}", plain(error)));
        }
    }
    text + "\n" + &table.0
}

struct Table(String);

impl Table {
    fn new(rule: usize, header: String) -> Self {
        Self(format!("{header}\n{}\n", "-".repeat(rule)))
    }

    fn line(&mut self, line: String) {
        self.0.push_str(&line);
        self.0.push('\n');
    }
}

/// A size in the units of the run summary: `512 B`, `17.4 MB`, with 1024 bytes to the KB.
pub fn human_bytes(bytes: u64) -> String {
    let units = [(1_u64 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB")];
    match units.into_iter().find(|(size, _)| bytes >= *size) {
        Some((size, unit)) => format!("{:.1} {unit}", bytes as f64 / size as f64),
        None => format!("{bytes} B"),
    }
}

/// A duration as in the run summary: `340ms`, `3.2s`.
pub fn human_duration(ms: u64) -> String {
    if ms >= 1000 { format!("{:.1}s", ms as f64 / 1000.0) } else { format!("{ms}ms") }
}

fn or_dash(text: Option<&str>) -> Cow<'_, str> {
    text.map_or("-".into(), plain)
}

/// Text that cannot move the terminal's cursor or start a line of its own.
fn plain(text: &str) -> Cow<'_, str> {
    if text.contains(char::is_control) { text.replace(char::is_control, " ").into() } else { text.into() }
}

/// An RFC 3339 text without its fraction, which is stored to the nanosecond and read by people.
fn to_the_second(text: &str) -> Cow<'_, str> {
    let Some((seconds, rest)) = text.split_once('.') else { return plain(text) };
    let zone = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let mut short = plain(seconds).into_owned();
    let _ = write!(short, "{}", plain(zone));
    short.into()
}
