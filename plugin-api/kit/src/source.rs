//! The trials of a source, chosen by its capabilities.

mod open;
mod rows;
mod query;
mod stop;
mod filter;
mod answer;
mod params;

use libtest_mimic::Failed;
use rivet_plugin_api::abi::{ReaderHandle, SourceHandle};
use rivet_plugin_api::{Cancel, Filter, ReadRequest, Result, SourceSpec, Spec};

use crate::check::ensure;
use crate::suite::{Case, Outcome, Subject};
use crate::table::Table;
use crate::target::SourceTarget;

type Source = Subject<SourceTarget>;

pub(crate) fn cases(spec: &Spec, target: &SourceTarget) -> Result<Vec<Case<SourceTarget>>, String> {
    let half = spec.source.as_ref().ok_or_else(|| format!("connector \"{}\" is not a source", spec.name))?;
    let mut cases = vec![
        Case::new("spec_is_sound", open::spec_is_sound).offline(),
        Case::new("wrong_options_are_refused", open::wrong_options_are_refused).offline(),
        Case::new("secrets_stay_secret", open::secrets_stay_secret),
        Case::new("opening_and_closing_holds_nothing", open::opening_and_closing_holds_nothing),
        Case::new("probe_says_who_answers", open::probe_says_who_answers),
        Case::new("description_equals_schema", query::description_equals_schema),
        Case::new("all_rows_arrive", rows::all_rows_arrive),
        Case::new("batches_have_at_most_the_rows_asked_for", rows::batches_have_at_most_the_rows_asked_for),
        Case::new("batches_have_about_the_bytes_asked_for", rows::batches_have_about_the_bytes_asked_for),
        Case::new("strategies_agree", rows::strategies_agree),
        Case::new("columns_are_chosen_or_refused", rows::columns_are_chosen_or_refused),
        Case::new("reader_outlives_source", rows::reader_outlives_source),
        Case::new("batches_outlive_reader", rows::batches_outlive_reader),
        Case::new("closing_in_the_middle_is_prompt", stop::closing_in_the_middle_is_prompt),
        Case::new("cancel_before_the_call_is_heard", stop::cancel_before_the_call_is_heard),
        Case::new("cancel_ends_an_endless_query_within_a_second", stop::cancel_ends_an_endless_query_within_a_second)
            .needs(!target.endless.is_empty(), "endless query"),
        Case::new("closing_ends_an_endless_query", stop::closing_ends_an_endless_query)
            .needs(!target.endless.is_empty(), "endless query"),
        Case::new("no_rows_mean_a_schema_and_no_batch", query::no_rows_mean_a_schema_and_no_batch)
            .needs(target.empty.is_some(), "empty query"),
    ];
    let sql = target.wrong.is_some() || target.skip.is_some();
    if sql {
        cases.extend([
            Case::new("syntax_error_is_permanent", query::syntax_error_is_permanent),
            Case::new("two_statements_are_refused", query::two_statements_are_refused),
            Case::new("semicolon_and_comments_do_no_harm", query::semicolon_and_comments_do_no_harm),
            Case::new("writing_is_refused", query::writing_is_refused)
                .needs(!target.forbidden.is_empty() || target.skip.is_some(), "forbidden statements"),
        ]);
    }
    if half.capabilities.concurrent_readers {
        cases.push(Case::new("two_readers_read_at_once", rows::two_readers_read_at_once));
    }
    cases.extend(of_capabilities(half));
    if half.capabilities.params {
        cases.extend([
            Case::new("params_arrive_as_they_are", params::params_arrive_as_they_are),
            Case::new("params_that_are_not_used_are_refused", params::params_that_are_not_used_are_refused),
        ]);
    }
    Ok(cases)
}

