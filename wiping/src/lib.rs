//! A heap that wipes what is freed, from the moment on when a secret may lie in it.
//!
//! Libraries copy a password that they are given: a client of a database, a parser, a growing text. Nobody can wipe these copies but
//! the heap. To wipe everything from the start costs an audit that meets no secret a fifth of its time, so wiping begins with
//! [`from_now_on`], which whoever is about to read a secret calls first. It never ends.
//!
//! This crate is apart from `cutgate`, which allows no unsafe code. It does nothing with memory by itself: one of two heaps is
//! called, and both are libraries.

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicBool, Ordering};

use zeroizing_alloc::ZeroAlloc;

static WIPED: AtomicBool = AtomicBool::new(false);

/// Wipes everything that is freed after this call, on all threads. To be called before a secret is read: what was freed before
/// held none.
pub fn from_now_on() {
    WIPED.store(true, Ordering::SeqCst);
}

/// Whether what is freed is wiped.
pub fn is_on() -> bool {
    // A thread that sees the old value cannot hold a secret yet: it was given to it after the call, through something that orders both.
    WIPED.load(Ordering::Relaxed)
}

/// The heap of a program, around another.
pub struct Heap<Inner: GlobalAlloc>(ZeroAlloc<Inner>);

impl<Inner: GlobalAlloc> Heap<Inner> {
    /// Around `inner`.
    pub const fn new(inner: Inner) -> Self {
        Self(ZeroAlloc(inner))
    }

    fn wiping(&self) -> &ZeroAlloc<Inner> {
        &self.0
    }

    fn plain(&self) -> &Inner {
        &self.0.0
    }
}

// SAFETY: every call goes to one of two heaps with the same arguments, and both of them take what the other gave: `ZeroAlloc` gives
// out what the inner heap gave it, and writes zeros into what is its caller's to free.
unsafe impl<Inner: GlobalAlloc> GlobalAlloc for Heap<Inner> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of this very function.
        unsafe { self.plain().alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { self.plain().alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { if is_on() { self.wiping().dealloc(ptr, layout) } else { self.plain().dealloc(ptr, layout) } }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // A heap may move what grows and leave the old place as it was, so the one that wipes takes a new place by itself.
        // SAFETY: as above.
        unsafe {
            if is_on() { self.wiping().realloc(ptr, layout, size) } else { self.plain().realloc(ptr, layout, size) }
        }
    }
}
