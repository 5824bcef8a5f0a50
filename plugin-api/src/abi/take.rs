//! Takes in a table of any minor version: shorter than the host's when the plug-in is older, longer when it is newer.

#![expect(unsafe_code, reason = "reads tables whose length only they know")]

use std::mem::{MaybeUninit, offset_of};
use std::ptr;

use super::{RvDestination, RvPlugin, RvSource, frozen};
use crate::{Error, Result};

/// A table that plug-ins fill.
pub(super) trait Table: Copy + Sized + 'static {
    /// Its length in version 1.0, in bytes.
    const LEAST: usize;
    /// The functions that may not be NULL, by name and place.
    const REQUIRED: &'static [(&'static str, usize)];
}

impl Table for RvPlugin {
    const LEAST: usize = size_of::<frozen::v1_0::RvPlugin>();
    const REQUIRED: &'static [(&'static str, usize)] =
        &[("init", offset_of!(Self, init)), ("spec", offset_of!(Self, spec))];
}

impl Table for RvSource {
    const LEAST: usize = size_of::<frozen::v1_0::RvSource>();
    const REQUIRED: &'static [(&'static str, usize)] =
        &[("read", offset_of!(Self, read)), ("next_batch", offset_of!(Self, next_batch))];
}

impl Table for RvDestination {
    const LEAST: usize = size_of::<Self>();
    const REQUIRED: &'static [(&'static str, usize)] =
        &[("begin", offset_of!(Self, begin)), ("write", offset_of!(Self, write)), ("finish", offset_of!(Self, finish))];
}

/// A copy of `table` as long as this host's view of it: what an older plug-in lacks is NULL, what a newer one appends is
/// left out. It lives as long as the process, as the plug-in does. `None` for NULL.
///
/// # Safety
/// `table` must be NULL, or lead to a struct that begins with its size and is as long as that says.
pub(super) unsafe fn take<T: Table>(table: *const T) -> Result<Option<&'static T>> {
    if table.is_null() {
        return Ok(None);
    }
    // SAFETY: every table begins with its size.
    let size = unsafe { table.cast::<u32>().read_unaligned() } as usize;
    if size < T::LEAST {
        return Err(Error::internal("its tables are shorter than plug-in ABI 1.0: rebuild it"));
    }
    let mut own = Box::new(MaybeUninit::<T>::zeroed());
    // SAFETY: the source has `size` bytes by its own word, the target has those of `T`.
    unsafe { ptr::copy_nonoverlapping(table.cast::<u8>(), own.as_mut_ptr().cast(), size.min(size_of::<T>())) };
    for (name, place) in T::REQUIRED {
        // SAFETY: the place is that of a pointer within `T`, all bytes of which are initialised.
        if unsafe { own.as_ptr().byte_add(*place).cast::<usize>().read() } == 0 {
            return Err(Error::internal(format!("its table has no \"{name}\"")));
        }
    }
    // SAFETY: numbers, raw pointers and optional functions may be zero, and the other functions are not.
    Ok(Some(unsafe { Box::leak(own).assume_init_ref() }))
}
