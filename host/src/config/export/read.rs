//! Reads `exports` and the keys of one export that concern more than the export itself: name, query, destination.

use std::collections::HashMap;

use super::{Export, KEYS, OnSchemaChange, Query, Shared, fields, params};
use crate::code::Code;
use crate::config::TuningSection;
use crate::config::expand::{Missing, expand_at};
use crate::config::node::{Node, Span, Value, shorten};
use crate::config::section::Section;
use crate::config::tuning::{self, KEEP_ONE, exclusive};
use crate::config::{Connector, DESTINATION_KEYS, Reader, file, home, key};

pub(super) const CHANGES: [(&str, OnSchemaChange); 2] =
    [("warn", OnSchemaChange::Warn), ("fail", OnSchemaChange::Fail)];

impl Reader<'_> {
    /// All exports, or nothing when one of them is wrong.
    pub(in crate::config) fn exports(&self, root: &Section<'_>, shared: Option<&Shared>) -> Option<Vec<Export>> {
        root.required("exports", "list what to export under `exports:`; an empty list is `exports: []`")?;
        let nodes = root.list("exports", Some)?;
        let unknown = Shared::default();
        let shared = shared.unwrap_or(&unknown);
        let mut names = HashMap::new();
        let looked_at = nodes.iter().enumerate().filter(|(_, node)| !self.left_out.contains(&node.span));
        let exports: Vec<_> = looked_at.map(|(i, node)| self.export(i, node, shared, &mut names)).collect();
        exports.into_iter().collect()
    }

    fn export(&self, index: usize, node: &Node, shared: &Shared, names: &mut HashMap<String, usize>) -> Option<Export> {
        let mut section = Section::open(format!("`exports[{index}]`"), node.span, node, self.problems)?;
        let name = export_name(&section, names);
        if let Some(name) = &name {
            section.label = format!("export \"{name}\"");
        }
        let place = format!("{} (exports[{index}])", section.label);
        tuning::misplaced(&section, &place, "exports[].tuning");
        section.only(KEYS, tuning::KEYS, home);
        let tuning = TuningSection::of(&section, &format!("`tuning` of {}", section.label));
        if !tuning.is_contradictory()
            && !shared.tuning.is_contradictory()
            && tuning.over(&shared.tuning).is_contradictory()
        {
            let label = format!("{} together with `source.tuning`", section.label);
            section.problem_as(Code::Exclusive, section.place("tuning"), exclusive(&label), KEEP_ONE);
        }
        // Everything is read before anything is missed, so that all problems are shown at once.
        let (query, mode, format) = (self.query(&section), fields::mode(&section), fields::file_format(&section));
        let (compression, compression_level) = fields::compression(&section, format);
        let arrow_layout = fields::arrow_layout(&section, format);
        let (max_file_size, quality) = (fields::max_file_size(&section), fields::quality(&section));
        let params = params::params(&section);
        let meta_columns = fields::meta_columns(&section);
        let skip_empty = section.boolean("skip_empty").unwrap_or(false);
        let manifest = section.boolean("manifest").unwrap_or(false);
        let parallel = section.integer(KEYS, "parallel").unwrap_or(1);
        let on_schema_change = section.choice("on_schema_change", &CHANGES).unwrap_or_default();
        let mapping = fields::mapping(&section, shared);
        let destination = self.destination(&section);
        Some(Export {
            name: name?,
            at: node.span,
            query: query?,
            params,
            mode: mode?,
            parallel,
            format: format?,
            arrow_layout,
            compression,
            compression_level,
            skip_empty,
            manifest,
            max_file_size,
            meta_columns,
            quality,
            destination: destination?,
            tuning,
            mapping,
            on_schema_change,
            mentioned: mentioned(&section),
        })
    }

    fn destination(&self, section: &Section<'_>) -> Option<Connector> {
        let entry =
            section.required("destination", "say where the files go, for example `destination: { type: … }`")?;
        let label = format!("the destination of {}", section.label);
        let destination = Section::open(label, entry.key_span, &entry.value, self.problems)?;
        self.connector(&destination, &key::names(DESTINATION_KEYS).collect::<Vec<_>>())
    }

    fn query(&self, section: &Section<'_>) -> Option<Query> {
        let label = &section.label;
        match (section.get("query"), section.get("query_file")) {
            (Some(_), None) => Some(Query { text: section.text("query")?.to_owned(), file: None }),
            (None, Some(entry)) => self.query_file(section, section.text("query_file")?, entry.value.span),
            (Some(_), Some(both)) => {
                let message = format!("`query` and `query_file` exclude each other in {label}");
                section.problem_as(Code::Exclusive, both.key_span, message, KEEP_ONE);
                None
            }
            (None, None) => {
                let message = format!("{label} has no query");
                section.problem_as(
                    Code::MissingKey,
                    section.place("query"),
                    message,
                    "give exactly one of `query` and `query_file`",
                );
                None
            }
        }
    }

    fn query_file(&self, section: &Section<'_>, path: &str, at: Span) -> Option<Query> {
        let path = self.dir.join(path);
        let what = format!("the query of {}, file", section.label);
        let read = file::read(&path, &what).and_then(|bytes| {
            let text = file::decode(&bytes, &format!("query file \"{}\"", path.display()));
            text.map(str::to_owned)
        });
        let text = match read {
            Ok(text) => expand_at(&text, Missing::Refused, false, |_| at, self.variables, self.problems).text,
            Err(problem) => {
                // The place inside the query file is not one of the configuration's.
                self.problems.push(problem.at(at).hint("the path is relative to the configuration's directory"));
                return None;
            }
        };
        if text.trim().is_empty() {
            let message = format!("query file \"{}\" of {} is empty", path.display(), section.label);
            section.problem(at, message, "write one SELECT statement into it");
            return None;
        }
        Some(Query { text, file: Some(path) })
    }
}

/// The columns and parameters that the export names, and where.
fn mentioned(section: &Section<'_>) -> Vec<(String, Span)> {
    let mut found = Vec::new();
    let quality = section.get("quality").map(|entry| &entry.value.value);
    let rules = match quality {
        Some(Value::Map(rules)) => rules.as_slice(),
        _ => &[],
    };
    let keys = ["cursor_column", "chunk_column", "time_column", "columns", "params"];
    for entry in keys.iter().filter_map(|key| section.get(key)).chain(rules) {
        match &entry.value.value {
            Value::Scalar(scalar) => found.push((scalar.text.clone(), entry.value.span)),
            Value::Map(entries) => found.extend(entries.iter().map(|e| (e.key.clone(), e.key_span))),
            Value::List(items) => found.extend(items.iter().filter_map(|item| match &item.value {
                Value::Scalar(scalar) => Some((scalar.text.clone(), item.span)),
                _ => None,
            })),
        }
    }
    found
}

fn export_name(section: &Section<'_>, names: &mut HashMap<String, usize>) -> Option<String> {
    let entry = section.required("name", "every export needs a unique name: its state is kept under it")?;
    let name = section.text("name")?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let at = entry.value.span;
    if name.len() > 100 || !name.chars().all(allowed) || matches!(name, "." | "..") {
        let hint = "use 1 to 100 letters, digits, \"_\", \".\" and \"-\": the name is part of file names";
        section.problem(at, format!("\"{}\" cannot be the name of an export", shorten(name)), hint);
        return None;
    }
    if let Some(line) = names.insert(name.to_owned(), at.line) {
        let hint = format!("line {line} has it too: two exports of one name would share their state");
        section.problem_as(Code::Duplicate, at, format!("two exports are named \"{name}\""), hint);
    }
    Some(name.to_owned())
}