/// One case a capability: announced, it must be right; otherwise it must be refused.
fn of_capabilities(half: &SourceSpec) -> Vec<Case<SourceTarget>> {
    let can = half.capabilities;
    let case = |announced: bool, right: Case<SourceTarget>, refused: Case<SourceTarget>| {
        if announced { right } else { refused }
    };
    vec![
        case(
            can.window,
            Case::new("windows_cover_all_rows_once", filter::windows_cover_all_rows_once),
            Case::new("window_is_refused", filter::window_is_refused),
        ),
        case(
            can.range,
            Case::new("ranges_cover_all_rows_once", filter::ranges_cover_all_rows_once),
            Case::new("range_is_refused", filter::range_is_refused),
        ),
        case(
            can.dense,
            Case::new("dense_chunks_cover_all_rows_once", filter::dense_chunks_cover_all_rows_once),
            Case::new("dense_is_refused", filter::dense_is_refused),
        ),
        case(
            can.since,
            Case::new("since_counts_right", filter::since_counts_right),
            Case::new("since_is_refused", filter::since_is_refused),
        ),
        case(
            can.count,
            Case::new("count_is_exact", answer::count_is_exact),
            Case::new("count_is_refused", answer::count_is_refused),
        ),
        case(
            can.bounds,
            Case::new("bounds_are_those_of_the_rows", answer::bounds_are_those_of_the_rows),
            Case::new("bounds_are_refused", answer::bounds_are_refused),
        ),
        case(
            can.snapshot,
            Case::new("snapshot_is_joined", answer::snapshot_is_joined),
            Case::new("snapshot_is_refused", answer::snapshot_is_refused),
        ),
        case(
            can.split,
            Case::new("parts_of_a_split_cover_all_rows_once", answer::parts_of_a_split_cover_all_rows_once),
            Case::new("split_is_refused", answer::split_is_refused),
        ),
        case(
            can.tables,
            Case::new("tables_can_be_described", answer::tables_can_be_described),
            Case::new("tables_are_refused", answer::tables_are_refused),
        ),
        case(
            can.explain,
            Case::new("explain_shows_a_plan", answer::explain_shows_a_plan),
            Case::new("explain_is_refused", answer::explain_is_refused),
        ),
    ]
}

impl Source {
    fn open(&self) -> Result<SourceHandle> {
        self.open_with(&Cancel::new())
    }

    fn open_with(&self, cancel: &Cancel) -> Result<SourceHandle> {
        self.plugin.open_source(&self.target.options, cancel)
    }

    fn half(&self) -> Result<&SourceSpec, Failed> {
        self.plugin.spec().source.as_ref().ok_or_else(|| "the spec has no source".into())
    }

    fn request(&self) -> ReadRequest {
        ReadRequest { query: self.target.query.clone(), ..ReadRequest::default() }
    }

    fn filtered(&self, filter: Filter) -> ReadRequest {
        ReadRequest { filter, ..self.request() }
    }

    /// All rows of a request, each batch checked on arrival.
    fn read(&self, request: &ReadRequest) -> Result<Table, Failed> {
        drain(self.open()?.read(request, &Cancel::new())?)
    }

    /// The error of a request, whether `read` or the first batch brings it.
    fn attempt(&self, request: &ReadRequest) -> Result<()> {
        self.open()?.read(request, &Cancel::new())?.next().map(drop)
    }
}

/// Reads to the end, checks that each batch is what its schema says, and closes.
fn drain(mut reader: ReaderHandle) -> Result<Table, Failed> {
    let schema = reader.schema().clone();
    let mut batches = Vec::new();
    while let Some(batch) = reader.next()? {
        ensure!(batch.num_rows() > 0, "batch {} is empty", batches.len());
        ensure!(batch.schema() == schema, "batch {} has another schema than the read", batches.len());
        for (column, field) in batch.columns().iter().zip(schema.fields()) {
            let name = field.name();
            column.to_data().validate_full().map_err(|e| format!("column \"{name}\" is not valid Arrow: {e}"))?;
            ensure!(field.is_nullable() || column.null_count() == 0, "column \"{name}\" holds NULL against its schema");
        }
        batches.push(batch);
    }
    reader.close()?;
    Ok(Table { schema, batches })
}

/// Compares two reads as multisets and says what differs.
fn same_rows(what: &str, whole: &Table, other: &Table) -> Outcome {
    let (whole, other) = (whole.sorted()?, other.sorted()?);
    if whole == other {
        return Ok(());
    }
    let odd = whole.iter().zip(&other).find(|(a, b)| a != b);
    let odd = odd.map_or_else(String::new, |(a, b)| format!("; the first difference is {a} against {b}"));
    Err(format!("{what}: {} rows against {} of the unfiltered read{odd}", other.len(), whole.len()).into())
}
