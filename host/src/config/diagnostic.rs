//! What is wrong with a configuration, and how it is shown: message, place, the line with a caret, and a hint.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use rivet_plugin_api::Error;

use super::mask;
use super::node::Span;
use crate::code::Code;

/// More than this many problems are counted, not shown.
const SHOWN: usize = 20;
/// Longer lines are cut around the caret.
const LINE_WIDTH: usize = 160;

/// One problem.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Diagnostic {
    /// What is wrong: lower case, no full stop, never a secret.
    pub message: String,
    /// Where; absent when the whole file is meant.
    pub span: Option<Span>,
    /// What to do next.
    pub hint: Option<String>,
    /// Its kind.
    pub code: Code,
}

impl Diagnostic {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), span: None, hint: None, code: Code::WrongValue }
    }

    pub(super) fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    pub(super) fn code(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    /// With the hint of another error, if it has one.
    pub(super) fn hint_of(self, error: &Error) -> Self {
        let hint = error.hint_text().map(str::to_owned);
        Self { hint, ..self }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The file as it was read, for showing lines of it.
#[derive(Default)]
pub(super) struct SourceText {
    pub(super) name: String,
    lines: Vec<String>,
}

impl SourceText {
    pub(super) fn new(name: String, text: &str) -> Self {
        // A lone CR ends a line for YAML too, so that the numbers agree with the parser's.
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        Self { name, lines: text.split('\n').map(str::to_owned).collect() }
    }

    /// The line without its end, from 1.
    pub(super) fn line(&self, number: usize) -> &str {
        number.checked_sub(1).and_then(|i| self.lines.get(i)).map_or("", String::as_str)
    }
}

/// Everything that is wrong with a configuration, in the order of the file. `Display` shows all of it, each problem
/// beginning with `error: `; secrets on the shown lines are masked.
pub struct ConfigError {
    source: Arc<SourceText>,
    diagnostics: Vec<Diagnostic>,
}

impl ConfigError {
    pub(super) fn new(source: &Arc<SourceText>, mut diagnostics: Vec<Diagnostic>) -> Self {
        diagnostics.sort_by_key(|d| d.span);
        diagnostics.dedup();
        Self { source: Arc::clone(source), diagnostics }
    }

    /// The problems, in the order of the file; at least one.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Adds the problems that another step found in the same file.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let source = self.source;
        Self::new(&source, self.diagnostics.into_iter().chain(other.diagnostics).collect())
    }

    fn show(&self, diagnostic: &Diagnostic, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Diagnostic { message, span, hint, .. } = diagnostic;
        writeln!(f, "error: {message}")?;
        match span {
            None => writeln!(f, " --> {}", self.source.name)?,
            Some(span) => {
                let (line, column, length) = window(&mask::line(&self.source, span.line), *span);
                let margin = " ".repeat(span.line.to_string().len());
                writeln!(f, "{margin}--> {}:{}:{}", self.source.name, span.line, span.column)?;
                writeln!(f, "{margin} |")?;
                writeln!(f, "{} | {line}", span.line)?;
                writeln!(f, "{margin} | {}{}", " ".repeat(column - 1), "^".repeat(length))?;
            }
        }
        match hint {
            Some(hint) => writeln!(f, "hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// The part of `line` to show, and where in it the caret stands and how long it is.
fn window(line: &str, span: Span) -> (String, usize, usize) {
    let clean: Vec<char> = line.chars().map(|c| if is_printable(c) { c } else { ' ' }).collect();
    // The mask may have shortened the line: the caret then stands at its end.
    let column = span.column.clamp(1, clean.len().max(1));
    let skip = if clean.len() > LINE_WIDTH && column > LINE_WIDTH / 2 { column - LINE_WIDTH / 2 } else { 0 };
    let shown: String = clean.iter().skip(skip).take(LINE_WIDTH).collect();
    let room = shown.chars().count().saturating_sub(column - 1 - skip).max(1);
    (shown.trim_end().to_owned(), column - skip, span.length.clamp(1, room))
}

/// Whether a terminal just prints `c`: control and bidirectional formatting characters could show a line that is
/// not the one in the file.
pub(crate) fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, diagnostic) in self.diagnostics.iter().take(SHOWN).enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            self.show(diagnostic, f)?;
        }
        match self.diagnostics.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => writeln!(f, "\nerror: {more} more problems are not shown"),
        }
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ConfigError {}

/// Collects problems and warnings while the tree is read, so that one run shows them all.
#[derive(Default)]
pub(super) struct Problems {
    errors: RefCell<Vec<Diagnostic>>,
    warnings: RefCell<Vec<(Span, String)>>,
}

impl Problems {
    /// Whether there are more problems than anybody reads: what is costly to say need not be said.
    pub(super) fn is_full(&self) -> bool {
        self.errors.borrow().len() >= 1000
    }

    pub(super) fn push(&self, diagnostic: Diagnostic) {
        self.errors.borrow_mut().push(diagnostic);
    }

    pub(super) fn warn(&self, span: Span, message: impl Into<String>) {
        self.warnings.borrow_mut().push((span, message.into()));
    }

    pub(super) fn into_error(self, source: &Arc<SourceText>) -> ConfigError {
        ConfigError::new(source, self.errors.into_inner())
    }

    /// The warnings in the order of the file, or the problems.
    pub(super) fn finish(self, source: &Arc<SourceText>) -> Result<Vec<String>, ConfigError> {
        if !self.errors.borrow().is_empty() {
            return Err(self.into_error(source));
        }
        let mut warnings = self.warnings.into_inner();
        warnings.sort();
        warnings.dedup();
        Ok(warnings.into_iter().map(|(span, text)| format!("{}:{}: {text}", source.name, span.line)).collect())
    }
}
