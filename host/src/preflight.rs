//! What `rivet check` finds out about an export before it runs: how the source would serve the very requests that a run
//! would make, and what follows from that. Nothing is read but plans, statistics and the ends of indexes.

mod verdict;
mod coverage;
mod outline;
mod note;
mod warning;
mod suggest;
mod estimate;
mod report;
mod text;
#[cfg(test)]
mod tests;

use rivet_plugin_api::abi::SourceHandle;
use rivet_plugin_api::{DescribeRequest, Explanation, Filter, FormatKind};

pub use self::report::Report;
pub use self::verdict::Verdict;
use crate::config::Mode;
use crate::error::{Error, Result};
use crate::plan::Job;
use crate::state::State;
use coverage::{Coverage, Plans};
use estimate::Basis;
use outline::Outline;

/// Checks an export. What it cannot find out is the report's error.
pub fn check(job: &Job<'_>, state: Option<&State>, source: &mut SourceHandle) -> Report {
    let mut report = Report::new(job);
    if let Err(error) = look(&mut report, job, state, source) {
        let error = match error {
            Error::Run(e) => Error::Run(e.context(format!("could not check export \"{}\"", job.export.name))),
            other => other,
        };
        report.error = Some(error.into());
    }
    report
}

fn look(report: &mut Report, job: &Job<'_>, state: Option<&State>, source: &mut SourceHandle) -> Result<()> {
    let can = job.source_can();
    let described = source.describe(&DescribeRequest {
        query: job.export.query.text.clone(),
        params: job.export.params.clone(),
        mapping: job.export.mapping.clone(),
        frugal: true,
        rights: false,
    })?;
    let columns = described.columns;
    report.columns = columns.iter().cloned().map(Into::into).collect();
    if !can.explain {
        let kind = &job.source.plugin.spec().name;
        report.notes.push(format!("connector \"{kind}\" does not explain its reads: there is nothing to judge by"));
        return Ok(());
    }
    let outline = Outline::of(job, state, &columns, source)?;
    let plans = explain(job, &outline, source)?;
    found(report, job, &outline, &plans);
    judge(report, job, &outline, &plans);
    estimate(report, job, &plans);
    Ok(())
}

/// Has the source explain the requests.
fn explain(job: &Job<'_>, outline: &Outline, source: &mut SourceHandle) -> Result<Plans> {
    let mut explain = |filter: &Filter| source.explain(&outline::request(job, filter, outline.order_by.as_ref()));
    let has_key = outline::key(&job.export.mode).is_some();
    let run = outline.run.iter().map(&mut explain).collect::<rivet_plugin_api::Result<Vec<_>>>()?;
    let base = has_key.then(|| explain(&Filter::All)).transpose()?;
    // A value that was only guessed may not go with the column's type, which the requests of a run have shown to be fine.
    let probe = outline.probe.as_ref().and_then(|filter| explain(filter).ok());
    Ok(Plans { base, run, probe })
}

/// What the plans and bounds say, as it is.
fn found(report: &mut Report, job: &Job<'_>, outline: &Outline, plans: &Plans) {
    let key = outline::key(&job.export.mode);
    let coverage = plans.coverage(key);
    let rows = |plan: &Explanation| plan.rows;
    report.row_estimate = match &job.export.mode {
        Mode::Chunked { .. } => plans.base.as_ref().and_then(rows),
        _ if outline.is_empty() => Some(0),
        _ => plans.run.first().and_then(rows),
    };
    let bound = |value: &Option<_>| value.as_ref().map(ToString::to_string);
    report.key_min = outline.bounds.as_ref().and_then(|bounds| bound(&bounds.min));
    report.key_max = outline.bounds.as_ref().and_then(|bounds| bound(&bounds.max));
    report.key_range_unknown.clone_from(&outline.declined);
    report.cursor.clone_from(&outline.cursor);
    report.first_run = matches!(job.export.mode, Mode::Incremental { .. }).then_some(outline.is_first);
    report.since = outline.run.first().and_then(outline::since);
    report.chunks = outline.chunks;
    report.notes.extend(outline.notes.iter().cloned());
    let Some(plan) = plans.telling(key) else { return };
    let by_index = plans.probe.as_ref().filter(|_| coverage == Coverage::Standby);
    let indexed = by_index.unwrap_or(plan);
    report.scan_lines(plan, by_index, outline.is_first);
    report.index.clone_from(&indexed.index);
    report.index_columns.clone_from(&indexed.index_columns);
    report.examined_rows = plan.examined;
    report.table.clone_from(&plan.table);
    (report.table_rows, report.table_bytes, report.cost) = (plan.table_rows, plan.table_bytes, plan.cost);
    report.plan = Some(plan.plan.clone());
    report.notes.extend(plan.warnings.iter().cloned());
}

