//! Schemas and batches as a plug-in hands them over by pointer, honest and lying ones.
//!
//! What an importer can know is the numbers and pointers in the structs, and the memory that follows from them. What it
//! cannot know is how much memory a plug-in really gave. So the numbers lie here in every way, but each buffer is as long
//! as a truthful plug-in would make it for these very numbers: what reads beyond that is a defect of the importer, which
//! the address sanitizer sees. Numbers that would need more memory than there is are those that have to be refused without
//! a look at the buffers.

#![expect(unsafe_code, reason = "builds the structs of the Arrow C Data Interface")]

mod arena;
mod batch;
mod schema;

use std::hint::black_box;

use arbitrary::Unstructured;
use arrow_array::cast::AsArray as _;
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use rivet_plugin_api::abi::RvArrowArray;
use rivet_plugin_api::abi::arrow::{export_batch, import_batch, import_schema};

use arena::Arena;

pub(crate) fn run(input: &[u8]) {
    let mut bytes = Unstructured::new(input);
    let mut arena = Arena::default();
    let foreign = schema::make(&mut bytes, &mut arena);
    // SAFETY: the structs are whole, and every text in them ends.
    let Ok(schema) = (unsafe { import_schema(foreign) }) else { return };
    let foreign = batch::make(&mut bytes, &mut arena, &schema);
    // SAFETY: every buffer is as long as the numbers say, or the numbers are such that they have to be refused.
    if let Ok(batch) = unsafe { import_batch(foreign, &schema, true) } {
        let mut handed_on = RvArrowArray::empty();
        // SAFETY: the target is a local of the right type.
        unsafe { export_batch(batch.clone(), &raw mut handed_on) };
        // SAFETY: it was just filled.
        let again = unsafe { import_batch(&raw mut handed_on, &schema, true) };
        touch(&batch, &again.expect("what was taken in can be handed on"));
    }
    arena.check_releases();
}

/// Looks at every value. Whether they are equal says nothing: NaN is not equal to itself.
fn touch(batch: &RecordBatch, again: &RecordBatch) {
    for (one, other) in batch.columns().iter().zip(again.columns()) {
        black_box(one == other);
        match one.data_type() {
            DataType::Utf8 => read(one.as_string::<i32>().iter()),
            DataType::LargeUtf8 => read(one.as_string::<i64>().iter()),
            DataType::Utf8View => read(one.as_string_view().iter()),
            _ => {}
        }
    }
}

/// Reads texts as what they have to be.
fn read<'a>(texts: impl Iterator<Item = Option<&'a str>>) {
    black_box(texts.flatten().map(|text| text.chars().count()).sum::<usize>());
}
