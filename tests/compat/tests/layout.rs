//! The layout of the contract, written down a version: what has been released never changes.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use rivet_compat::{Header, here};
use rivet_plugin_api::abi::{ABI_MAJOR, ABI_MINOR, layout_text};

/// The declarations of a header, without comments and directives, one a line.
fn declarations(header: Header) -> String {
    let text = fs::read_to_string(header.folder().join("rivet_plugin.h")).unwrap();
    let mut code = String::new();
    let mut rest = text.as_str();
    while let Some(start) = rest.find("/*") {
        code.push_str(&rest[..start]);
        rest = &rest[start + rest[start..].find("*/").unwrap() + 2..];
    }
    code.push_str(rest);
    let code = code.replace("\\\n", " ");
    let lines = code.lines().filter(|line| !line.trim_start().starts_with('#') && !line.starts_with("RV_ASSERT_SIZE"));
    let words: Vec<_> = lines.flat_map(str::split_whitespace).collect();
    let text = words.join(" ").replace("; ", ";\n").replace("{ ", "{\n").replace("extern \"C\" {\n", "");
    text.trim_end_matches([' ', '}']).to_owned() + "\n"
}

fn described(minor: u32, header: Header) -> String {
    // abi_stable leaves blanks behind types; characters of C are signed on some processors only.
    let layout = layout_text(minor).unwrap().replace("*const i8", "*const u8");
    let lines: Vec<_> =
        layout.lines().map(|line| line.replace(" ,", ",").replace(" )", ")").trim_end().to_owned()).collect();
    format!("{}\n\n{}", lines.join("\n"), declarations(header))
}

/// A golden of a version is written once, when the version is made, and held from then on.
#[test]
fn changes_only_with_the_version() {
    for (minor, header) in [(0, Header::V1_0), (ABI_MINOR, Header::Current)] {
        let path = here().join(format!("layouts/layout-{ABI_MAJOR}.{minor}.txt"));
        let now = described(minor, header);
        if !path.exists() && std::env::var_os("RIVET_UPDATE_GOLDENS").is_some() {
            fs::write(&path, &now).unwrap();
        }
        let golden = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            golden == now,
            "the layout is not that of {}: raise the minor version (abi/version.rs, RV_ABI_MINOR), freeze the structs \
             that grow (abi/frozen.rs, tests/compat/include-*), and write a new golden with RIVET_UPDATE_GOLDENS=1; a \
             golden that exists is never written again. It is now:\n{now}",
            path.display()
        );
    }
}

/// Each struct of an older version, by name: its fields.
fn structs(golden: &str) -> Vec<(&str, Vec<&str>)> {
    let mut structs: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in golden.lines().take_while(|line| !line.is_empty()) {
        match structs.last_mut() {
            Some((_, fields)) if line.starts_with(' ') => fields.push(line),
            _ => structs.push((line.split(' ').next().unwrap(), Vec::new())),
        }
    }
    structs
}

#[test]
fn only_grows_at_the_end() {
    let golden = |minor| fs::read_to_string(here().join(format!("layouts/layout-{ABI_MAJOR}.{minor}.txt"))).unwrap();
    for minor in 1..=ABI_MINOR {
        let (older, newer) = (golden(minor - 1), golden(minor));
        let newer = structs(&newer);
        for (name, fields) in structs(&older) {
            let (_, longer) = newer.iter().find(|(other, _)| *other == name).unwrap();
            assert!(
                longer.starts_with(&fields),
                "{name} of {ABI_MAJOR}.{minor} does not begin as before:\n{longer:#?}"
            );
            // Without its size in front, nobody would know that it has grown.
            let may_grow = fields[0].contains(" struct_size: ");
            assert!(may_grow || longer.len() == fields.len(), "{name} cannot grow");
        }
    }
}

/// The same numbers from a C compiler, for both headers.
#[test]
fn is_the_same_in_c() {
    for (minor, header) in [(0, Header::V1_0), (ABI_MINOR, Header::Current)] {
        let text = layout_text(minor).unwrap();
        let mut c = String::from("#include <stddef.h>\n#include \"rivet_plugin.h\"\n");
        for (name, fields) in structs(&text) {
            let size = text.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
            let size = size.split(' ').nth(1).unwrap();
            writeln!(c, "_Static_assert(sizeof({name}) == {size}, \"{name}\");").unwrap();
            // A struct of one unnamed field is a bare function pointer in C.
            for field in fields.iter().filter(|field| !field.contains(" field_0: ")) {
                let words: Vec<_> = field.split_whitespace().collect();
                let (place, size, field) = (words[0], words[1], words[2].trim_end_matches(':'));
                writeln!(c, "_Static_assert(offsetof({name}, {field}) == {place}, \"{name}.{field}\");").unwrap();
                writeln!(c, "_Static_assert(sizeof((({name} *)0)->{field}) == {size}, \"{name}.{field}\");").unwrap();
            }
        }
        assert!(c.contains("offsetof(RvSource, close) == 96"), "{c}");
        let file = std::env::temp_dir().join(format!("rivet-layout-{}-{minor}.c", std::process::id()));
        fs::write(&file, c).unwrap();
        let output = Command::new("cc")
            .args(["-std=c11", "-Wall", "-Werror", "-fsyntax-only", "-I"])
            .arg(header.folder())
            .arg(&file)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::remove_file(&file).unwrap();
    }
}
