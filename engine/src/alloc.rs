//! One heap for Rust and QuickJS: the C library's. `sweep` clears what is free before the memory is snapshotted:
//! freed bytes would make every app's image larger, and outlive their meaning.
use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;

/// What `malloc` aligns to by itself.
const ALIGNED: usize = 16;
const PAGE_BYTES: usize = 64 * 1024;
/// The largest free block that is looked for at once.
const LARGEST: usize = 16 << 20;
/// Smaller free blocks lie between blocks in use, whose pages are in the image anyway.
const SMALLEST: usize = 32;

unsafe extern "C" {
    fn malloc(size: usize) -> *mut c_void;
    fn aligned_alloc(align: usize, size: usize) -> *mut c_void;
    fn realloc(block: *mut c_void, size: usize) -> *mut c_void;
    fn free(block: *mut c_void);
}

struct Heap;

#[global_allocator]
static HEAP: Heap = Heap;

// SAFETY: each call is passed on to the C library, whose `realloc` and `free` take what both of its ways to allocate give.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= ALIGNED {
            return unsafe { malloc(layout.size()).cast() };
        }
        unsafe {
            aligned_alloc(
                layout.align(),
                layout.size().next_multiple_of(layout.align()),
            )
            .cast()
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        unsafe { free(block.cast()) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.align() <= ALIGNED {
            return unsafe { realloc(block.cast(), size).cast() };
        }
        let moved = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !moved.is_null() {
            unsafe { moved.copy_from_nonoverlapping(block, layout.size().min(size)) };
            unsafe { free(block.cast()) };
        }
        moved
    }
}

thread_local! {
    static FIXED: Cell<bool> = const { Cell::new(false) };
}

/// The C library's way to get more memory; here, so that it can be told that there is none.
#[unsafe(no_mangle)]
extern "C" fn sbrk(increment: isize) -> *mut c_void {
    const FAILED: *mut c_void = ptr::without_provenance_mut(usize::MAX);
    let end = core::arch::wasm32::memory_size(0) * PAGE_BYTES;
    match usize::try_from(increment) {
        Ok(0) => ptr::with_exposed_provenance_mut(end),
        Ok(more) if !FIXED.get() && more % PAGE_BYTES == 0 => {
            match core::arch::wasm32::memory_grow(0, more / PAGE_BYTES) {
                usize::MAX => FAILED,
                pages => ptr::with_exposed_provenance_mut(pages * PAGE_BYTES),
            }
        }
        _ => FAILED,
    }
}

/// Clears all free memory: takes every free block there is, largest first, clears it, and gives all back.
pub(crate) fn sweep() {
    FIXED.set(true);
    let mut taken: *mut *mut c_void = ptr::null_mut();
    let mut size = LARGEST;
    while size >= SMALLEST {
        // SAFETY: `malloc` gives `size` bytes, at least a pointer wide, that nobody else uses; the first word links them.
        let block = unsafe { malloc(size) };
        if block.is_null() {
            size /= 2;
            continue;
        }
        unsafe { block.write_bytes(0, size) };
        let link: *mut *mut c_void = block.cast();
        unsafe { link.write(taken.cast()) };
        taken = link;
    }
    while !taken.is_null() {
        // SAFETY: each of these was taken above, and is given back once.
        let next = unsafe { taken.replace(ptr::null_mut()) };
        unsafe { free(taken.cast()) };
        taken = next.cast();
    }
    FIXED.set(false);
}
