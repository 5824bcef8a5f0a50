//! What no language can catch.

#![expect(
    unsafe_code,
    reason = "a segmentation fault has to be a real one: it comes from the hardware, not from a signal that is sent"
)]

use std::hint::black_box;
use std::thread;
use std::time::Duration;

/// Writes where nothing is mapped.
pub(crate) fn segfault() {
    let nowhere = std::ptr::without_provenance_mut::<u8>(64);
    // SAFETY: there is none, which is the point. No kernel maps the first page for a program, so that the write faults
    // and does nothing else.
    unsafe { nowhere.write_volatile(1) };
}

/// Uses the stack up.
pub(crate) fn overflow_the_stack() {
    #[expect(unconditional_recursion, reason = "it has to end by the guard page")]
    fn deeper(above: &[u8; 1024]) -> u8 {
        let mine = black_box([above[0]; 1024]);
        deeper(&mine).wrapping_add(mine[1])
    }
    black_box(deeper(&[0; 1024]));
}

/// Takes memory until there is none. It is not touched, so that a machine without a limit suffers as little as possible.
pub(crate) fn take_all_memory() {
    loop {
        std::mem::forget(black_box(Vec::<u8>::with_capacity(16 << 20)));
    }
}

/// Works for ever and hears nothing.
pub(crate) fn never_return() {
    loop {
        thread::sleep(Duration::from_millis(20));
    }
}
