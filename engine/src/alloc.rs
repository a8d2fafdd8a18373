//! Both allocators of the guest, Rust's and the C library's, made to clear what they free while an app
//! loads: freed bytes would otherwise stay in the snapshot, make it larger, and outlive their meaning.
//! Once requests are served nothing is cleared, since the memory is thrown away with the instance.
use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering};

static CLEARING: AtomicBool = AtomicBool::new(true);

/// From here on freed memory is left as it is.
pub(crate) fn stop_clearing() {
    CLEARING.store(false, Ordering::Relaxed);
}

fn clearing() -> bool {
    CLEARING.load(Ordering::Relaxed)
}

struct RustMemory;

#[global_allocator]
static RUST_MEMORY: RustMemory = RustMemory;

// SAFETY: every call is passed on to the system allocator with its arguments unchanged; what is cleared
// is exactly the block that the caller gives back.
unsafe impl GlobalAlloc for RustMemory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if clearing() {
            unsafe { block.write_bytes(0, layout.size()) };
        }
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !clearing() {
            return unsafe { System.realloc(block, layout, size) };
        }
        let moved = unsafe { System.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !moved.is_null() {
            unsafe { moved.copy_from_nonoverlapping(block, layout.size().min(size)) };
            unsafe { self.dealloc(block, layout) };
        }
        moved
    }
}

unsafe extern "C" {
    fn malloc(size: usize) -> *mut c_void;
    fn calloc(count: usize, size: usize) -> *mut c_void;
    fn realloc(block: *mut c_void, size: usize) -> *mut c_void;
    fn free(block: *mut c_void);
    fn malloc_usable_size(block: *mut c_void) -> usize;
}

/// What QuickJS allocates with.
pub(crate) struct ScriptMemory;

// SAFETY: the C library's allocator keeps the contract; clearing stays within `malloc_usable_size`.
unsafe impl rquickjs::allocator::Allocator for ScriptMemory {
    fn alloc(&mut self, size: usize) -> *mut u8 {
        unsafe { malloc(size).cast() }
    }

    fn calloc(&mut self, count: usize, size: usize) -> *mut u8 {
        unsafe { calloc(count, size).cast() }
    }

    unsafe fn dealloc(&mut self, block: *mut u8) {
        if clearing() && !block.is_null() {
            unsafe { block.write_bytes(0, malloc_usable_size(block.cast())) };
        }
        unsafe { free(block.cast()) }
    }

    unsafe fn realloc(&mut self, block: *mut u8, size: usize) -> *mut u8 {
        if !clearing() || block.is_null() {
            return unsafe { realloc(block.cast(), size).cast() };
        }
        let old = unsafe { malloc_usable_size(block.cast()) };
        if size <= old && size * 2 >= old {
            return block;
        }
        let moved: *mut u8 = unsafe { malloc(size).cast() };
        if !moved.is_null() {
            unsafe { moved.copy_from_nonoverlapping(block, old.min(size)) };
            unsafe { self.dealloc(block) };
        }
        moved
    }

    unsafe fn usable_size(block: *mut u8) -> usize {
        unsafe { malloc_usable_size(block.cast()) }
    }
}
