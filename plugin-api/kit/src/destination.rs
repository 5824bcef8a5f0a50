//! The trials of a destination, chosen by its capabilities.

mod sample;
mod content;
mod write;
mod leave;
mod part;

use libtest_mimic::Failed;
use rivet_plugin_api::abi::{DestinationHandle, WriterHandle};
use rivet_plugin_api::arrow_array::RecordBatch;
use rivet_plugin_api::{
    Cancel, DestinationCapabilities, DestinationSpec, Format, FormatKind, Receipt, Result, Spec, WriteRequest,
};

use crate::check::{self, ensure};
use crate::suite::{Case, Outcome, Subject};
use crate::target::DestinationTarget;

type Destination = Subject<DestinationTarget>;

pub(crate) fn cases(spec: &Spec, _: &DestinationTarget) -> Result<Vec<Case<DestinationTarget>>, String> {
    let half = spec.destination.as_ref().ok_or_else(|| format!("connector \"{}\" is not a destination", spec.name))?;
    let can = half.capabilities;
    let mut cases = vec![
        Case::new("spec_is_sound", spec_is_sound).offline(),
        Case::new("wrong_options_are_refused", wrong_options_are_refused).offline(),
        Case::new("secrets_stay_secret", secrets_stay_secret),
        Case::new("opening_and_closing_holds_nothing", opening_and_closing_holds_nothing),
        Case::new("probe_leaves_nothing", leave::probe_leaves_nothing),
        Case::new("formats_not_announced_are_refused", write::formats_not_announced_are_refused),
    ];
    // What goes into a pipe nobody can look at afterwards.
    if !can.stream {
        cases.extend(writing(can));
    }
    cases.push(if can.stat {
        Case::new("stat_equals_receipt", part::stat_equals_receipt)
    } else {
        Case::new("stat_is_refused", part::stat_is_refused)
    });
    cases.push(if can.remove {
        Case::new("remove_is_idempotent", part::remove_is_idempotent)
    } else {
        Case::new("remove_is_refused", part::remove_is_refused)
    });
    cases.push(if can.put {
        Case::new("put_keeps_what_is_there", part::put_keeps_what_is_there)
    } else {
        Case::new("put_is_refused", part::put_is_refused)
    });
    Ok(cases)
}

/// The trials that write and look at what is there then.
fn writing(can: DestinationCapabilities) -> Vec<Case<DestinationTarget>> {
    let mut cases = vec![
        Case::new("abort_leaves_nothing", leave::abort_leaves_nothing),
        Case::new("drop_leaves_nothing", leave::drop_leaves_nothing),
        Case::new("cancel_stops_a_write_and_leaves_nothing", leave::cancel_stops_a_write_and_leaves_nothing),
        Case::new("writer_outlives_destination", write::writer_outlives_destination),
        Case::new("no_rows_mean_no_parts", write::no_rows_mean_no_parts),
        Case::new("two_writers_write_at_once", write::two_writers_write_at_once),
    ];
    for (announced, case) in [
        (can.parquet, Case::new("parquet_keeps_every_value", write::parquet_keeps_every_value)),
        (can.csv, Case::new("csv_keeps_every_row", write::csv_keeps_every_row)),
        (can.arrow, Case::new("arrow_keeps_every_value", write::arrow_keeps_every_value)),
        (can.atomic, Case::new("nothing_is_visible_before_finish", leave::nothing_is_visible_before_finish)),
    ] {
        cases.extend(announced.then_some(case));
    }
    let has_formats = can.parquet || can.csv || can.arrow;
    if has_formats || can.atomic {
        cases.extend([
            Case::new("a_taken_name_is_a_conflict", part::a_taken_name_is_a_conflict),
            Case::new("replace_overwrites", part::replace_overwrites),
        ]);
    }
    if has_formats {
        cases.push(Case::new("large_output_comes_in_whole_parts", part::large_output_comes_in_whole_parts));
    }
    cases
}

impl Destination {
    fn open(&self) -> Result<DestinationHandle> {
        self.plugin.open_destination(&self.target.options, &Cancel::new())
    }

    fn half(&self) -> Result<&DestinationSpec, Failed> {
        self.plugin.spec().destination.as_ref().ok_or_else(|| "the spec has no destination".into())
    }

    /// The objects that exist, sorted.
    fn list(&self) -> Vec<String> {
        let mut names = (self.target.list)();
        names.sort_unstable();
        names
    }

    /// The format that most trials use.
    fn format(&self) -> Result<FormatKind, Failed> {
        let can = self.half()?.capabilities;
        Ok(match (can.parquet, can.csv, can.arrow) {
            (false, true, _) => FormatKind::Csv,
            (false, false, true) => FormatKind::Arrow,
            _ => FormatKind::Parquet,
        })
    }

    /// A request under a name of its own, which tells the trial and the way it came.
    fn request(&self, trial: &str) -> Result<WriteRequest, Failed> {
        let way = if self.plugin.path().is_some() { "library" } else { "linked" };
        let export = format!("kit_{way}_{trial}");
        let format = Format { kind: self.format()?, ..Format::default() };
        Ok(WriteRequest { base_name: format!("{export}_20260329_125200"), export, format, ..WriteRequest::default() })
    }

    fn begin(&self, request: &WriteRequest, first: &RecordBatch) -> Result<WriterHandle> {
        self.open()?.begin(request, &first.schema(), &Cancel::new())
    }

    fn write(&self, request: &WriteRequest, batches: &[RecordBatch]) -> Result<Receipt> {
        let first = batches.first().cloned().unwrap_or_else(sample::small);
        let mut writer = self.begin(request, &first)?;
        for batch in batches {
            writer.write(batch.clone())?;
        }
        writer.finish()
    }

    /// Whether the objects are those of `before`.
    fn unchanged(&self, what: &str, before: &[String]) -> Outcome {
        let after = self.list();
        let odd: Vec<_> = after.iter().filter(|name| !before.contains(name)).collect();
        ensure!(after == before, "{what} left {odd:?}; {} objects before, {} after", before.len(), after.len());
        Ok(())
    }

    /// Removes what a trial wrote, where that is offered.
    fn tidy(&self, receipt: &Receipt) -> Outcome {
        if self.half()?.capabilities.remove {
            let mut handle = self.open()?;
            for part in &receipt.parts {
                handle.remove(&part.name)?;
            }
        }
        Ok(())
    }
}

fn spec_is_sound(destination: &Destination) -> Outcome {
    check::spec_is_sound(destination.plugin.spec(), &destination.half()?.options)
}

fn wrong_options_are_refused(destination: &Destination) -> Outcome {
    check::wrong_options_are_refused(&destination.half()?.options, &destination.target.options, |options| {
        destination.plugin.open_destination(options, &Cancel::new())
    })
}

fn secrets_stay_secret(destination: &Destination) -> Outcome {
    check::secrets_stay_secret(&destination.half()?.options, &destination.target.options, |options| {
        destination.plugin.open_destination(options, &Cancel::new())?.probe().map(drop)
    })
}

fn opening_and_closing_holds_nothing(destination: &Destination) -> Outcome {
    check::holds_nothing(|| destination.open()?.close())
}
