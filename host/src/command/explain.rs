//! `rivet explain-error`: what a code means.

use rivet_plugin_api::Error as ApiError;
use rivet_plugin_api::suggest::nearest;

use super::print;
use crate::code::EXPLANATIONS;
use crate::error::{Error, Result};

/// Prints the explanations of `codes`, or the list of all.
pub fn explain(codes: &[String]) -> Result<u8> {
    if codes.is_empty() {
        let width = EXPLANATIONS.iter().map(|e| e.name.len()).max().unwrap_or(0);
        let lines = EXPLANATIONS.iter().map(|e| format!("{:<width$}  {}\n", e.name, first_sentence(e.meaning)));
        return print(&lines.collect::<String>());
    }
    let mut pages = Vec::new();
    for code in codes {
        let found = EXPLANATIONS.iter().find(|e| e.name == code).ok_or_else(|| unknown(code))?;
        pages.push(format!("{}\n\n{}", found.name, found.markdown()));
    }
    print(&pages.join("\n"))
}

fn first_sentence(text: &str) -> &str {
    text.split_inclusive(". ").next().unwrap_or(text).trim_end()
}

fn unknown(code: &str) -> Error {
    let hint = match nearest(code, EXPLANATIONS.iter().map(|e| e.name)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`rivet explain-error` lists all codes".to_owned(),
    };
    Error::Usage(ApiError::config(format!("no error has the code \"{code}\"")).hint(hint))
}
