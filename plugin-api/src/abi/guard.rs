//! Panics end at the border: every entry runs in `guard`, which turns them into errors that say where they happened.

#![expect(unsafe_code, reason = "fills error and text structs of the other side")]

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use super::{RV_ERR, RV_PANIC, RvBuf, RvError, RvStr, sized};
use crate::{Category, Error, Result};

thread_local! {
    /// Where the last panic of this thread happened, as the hook saw it.
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps the place of a panic for the error instead of printing it. A cdylib has a panic hook of its own; in a static
/// build the host calls this once.
pub fn init_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let former = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if GUARDED.with(std::cell::Cell::get) > 0 {
                let place = info.location().map(ToString::to_string);
                LAST_PANIC.with(|last| *last.borrow_mut() = place);
            } else {
                former(info);
            }
        }));
    });
}

thread_local! {
    /// How many guards are on this thread's stack: only their panics are kept from the terminal.
    static GUARDED: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

/// Runs an entry. Nothing unwinds out of it, and a negative code always comes with a filled error.
pub(super) fn guard(err: *mut RvError, entry: impl FnOnce() -> Result<i32>) -> i32 {
    GUARDED.with(|depth| depth.set(depth.get() + 1));
    let outcome = catch_unwind(AssertUnwindSafe(entry));
    GUARDED.with(|depth| depth.set(depth.get() - 1));
    let (code, error) = match outcome {
        Ok(Ok(code)) => return code,
        Ok(Err(error)) => (RV_ERR, error),
        Err(payload) => {
            let text = payload
                .downcast_ref::<&str>()
                .map(ToString::to_string)
                .or_else(|| payload.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "a panic without text".to_owned());
            // The payload's own destructor may panic as well.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(payload)));
            let place = LAST_PANIC.with(|last| last.borrow_mut().take()).unwrap_or_else(|| "unknown place".to_owned());
            (RV_PANIC, Error::internal(format!("panicked at {place}: {text}")))
        }
    };
    // SAFETY: the caller of every entry passes an error struct to fill, or NULL.
    unsafe { fill_error(err, &error) };
    code
}

/// The number of a category in [`RvError::category`].
#[must_use]
pub const fn category_code(category: Category) -> u32 {
    match category {
        Category::Network => 1,
        Category::Timeout => 2,
        Category::Capacity => 3,
        Category::Deadlock => 4,
        Category::Auth => 5,
        Category::Permanent => 6,
        Category::Cancelled => 7,
        Category::Internal => 8,
        Category::NotFound => 9,
        Category::Data => 10,
        Category::Config => 11,
        Category::Unsupported => 12,
        Category::Conflict => 13,
    }
}

/// Fills the fields of version 1.0, which every host has. One that comes later may be written only when the size that the
/// host has set reaches to its end: an older host's struct is shorter than this one.
///
/// # Safety
/// `err` must be NULL or valid for writes of the size it states.
unsafe fn fill_error(err: *mut RvError, error: &Error) {
    // SAFETY: promised by the caller.
    if !unsafe { sized::is_whole(err) } {
        return;
    }
    let texts = Box::new((error.message().to_owned(), serde_json::to_string(error).unwrap_or_default()));
    // SAFETY: the struct has these fields. The texts live in the box until `release`, wherever the box pointer is moved.
    unsafe {
        (*err).category = category_code(error.category());
        (*err).message = RvStr::new(&texts.0);
        (*err).detail_json = RvStr::new(&texts.1);
        (*err).private_data = Box::into_raw(texts).cast();
        (*err).release = Some(release_error);
    }
}

extern "C" fn release_error(err: *mut RvError) {
    // SAFETY: called once with the struct that `fill_error` filled.
    unsafe {
        drop(Box::from_raw((*err).private_data.cast::<(String, String)>()));
        (*err).release = None;
    }
}

/// Fills the fields of version 1.0, as `fill_error` does.
///
/// # Safety
/// `out` must be valid for writes of the size it states.
pub(super) unsafe fn fill_text(out: *mut RvBuf, text: String) {
    let text = Box::new(text);
    // SAFETY: the struct has these fields by the caller's promise.
    unsafe {
        (*out).text = RvStr::new(&text);
        (*out).private_data = Box::into_raw(text).cast();
        (*out).release = Some(release_text);
    }
}

extern "C" fn release_text(buf: *mut RvBuf) {
    // SAFETY: called once with the struct that `fill_text` filled.
    unsafe {
        drop(Box::from_raw((*buf).private_data.cast::<String>()));
        (*buf).release = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An error as a host makes it that says another size, with what lies behind it.
    #[repr(C)]
    struct Room {
        error: RvError,
        behind: [u64; 2],
    }

    fn room(struct_size: usize) -> Room {
        let error = RvError {
            struct_size: struct_size as u32,
            category: 0,
            message: RvStr::EMPTY,
            detail_json: RvStr::EMPTY,
            private_data: std::ptr::null_mut(),
            release: None,
        };
        Room { error, behind: [7; 2] }
    }

    #[test]
    fn an_error_reaches_hosts_with_longer_structs_and_spares_broken_ones() {
        for (more, filled) in [(-8, false), (0, true), (8, true), (16, true)] {
            let mut room = room(size_of::<RvError>().strict_add_signed(more));
            let code = guard(&raw mut room.error, || Err(Error::config("no such table")));
            assert_eq!((code, room.behind, room.error.category), (RV_ERR, [7; 2], if filled { 11 } else { 0 }));
            // SAFETY: filled above, or empty.
            assert_eq!(unsafe { room.error.message.to_text() }, if filled { "no such table" } else { "" });
            assert_eq!(room.error.release.is_some(), filled);
            if let Some(release) = room.error.release {
                release(&raw mut room.error);
            }
        }
        assert_eq!(guard(std::ptr::null_mut(), || Err(Error::config("nobody asks"))), RV_ERR);
    }
}