impl Report {
    /// How the table is read. Where an index is there and not used this time, a note tells the other way.
    fn scan_lines(&mut self, plan: &Explanation, by_index: Option<&Explanation>, is_first: bool) {
        let scan = plan.scan.clone().unwrap_or_else(|| "no table is read".to_owned());
        let index = by_index.and_then(|probe| probe.scan.clone());
        self.notes.extend(index.as_ref().map(|index| {
            if is_first {
                format!("that is how later runs read: the first one reads every row, by {scan}")
            } else {
                format!("so many rows are wanted that the server scans; for fewer it would use {index}")
            }
        }));
        self.scan = Some(index.filter(|_| is_first).unwrap_or(scan));
    }
}

/// What follows from it.
fn judge(report: &mut Report, job: &Job<'_>, outline: &Outline, plans: &Plans) {
    let (export, mode) = (job.export, &job.export.mode);
    let coverage = match plans.coverage(outline::key(mode)) {
        // The first run is to read every row, for which no index is of use. It is the later ones that matter.
        Coverage::Standby if outline.is_first => Coverage::Key,
        other => other,
    };
    let examined = report.examined_rows.filter(|_| coverage == Coverage::None);
    let rows = report.row_estimate.max(examined);
    let profile = verdict::profile(coverage, rows, export.parallel);
    let verdict = verdict::verdict(coverage, rows);
    let (parallel, why) = verdict::parallelism(mode, coverage, rows);
    let bounds = outline.bounds.as_ref();
    report.index_coverage = Some(coverage);
    report.verdict = Some(verdict);
    report.recommended_profile = Some(profile.as_str());
    (report.recommended_parallel, report.parallel_reason) = (Some(parallel), Some(why));
    report.warnings = warning::warnings(warning::Facts {
        mode,
        query: &export.query.text,
        parallel: export.parallel,
        rows: report.row_estimate,
        range: bounds.and_then(|bounds| Some((bounds.min.as_ref()?, bounds.max.as_ref()?))),
        chunks: outline.chunks,
    });
    let (parallel, chunks) = (export.parallel, outline.chunks);
    let unindexable = plans.run.iter().any(|plan| plan.unindexable);
    report.suggestion =
        suggest::suggestion(verdict, suggest::Facts { mode, parallel, rows, coverage, chunks, profile, unindexable });
}

/// How much comes out, and how long that takes.
fn estimate(report: &mut Report, job: &Job<'_>, plans: &Plans) {
    let Some(rows) = report.row_estimate else { return };
    let (export, tuning) = (job.export, &job.tuning);
    let known = plans.run.first().and_then(|plan| plan.row_bytes);
    let row_bytes = known.unwrap_or_else(|| {
        let columns = report.columns.iter().filter_map(|column| column.arrow_type.as_deref());
        estimate::row_bytes(columns)
    });
    let scans = report.index_coverage == Some(Coverage::None);
    let is_chunked = matches!(export.mode, Mode::Chunked { dense: false, .. });
    let scanned = report.table_bytes.filter(|_| scans && export.mode != Mode::Full).unwrap_or(0);
    let workers = match export.mode {
        Mode::Full | Mode::Chunked { dense: false, .. } => export.parallel as u64,
        _ => 1,
    };
    let basis = Basis {
        rows,
        row_bytes,
        scanned: scanned.saturating_mul(if is_chunked { report.chunks.unwrap_or(1) } else { 1 }),
        format: export.format,
        compression: export.compression,
        workers,
        throttle_ms: tuning.throttle_ms,
        batch_size: tuning.batch_size as u64,
    };
    let source = if known.is_some() { "by the source's statistics" } else { "by their types" };
    let codec =
        if export.format == FormatKind::Parquet { format!(", {}", export.compression.as_str()) } else { String::new() };
    report.row_bytes = Some(row_bytes);
    report.row_bytes_from = Some(if known.is_some() { "statistics" } else { "types" });
    report.output_bytes = Some(estimate::output(basis));
    report.duration_ms = Some(estimate::duration(basis));
    let rests = crate::state::human_duration(estimate::pauses_ms(basis));
    report.basis = [
        format!("{} rows of {row_bytes} bytes {source}; {}{codec}", about(rows), export.format.as_str()),
        format!("10 .. 100 MB a second and connection, and {rests} of rest by profile {}", tuning.profile.as_str()),
    ];
}

/// A number of rows as people say it: `~5M`, `~17K`, `~900`.
fn about(rows: u64) -> String {
    match rows {
        1_000_000.. => format!("~{}M", rows / 1_000_000),
        1000.. => format!("~{}K", rows / 1000),
        _ => format!("~{rows}"),
    }
}
