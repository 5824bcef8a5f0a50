//! What this binary is called, and which connectors are linked into it: the stock program, or somebody's own.

use std::borrow::Cow;
use std::sync::OnceLock;

use rivet_plugin_api::abi::RvPlugin;

/// The version of the host itself, which is what compatibility depends on.
pub const HOST_VERSION: &str = env!("CARGO_PKG_VERSION");

const STOCK: &str = "rivet";

/// A program made of the host and of connectors. `rivet plugin build-dist` writes one; a `main` of one's own may as well.
#[derive(Clone, Copy)]
pub struct Distribution<'a> {
    /// The program's name, as it is typed: `[a-z][a-z0-9-]*`.
    pub name: &'static str,
    /// Its version, which `--version` prints before the host's own.
    pub version: &'static str,
    /// The connectors linked into it; they come before those that are found as libraries.
    pub linked: &'a [&'static RvPlugin],
}

impl<'a> Distribution<'a> {
    /// The program as this project ships it, with these connectors linked in.
    pub const fn stock(linked: &'a [&'static RvPlugin]) -> Self {
        Self { name: STOCK, version: HOST_VERSION, linked }
    }
}

/// Name and version of the running program.
static THIS: OnceLock<(&str, &str)> = OnceLock::new();

/// From now on this is what the program is called.
pub fn set(distribution: &Distribution<'_>) {
    let _ = THIS.set((distribution.name, distribution.version));
}

fn this() -> (&'static str, &'static str) {
    THIS.get().copied().unwrap_or((STOCK, HOST_VERSION))
}

/// What the program is called.
pub fn name() -> &'static str {
    this().0
}

/// Its version; that of the host behind it where the two are not one.
pub fn version() -> &'static str {
    static WHOLE: OnceLock<String> = OnceLock::new();
    match this() {
        (STOCK, HOST_VERSION) => HOST_VERSION,
        (_, version) => WHOLE.get_or_init(|| format!("{version} (rivet {HOST_VERSION})")),
    }
}

/// Name and version as HTTP clients say them, the host behind them where the two are not one.
pub fn user_agent() -> String {
    match this() {
        (STOCK, HOST_VERSION) => format!("{STOCK}/{HOST_VERSION}"),
        (name, version) => format!("{name}/{version} rivet/{HOST_VERSION}"),
    }
}

/// `text` with the commands that it tells the user to type under the name that this program has.
pub fn commands(text: &str) -> Cow<'_, str> {
    match name() {
        STOCK => Cow::Borrowed(text),
        name => {
            let typed = |before: &str| (format!("{before}{STOCK} "), format!("{before}{name} "));
            // Not wherever the word stands: it may be the user's own.
            let before = ["`", "more: ", "For example: ", "its present content: ", "\n  "];
            before.map(typed).iter().fold(Cow::Borrowed(text), |text, (stock, own)| {
                if text.contains(stock.as_str()) { Cow::Owned(text.replace(stock.as_str(), own)) } else { text }
            })
        }
    }
}
