//! The memory of one run, of exactly the sizes asked for, so that the address sanitizer sees every byte too far. All of it
//! is freed at the end, because the product leaks on purpose what it refuses: it does not trust its release either.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ffi::c_void;
use std::ptr::{self, NonNull};

use rivet_plugin_api::abi::{RvArrowArray, RvArrowSchema};

/// Arrow recommends this alignment.
const ALIGN: usize = 64;

#[derive(Default)]
pub(crate) struct Arena {
    blocks: Vec<(NonNull<u8>, Layout)>,
    /// How often each array was released.
    releases: Vec<*mut u32>,
}

impl Arena {
    /// Zeroed memory. Nothing may be read at the address of an empty block.
    fn block(&mut self, size: usize) -> *mut c_void {
        if size == 0 {
            return ptr::without_provenance_mut(ALIGN);
        }
        let layout = Layout::from_size_align(size, ALIGN).expect("a small size");
        // SAFETY: the size is not 0.
        let Some(block) = NonNull::new(unsafe { alloc_zeroed(layout) }) else { handle_alloc_error(layout) };
        self.blocks.push((block, layout));
        block.as_ptr().cast()
    }

    /// A copy of `content`, `shift` bytes behind an aligned address.
    pub(crate) fn bytes(&mut self, content: &[u8], shift: usize) -> *const c_void {
        let block = self.block(content.len() + shift).cast::<u8>();
        // SAFETY: the block has room for both; nothing is written to an empty one.
        unsafe {
            let start = block.wrapping_add(shift);
            ptr::copy_nonoverlapping(content.as_ptr(), start, content.len());
            start.cast::<c_void>()
        }
    }

    /// A list of pointers.
    pub(crate) fn list<T>(&mut self, pointers: &[*mut T]) -> *mut *mut T {
        let list = self.block(size_of_val(pointers)).cast::<*mut T>();
        // SAFETY: the block has room for all of them, at the alignment of pointers.
        unsafe { ptr::copy_nonoverlapping(pointers.as_ptr(), list, pointers.len()) };
        list
    }

    pub(crate) fn schema(&mut self, schema: RvArrowSchema) -> *mut RvArrowSchema {
        let place = self.block(size_of::<RvArrowSchema>()).cast::<RvArrowSchema>();
        // SAFETY: the block has room for one.
        unsafe { place.write(RvArrowSchema { release: schema.release.map(|_| release_schema as _), ..schema }) };
        place
    }

    pub(crate) fn array(&mut self, array: RvArrowArray) -> *mut RvArrowArray {
        let releases = self.block(size_of::<u32>()).cast::<u32>();
        self.releases.push(releases);
        let place = self.block(size_of::<RvArrowArray>()).cast::<RvArrowArray>();
        let release = array.release.map(|_| release_array as _);
        // SAFETY: the block has room for one.
        unsafe { place.write(RvArrowArray { release, private_data: releases.cast(), ..array }) };
        place
    }

    /// Nothing is released twice.
    pub(crate) fn check_releases(&self) {
        for releases in &self.releases {
            // SAFETY: the counters live as long as the arena.
            assert!(unsafe { **releases } <= 1, "an array was released twice");
        }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        for (block, layout) in &self.blocks {
            // SAFETY: each was allocated with this layout.
            unsafe { dealloc(block.as_ptr(), *layout) };
        }
    }
}

pub(crate) extern "C" fn release_schema(schema: *mut RvArrowSchema) {
    // SAFETY: called with the struct that holds it.
    unsafe { (*schema).release = None };
}

pub(crate) extern "C" fn release_array(array: *mut RvArrowArray) {
    // SAFETY: called with the struct that holds it, whose private data is a counter.
    unsafe {
        *(*array).private_data.cast::<u32>() += 1;
        (*array).release = None;
    }
}
