//! Builds the plug-ins that the tests load: one in C, against the header of any version.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "tests fail by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

use rivet_e2e::{Sandbox, workspace};

/// This folder.
pub fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Which header a C plug-in is built against.
#[derive(Clone, Copy, Debug)]
pub enum Header {
    /// The one of version 1.0, as it was.
    V1_0,
    /// The present one.
    Current,
}

impl Header {
    /// Its folder.
    pub fn folder(self) -> PathBuf {
        match self {
            Self::V1_0 => here().join("include-1.0"),
            Self::Current => workspace().join("plugin-api/include"),
        }
    }
}

/// A directory of the sandbox that is searched for plug-ins.
pub fn plugins(sandbox: &mut Sandbox) -> PathBuf {
    let dir = sandbox.path().join("plugins");
    std::fs::create_dir(&dir).unwrap();
    sandbox.env("RIVET_PLUGIN_PATH", dir.to_str().unwrap());
    dir
}

/// Compiles `c/connector.c` into `dir` as `lib<name>.so`. `defines` are macros, such as `NAME="old"`.
pub fn compile(dir: &Path, name: &str, header: Header, defines: &[&str]) -> PathBuf {
    let library = dir.join(format!("lib{name}.so"));
    let mut command = Command::new("cc");
    command.args(["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]);
    command.arg("-I").arg(header.folder()).arg(format!("-DNAME=\"{name}\""));
    command.args(defines.iter().map(|define| format!("-D{define}")));
    let output = command.arg(here().join("c/connector.c")).arg("-o").arg(&library).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    library
}
