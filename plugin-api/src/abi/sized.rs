//! Structs that begin with their size, made by a side that may be older and knows fewer fields, or newer and knows more.
//! A reference to one would claim all fields that this side knows, so that only pointers lead to them.

#![expect(unsafe_code, reason = "reads structs whose length only they know")]

use std::mem::{MaybeUninit, offset_of};
use std::ptr;

use super::{RvBuf, RvCancel, RvError, RvHost, RvLog};

/// A struct that begins with `struct_size` and may grow.
///
/// # Safety
/// The struct begins with its size as a `u32`, and all bytes zero are a valid value of it.
pub(super) unsafe trait Grows: Sized {
    /// Its length in version 1.0, in bytes. It stays when fields are appended.
    const LEAST: usize;
}

/// Where the field ends that was the last one in version 1.0.
macro_rules! grows {
    ($($type:ident ends with $last:ident: $kind:ty, $bytes:literal;)*) => {$(
        // SAFETY: it begins with a `u32`; numbers, raw pointers and optional functions may be zero.
        unsafe impl Grows for $type {
            const LEAST: usize = offset_of!(Self, $last) + size_of::<$kind>();
        }
        #[cfg(target_pointer_width = "64")]
        const _: () = assert!(offset_of!($type, struct_size) == 0 && $type::LEAST == $bytes);
    )*};
}

grows! {
    RvBuf ends with release: usize, 40;
    RvError ends with release: usize, 56;
    RvCancel ends with set_interrupt: usize, 32;
    RvLog ends with callsite: u64, 80;
    RvHost ends with log: usize, 48;
}

/// Whether the struct at `at` has the fields of version 1.0 by its own word. `false` for NULL.
///
/// # Safety
/// `at` must be NULL or lead to a struct that begins with its size.
pub(super) unsafe fn is_whole<T: Grows>(at: *const T) -> bool {
    // SAFETY: promised by the caller.
    !at.is_null() && unsafe { at.cast::<u32>().read() } as usize >= T::LEAST
}

/// A copy of the struct at `from`: what an older side did not know is zero, what a newer one appended is left out.
///
/// # Safety
/// `from` must lead to a struct that is as long as it says, and not shorter than in version 1.0.
pub(super) unsafe fn copied<T: Grows>(from: *const T) -> T {
    // SAFETY: every such struct begins with its size.
    let size = unsafe { from.cast::<u32>().read() } as usize;
    let mut own = MaybeUninit::<T>::zeroed();
    // A size that its maker forgot to set is that of version 1.0.
    let known = size.clamp(T::LEAST, size_of::<T>());
    // SAFETY: the source has so many bytes by the caller's promise, the target has those of `T`.
    unsafe { ptr::copy_nonoverlapping(from.cast::<u8>(), own.as_mut_ptr().cast(), known) };
    // SAFETY: all bytes are initialised, and zero is valid for those that were not copied.
    unsafe { own.assume_init() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A struct that has grown by `later`.
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Grown {
        struct_size: u32,
        first: u32,
        later: u64,
    }

    // SAFETY: it begins with its size and has only numbers.
    unsafe impl Grows for Grown {
        const LEAST: usize = 8;
    }

    /// The same as it was before.
    #[repr(C, align(8))]
    struct Short([u32; 2]);

    #[test]
    fn a_struct_is_read_as_far_as_it_reaches() {
        for (struct_size, later) in [(0, 0), (8, 0), (16, 3), (4000, 3)] {
            let grown = Grown { struct_size, first: 2, later: 3 };
            // SAFETY: the struct is as long as the type, or says that it is shorter; no more than the type is read.
            let copy = unsafe { copied(&raw const grown) };
            assert_eq!((copy.first, copy.later), (2, later), "{struct_size}");
        }
        let short = Short([8, 2]);
        // SAFETY: it says that it is shorter than the type, and nothing behind its end is read.
        let copy = unsafe { copied((&raw const short).cast::<Grown>()) };
        assert_eq!((copy.struct_size, copy.first, copy.later), (8, 2, 0));
    }
}
