//! Batches of a schema out of bytes: each array with the buffers that its own numbers promise.

use std::ffi::c_void;
use std::ptr;

use arbitrary::Unstructured;
use arrow_schema::{DataType, FieldRef, Schema, UnionMode};
use rivet_plugin_api::abi::RvArrowArray;

use super::arena::{Arena, release_array};
use super::schema::byte;

/// The most rows of an array, and the most bytes of a value, that there is memory for.
const MAX_ROWS: i64 = 4096;
const MAX_WIDTH: i32 = 4096;
/// The longest text of a column.
const MAX_TEXT: i64 = 1 << 16;

/// Numbers that no array can have.
const IMPOSSIBLE: [i64; 6] = [-1, i64::MIN, i64::MAX, i64::MAX / 2, i64::MAX / 2 + 1, 1 << 60];

pub(crate) fn make(bytes: &mut Unstructured<'_>, arena: &mut Arena, schema: &Schema) -> *mut RvArrowArray {
    let rows = i64::from(byte(bytes) % 21);
    Maker { bytes, arena }.array(&DataType::Struct(schema.fields().clone()), rows, 0)
}

struct Maker<'a, 'b> {
    bytes: &'a mut Unstructured<'b>,
    arena: &'a mut Arena,
}

/// What is odd about an array: a bit each.
struct Odd(u16);

impl Odd {
    fn has(&self, bit: u32) -> bool {
        self.0 & (1 << bit) != 0
    }
}

impl Maker<'_, '_> {
    fn byte(&mut self) -> u8 {
        byte(self.bytes)
    }

    fn number(&mut self) -> i64 {
        let chosen = self.byte();
        IMPOSSIBLE.get(usize::from(chosen)).copied().unwrap_or(i64::from(chosen) - 8)
    }

    fn array(&mut self, data_type: &DataType, rows: i64, depth: u32) -> *mut RvArrowArray {
        let odd = Odd(if self.byte() > 192 { self.bytes.arbitrary().unwrap_or(0) } else { 0 });
        // There is no memory for values of such a width, so nobody can promise one.
        let is_huge = matches!(data_type, DataType::FixedSizeBinary(width) if *width > MAX_WIDTH);
        let length = if odd.has(0) { self.number() } else { rows };
        let offset = match self.byte() {
            _ if odd.has(1) => self.number(),
            small @ 240.. => i64::from(small - 240),
            _ => 0,
        };
        let (length, offset) = if is_huge { (length.min(0), offset.min(0)) } else { (length, offset) };
        let null_count = if odd.has(2) { self.number() } else { -i64::from(self.byte() % 2) };
        let total =
            if (0..=MAX_ROWS).contains(&length) && (0..=MAX_ROWS).contains(&offset) { length + offset } else { 0 };
        let buffers = self.buffers(data_type, length, total as usize, &odd);
        let children = self.children(data_type, total, depth, &odd);
        let values = match data_type {
            DataType::Dictionary(_, values) if !odd.has(3) => self.child(values, depth),
            _ if odd.has(4) => self.child(&DataType::Int32, depth),
            _ => ptr::null_mut(),
        };
        let counted = |count: usize, other: Option<i64>| other.map_or(count as i64, |other| other.min(16));
        let other_buffers = odd.has(5).then(|| self.number());
        let other_children = odd.has(6).then(|| self.number().min(children.len() as i64));
        let n_buffers = counted(buffers.len(), other_buffers);
        let mut listed = buffers;
        listed.resize(listed.len().max(16), ptr::null_mut());
        let n_children = counted(children.len(), other_children);
        let list = if odd.has(7) { ptr::null_mut() } else { self.arena.list(&listed).cast() };
        let child_list = if odd.has(8) { ptr::null_mut() } else { self.arena.list(&children) };
        self.arena.array(RvArrowArray {
            length,
            null_count,
            offset,
            n_buffers,
            n_children,
            buffers: list,
            children: child_list,
            dictionary: values,
            release: (!odd.has(9)).then_some(release_array),
            private_data: ptr::null_mut(),
        })
    }

    fn child(&mut self, data_type: &DataType, depth: u32) -> *mut RvArrowArray {
        let rows = i64::from(self.byte() % 33);
        self.array(data_type, rows, depth + 1)
    }

    fn children(&mut self, data_type: &DataType, total: i64, depth: u32, odd: &Odd) -> Vec<*mut RvArrowArray> {
        let of = |fields: &[FieldRef]| fields.iter().map(|f| f.data_type().clone()).collect::<Vec<_>>();
        let (types, rows) = match data_type {
            DataType::Struct(fields) => (of(fields), Some(total)),
            DataType::FixedSizeList(item, size) => {
                (of(std::slice::from_ref(item)), Some(total * i64::from(*size).clamp(0, 64)))
            }
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::ListView(item)
            | DataType::LargeListView(item)
            | DataType::Map(item, _) => (of(std::slice::from_ref(item)), None),
            DataType::RunEndEncoded(ends, values) => (of(&[ends.clone(), values.clone()]), Some(total)),
            DataType::Union(fields, mode) => {
                let types = fields.iter().map(|(_, field)| field.data_type().clone()).collect();
                (types, (*mode == UnionMode::Sparse).then_some(total))
            }
            _ => (Vec::new(), None),
        };
        let child = |data_type: &DataType, maker: &mut Self| {
            if odd.has(10) {
                return ptr::null_mut();
            }
            let rows = rows.unwrap_or_else(|| i64::from(maker.byte() % 33));
            maker.array(data_type, rows.min(MAX_ROWS), depth + 1)
        };
        types.iter().map(|data_type| child(data_type, self)).collect()
    }

