//! What was counted in some rows.

use std::collections::BTreeMap;

use crate::config;

/// Rows, and NULLs by column.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// All rows.
    pub(super) rows: u64,
    /// NULLs in the columns that a rule names; those without any are there too.
    pub(super) nulls: BTreeMap<String, u64>,
}

impl Tally {
    /// Nothing yet, for the columns that `rules` name.
    pub(super) fn new(rules: &config::Quality) -> Self {
        let columns = rules.null_ratio_max.keys().chain(&rules.unique_columns);
        Self { rows: 0, nulls: columns.map(|column| (column.clone(), 0)).collect() }
    }

    /// Counts the rows of `other` too, which was made for the same rules.
    pub(super) fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        for (nulls, more) in self.nulls.values_mut().zip(other.nulls.values()) {
            *nulls += more;
        }
    }

    /// What the bounds of rows and NULLs have to say against a window of `rows` rows.
    pub(super) fn issues(&self, rows: u64, rules: &config::Quality) -> Vec<String> {
        let least = rules.row_count_min.filter(|least| rows < *least);
        let most = rules.row_count_max.filter(|most| rows > *most);
        let counts = [
            least.map(|least| format!("row count is {rows}, required at least {least}")),
            most.map(|most| format!("row count is {rows}, allowed at most {most}")),
        ];
        let ratios = rules.null_ratio_max.iter().filter_map(|(column, most)| {
            let nulls = self.nulls.get(column).copied().unwrap_or_default();
            let ratio = if rows == 0 { 0.0 } else { nulls as f64 / rows as f64 };
            (ratio > *most).then(|| format!("null ratio of \"{column}\" is {ratio}, allowed {most}"))
        });
        counts.into_iter().flatten().chain(ratios).collect()
    }

    /// What repetitions in `column` have to say against it. `repeated` values came again; so did every NULL but the first.
    pub(super) fn repetitions(&self, column: &str, repeated: u64) -> Option<String> {
        let nulls = self.nulls.get(column).copied().unwrap_or_default().saturating_sub(1);
        let (all, rows) = (repeated + nulls, self.rows);
        let values = if all == 1 { "value" } else { "values" };
        let of_them = if nulls == 0 { String::new() } else { format!(", {nulls} of them NULL") };
        (all > 0).then(|| format!("\"{column}\" has {all} duplicate {values} among {rows} rows{of_them}"))
    }
}
