//! `include/rivet_plugin.h` is the same contract as `abi.rs`: a C compiler compares every size and offset.

use std::fmt::Write as _;
use std::mem::offset_of;
use std::process::Command;

use rivet_plugin_api::abi::*;

macro_rules! layout {
    ($out:ident, $($type:ident { $($field:ident),* $(,)? })*) => {$(
        writeln!($out, "_Static_assert(sizeof({0}) == {1}, \"sizeof {0}\");", stringify!($type), size_of::<$type>()).unwrap();
        $(writeln!($out, "_Static_assert(offsetof({0}, {1}) == {2}, \"{0}.{1}\");",
            stringify!($type), stringify!($field), offset_of!($type, $field)).unwrap();)*
    )*};
}

#[test]
fn c_header_has_the_same_layout() {
    let mut c = String::from("#include \"rivet_plugin.h\"\n");
    layout! { c,
        RvStr { ptr, len }
        RvBuf { struct_size, reserved, text, private_data, release }
        RvError { struct_size, category, message, detail_json, private_data, release }
        RvCancel { struct_size, reserved, flag, ctx, set_interrupt }
        RvField { key, kind, reserved, bits, text }
        RvLog { struct_size, level, target, file, line, n_fields, message, fields, callsite }
        RvHost { struct_size, abi_major, abi_minor, max_level, linked, reserved, ctx, log_enabled, log }
        RvArrowSchema { format, name, metadata, flags, n_children, children, dictionary, release, private_data }
        RvArrowArray { length, null_count, offset, n_buffers, n_children, buffers, children, dictionary, release, private_data }
        RvSource { struct_size, reserved, open, probe, describe, explain, bounds, count, snapshot, split, read,
            next_batch, close_reader, close, tables }
        RvProgress { buffered, written }
        RvDestination { struct_size, reserved, open, probe, begin, write, finish, abort, stat, remove, put, close }
        RvPlugin { struct_size, abi_major, abi_minor, needs_minor, name, version, init, spec, source, destination,
            get_extension, rust_header, marker }
    }
    let numbers = [
        ("RV_ABI_MAJOR", i64::from(ABI_MAJOR)),
        ("RV_ABI_MINOR", i64::from(ABI_MINOR)),
        ("RV_OK", i64::from(RV_OK)),
        ("RV_END", i64::from(RV_END)),
        ("RV_ERR", i64::from(RV_ERR)),
        ("RV_PANIC", i64::from(RV_PANIC)),
    ];
    for (name, value) in numbers {
        writeln!(c, "_Static_assert({name} == {value}, \"{name}\");").unwrap();
    }
    for category in rivet_plugin_api::Category::ALL {
        let name = category.as_str().to_uppercase();
        writeln!(c, "_Static_assert(RV_{name} == {}, \"RV_{name}\");", category_code(category)).unwrap();
    }
    let dir = std::env::temp_dir().join(format!("rivet-header-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("layout.c");
    std::fs::write(&file, c).unwrap();
    let include = concat!("-I", env!("CARGO_MANIFEST_DIR"), "/include");
    let run = Command::new("cc")
        .args(["-std=c11", "-Wall", "-Werror", "-fsyntax-only", include])
        .arg(&file)
        .output()
        .unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}