    /// The buffers, of the length that follows from the type and `total` rows.
    fn buffers(&mut self, data_type: &DataType, length: i64, total: usize, odd: &Odd) -> Vec<*mut c_void> {
        let keys = match data_type {
            DataType::Dictionary(keys, _) => keys.as_ref(),
            other => other,
        };
        let mut contents = Vec::new();
        let mut validity = Some(self.fill(total.div_ceil(8))).filter(|_| self.byte() % 2 == 1);
        match keys {
            DataType::Null | DataType::RunEndEncoded(_, _) => return self.place(contents, odd),
            DataType::Union(_, mode) => {
                contents.push(Some(self.small(total, 1, 3)));
                if *mode == UnionMode::Dense {
                    contents.push(Some(self.small(total, 4, 33)));
                }
                return self.place(contents, odd);
            }
            _ => contents.push(validity.take()),
        }
        match keys {
            DataType::Struct(_) | DataType::FixedSizeList(_, _) => {}
            DataType::Boolean => contents.push(Some(self.fill(total.div_ceil(8)))),
            DataType::Utf8 | DataType::Binary => self.texts(4, length, total, &mut contents),
            DataType::LargeUtf8 | DataType::LargeBinary => self.texts(8, length, total, &mut contents),
            DataType::List(_) | DataType::Map(_, _) => contents.push(Some(self.offsets(4, total).0)),
            DataType::LargeList(_) => contents.push(Some(self.offsets(8, total).0)),
            DataType::ListView(_) => contents.extend([Some(self.small(total, 4, 20)), Some(self.small(total, 4, 13))]),
            DataType::LargeListView(_) => {
                contents.extend([Some(self.small(total, 8, 20)), Some(self.small(total, 8, 13))]);
            }
            DataType::Utf8View | DataType::BinaryView => self.views(total, &mut contents),
            DataType::FixedSizeBinary(width) => {
                contents.push(Some(self.fill(total * (*width).max(0) as usize)));
            }
            other => contents.push(Some(self.fill(total * other.primitive_width().unwrap_or(0)))),
        }
        self.place(contents, odd)
    }

    fn place(&mut self, contents: Vec<Option<Vec<u8>>>, odd: &Odd) -> Vec<*mut c_void> {
        let absent = odd.has(11).then(|| usize::from(self.byte()));
        let shift = if odd.has(12) { usize::from(self.byte() % 8) } else { 0 };
        let mut placed = Vec::new();
        for (i, content) in contents.into_iter().enumerate() {
            let content = content.filter(|_| absent != Some(i));
            placed.push(content.map_or(ptr::null_mut(), |c| self.arena.bytes(&c, shift).cast_mut()));
        }
        placed
    }

    /// So many bytes of the input, and zeros behind its end.
    fn fill(&mut self, count: usize) -> Vec<u8> {
        let mut content = vec![0; count];
        let _ = self.bytes.fill_buffer(&mut content);
        content
    }

    /// Integers of `width` bytes, below `limit` but for the odd one.
    fn small(&mut self, count: usize, width: usize, limit: i64) -> Vec<u8> {
        let mut content = Vec::new();
        for _ in 0..count {
            let value = match self.byte() {
                250.. => self.number(),
                small => i64::from(small) % limit,
            };
            content.extend(&value.to_ne_bytes()[..width]);
        }
        content
    }

    /// One more offset than rows, and the last of them, which is what an importer takes for the length of the data.
    fn offsets(&mut self, width: usize, total: usize) -> (Vec<u8>, i64) {
        let (mut content, mut at) = (Vec::new(), 0_i64);
        for _ in 0..=total {
            let value = match self.byte() {
                250.. => self.number(),
                step => {
                    at += i64::from(step % 8);
                    at
                }
            };
            content.extend(&value.to_ne_bytes()[..width]);
        }
        let mut last = [0; 8];
        last[..width].copy_from_slice(&content[total * width..]);
        let mut last = i64::from_ne_bytes(last);
        if width == 4 {
            last = i64::from(last as i32);
        }
        if last > MAX_TEXT {
            last = at.min(MAX_TEXT);
            content.truncate(total * width);
            content.extend(&last.to_ne_bytes()[..width]);
        }
        (content, last)
    }

    fn texts(&mut self, width: usize, length: i64, total: usize, contents: &mut Vec<Option<Vec<u8>>>) {
        let (offsets, last) = self.offsets(width, total);
        let data = if length == 0 && total == 0 { 0 } else { usize::try_from(last).unwrap_or(0) };
        contents.push(Some(offsets));
        contents.push(Some(self.fill(data)));
    }

    /// Views, the buffers they look into, and the list of their lengths.
    fn views(&mut self, total: usize, contents: &mut Vec<Option<Vec<u8>>>) {
        let count = usize::from(self.byte() % 3);
        let mut views = Vec::new();
        for _ in 0..total {
            let length = match self.byte() {
                250.. => self.number() as u32,
                small => u32::from(small % 32),
            };
            views.extend(length.to_ne_bytes());
            views.extend(if length <= 12 { self.fill(12) } else { [self.fill(4), self.small(2, 4, 3)].concat() });
        }
        contents.push(Some(views));
        let mut lengths = Vec::new();
        for _ in 0..count {
            let length = match self.byte() {
                250.. => -self.number().saturating_abs().max(1),
                small => i64::from(small),
            };
            lengths.extend(length.to_ne_bytes());
            contents.push(Some(self.fill(usize::try_from(length).unwrap_or(0))));
        }
        contents.push(Some(lengths));
    }
}
