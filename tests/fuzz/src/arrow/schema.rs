//! Schemas out of bytes: mostly sound ones, since only what is accepted leads on to a batch.

use std::ffi::c_char;
use std::ptr;

use arbitrary::Unstructured;
use rivet_plugin_api::abi::RvArrowSchema;

use super::arena::{Arena, release_schema};

/// With blanks between them.
const FORMATS: &str = "l u g tsu: tsu:UTC z b i tdD d:18,2 d:38,10,128 d:60,3,256 d:9,2,32 d:18,0,64 n c C s S I L e f Z U vz vu \
    w:5 w:0 w:-1 w:2147483647 d:0,-5 d:200,100 tdm tts ttm ttu ttn tss: tsm:+14:00 tsn:Europe/Paris tDs tDm tDu \
    tDn tiM tiD tin +s +l +L +vl +vL +w:2 +w:0 +w:-1 +w:2147483647 +m +r +ud:0,1 +us:0,1 +us:5,7 +ud:-1,0 \
    +us:127";

/// Deeper than what a plug-in may send, at one child a level.
const MAX_DEPTH: u32 = 70;

pub(crate) fn make(bytes: &mut Unstructured<'_>, arena: &mut Arena) -> *mut RvArrowSchema {
    let top = if byte(bytes) == 255 { None } else { Some("+s") };
    field(bytes, arena, top, 0)
}

fn field(bytes: &mut Unstructured<'_>, arena: &mut Arena, format: Option<&str>, depth: u32) -> *mut RvArrowSchema {
    let format = format.map_or_else(|| any_format(bytes), |format| Some(format.as_bytes().to_vec()));
    let children = children(bytes, arena, format.as_deref().unwrap_or_default(), depth);
    let odd = byte(bytes);
    let is_key = matches!(format.as_deref(), Some([b'c' | b'C' | b's' | b'S' | b'i' | b'I' | b'l' | b'L']));
    let has_dictionary = (is_key && odd % 4 == 3 || odd == 250) && depth < 4;
    let dictionary = if has_dictionary { field(bytes, arena, None, depth + 1) } else { ptr::null_mut() };
    let n_children =
        if odd == 251 { i64::from(byte(bytes) as i8).min(children.len() as i64) } else { children.len() as i64 };
    let list = if odd == 252 || children.is_empty() { ptr::null_mut() } else { arena.list(&children) };
    let name = match odd {
        253 => ptr::null(),
        254 => text(arena, b"\xff\xfe"),
        _ => text(arena, &[b'a' + byte(bytes) % 26]),
    };
    let metadata = metadata(bytes, arena);
    let format = format.map_or(ptr::null(), |format| text(arena, &format));
    arena.schema(RvArrowSchema {
        format,
        name,
        metadata,
        flags: if odd == 249 { bytes.arbitrary().unwrap_or(-1) } else { 2 },
        n_children,
        children: list,
        dictionary,
        release: (odd != 255).then_some(release_schema),
        private_data: ptr::null_mut(),
    })
}

fn any_format(bytes: &mut Unstructured<'_>) -> Option<Vec<u8>> {
    match byte(bytes) {
        255 => None,
        254 => {
            let length = usize::from(byte(bytes) % 16).min(bytes.len());
            let text = bytes.bytes(length).unwrap_or_default();
            Some(text.iter().copied().filter(|c| *c != 0).collect())
        }
        chosen => {
            let number = usize::from(chosen) % FORMATS.split(' ').count();
            FORMATS.split(' ').nth(number).map(|format| format.as_bytes().to_vec())
        }
    }
}

fn children(bytes: &mut Unstructured<'_>, arena: &mut Arena, format: &[u8], depth: u32) -> Vec<*mut RvArrowSchema> {
    let names_union = format.starts_with(b"+u");
    let right = match format {
        b"+s" => 1 + usize::from(byte(bytes) % 4),
        b"+r" => 2,
        _ if names_union => format.split(|c| *c == b',').count(),
        [b'+', ..] => 1,
        _ => 0,
    };
    let odd = byte(bytes);
    let count = if odd == 255 { usize::from(byte(bytes) % 4) } else { right };
    // What nests is bounded in width first: a tree of four children a level has no end.
    let count = if depth > 3 { count.min(1) } else { count };
    let first = match format {
        b"+m" => Some("+s"),
        b"+r" => Some(["s", "i", "l"][usize::from(odd % 3)]),
        _ => None,
    };
    let child = |i: usize, bytes: &mut Unstructured<'_>, arena: &mut Arena| {
        if depth >= MAX_DEPTH || odd == 254 {
            return ptr::null_mut();
        }
        field(bytes, arena, if i == 0 { first } else { None }, depth + 1)
    };
    (0..count).map(|i| child(i, bytes, arena)).collect()
}

/// Key-value metadata in its binary form, whose lengths say how long it is. A negative one ends it.
fn metadata(bytes: &mut Unstructured<'_>, arena: &mut Arena) -> *const c_char {
    let odd = byte(bytes);
    let (count, key) = match odd {
        0..240 => return ptr::null(),
        240..244 => (1, 3),
        244..248 => (-1, 0),
        248..252 => (1, -7),
        _ => (i32::from(odd % 2), 3),
    };
    let mut content = Vec::from(i32::to_ne_bytes(count));
    content.extend(i32::to_ne_bytes(key));
    content.extend(if odd > 253 { *b"k\xff\xff" } else { *b"key" });
    content.extend(i32::to_ne_bytes(4));
    content.extend(*b"text");
    arena.bytes(&content, 0).cast()
}

fn text(arena: &mut Arena, content: &[u8]) -> *const c_char {
    arena.bytes(&[content, b"\0"].concat(), 0).cast()
}

/// The next byte, 0 behind the last one.
pub(super) fn byte(bytes: &mut Unstructured<'_>) -> u8 {
    bytes.arbitrary().unwrap_or(0)
}
