//! Whether an index leads to the rows that an export asks for.

use rivet_plugin_api::Explanation;
use serde::Serialize;

use crate::column;

/// How far an index helps.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Coverage {
    /// No table is read.
    Nothing,
    /// By the column that the mode selects by.
    Key,
    /// There is one on that column, but so many rows are wanted that the server scans the table.
    Standby,
    /// By some other column.
    Partial,
    /// Not at all: the whole table is scanned.
    None,
}

impl Coverage {
    /// Whether an index can help.
    pub fn is_indexed(self) -> bool {
        self != Self::None
    }
}

/// The plans by which coverage is judged.
#[derive(Clone, Debug, Default)]
pub struct Plans {
    /// The query without the mode's condition; only for modes that have one.
    pub base: Option<Explanation>,
    /// The requests of a run, or some that stand for all of them.
    pub run: Vec<Explanation>,
    /// A request for next to no rows of the key.
    pub probe: Option<Explanation>,
}

impl Plans {
    /// Judges the plans of a mode that selects by the column `key`, if it has one.
    pub fn coverage(&self, key: Option<&str>) -> Coverage {
        let reading: Vec<_> = self.run.iter().filter(|plan| plan.scan.is_some()).collect();
        let Some(key) = key else {
            return match reading.first() {
                None => Coverage::Nothing,
                Some(plan) if plan.index.is_some() => Coverage::Partial,
                Some(_) => Coverage::None,
            };
        };
        let probe_serves = self.probe.as_ref().is_some_and(|plan| self.serves(plan, key));
        match reading.first() {
            // A window without rows: what later ones cost is shown by the probe.
            None if self.probe.as_ref().is_none_or(|plan| plan.scan.is_none()) => Coverage::Nothing,
            None if probe_serves => Coverage::Key,
            Some(_) if reading.iter().all(|plan| self.serves(plan, key)) => Coverage::Key,
            Some(_) if probe_serves => Coverage::Standby,
            Some(_) if reading.iter().all(|plan| plan.index.is_some() && plan.whole != Some(true)) => Coverage::Partial,
            _ => Coverage::None,
        }
    }

    /// Whether `plan` finds its rows by an index on the key: one that the key leads, or, where the query calls the column
    /// otherwise, one that the condition on it brings in, or brings to be read in part.
    pub fn serves(&self, plan: &Explanation, key: &str) -> bool {
        let leads = plan.index_columns.first().is_some_and(|column| column::is_same(column, key));
        let of_base = self.base.as_ref().filter(|base| base.whole != Some(true)).and_then(|base| base.index.as_deref());
        plan.index.is_some() && (leads || (plan.whole != Some(true) && plan.index.as_deref() != of_base))
    }

    /// The plan that tells most of a run: one that scans the table, else the first.
    pub fn telling(&self, key: Option<&str>) -> Option<&Explanation> {
        let scans = |plan: &&Explanation| plan.scan.is_some() && key.is_some_and(|key| !self.serves(plan, key));
        self.run.iter().find(scans).or_else(|| self.run.iter().find(|plan| plan.scan.is_some())).or(self.run.first())
    }
}
