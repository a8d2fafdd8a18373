//! What a request waits for: timers, streams, answers. `wait` blocks until one of them is ready.
//! Refuses to wait for nothing: that is a promise that never settles, and the caller says so.
use std::cell::RefCell;

use wasip2::clocks::monotonic_clock;
use wasip2::http::types::FutureIncomingResponse;
use wasip2::io::poll::{self, Pollable};

/// What has happened, for the operation with this id.
pub(crate) enum Event {
    /// A timer ran out, or a stream can go on.
    Ready,
    /// The answer to an outgoing request is there.
    Answer(FutureIncomingResponse),
}

// INVARIANT: the pollable stands first, so that it is dropped before the resource that it came from.
struct Pending {
    pollable: Pollable,
    id: u32,
    handle: Option<u32>,
    /// Of a timer: its moment, in nanoseconds of the host's clock. Timers that ran out together run in its order.
    due: u64,
    event: Event,
}

thread_local! {
    static PENDING: RefCell<Vec<Pending>> = const { RefCell::new(Vec::new()) };
}

fn add(pending: Pending) {
    PENDING.with_borrow_mut(|list| list.push(pending));
}

/// Settles operation `id` after `ms` milliseconds.
pub(crate) fn timer(id: u32, ms: f64) {
    let duration = (ms.max(0.0) * 1e6) as u64;
    add(Pending {
        pollable: monotonic_clock::subscribe_duration(duration),
        id,
        handle: None,
        due: monotonic_clock::now().saturating_add(duration),
        event: Event::Ready,
    });
}

/// Settles operation `id` when the stream of `handle` can go on.
pub(crate) fn stream(id: u32, handle: u32, pollable: Pollable) {
    add(Pending {
        pollable,
        id,
        handle: Some(handle),
        due: 0,
        event: Event::Ready,
    });
}

/// Settles operation `id` when the answer is there.
pub(crate) fn answer(id: u32, future: FutureIncomingResponse) {
    add(Pending {
        pollable: future.subscribe(),
        id,
        handle: None,
        due: 0,
        event: Event::Answer(future),
    });
}

/// Forgets operation `id`; an outgoing request is thereby ended.
pub(crate) fn cancel(id: u32) {
    PENDING.with_borrow_mut(|list| list.retain(|pending| pending.id != id));
}

/// Forgets whatever waits for the stream of `handle`; to be called before that stream is dropped.
pub(crate) fn forget_handle(handle: u32) {
    PENDING.with_borrow_mut(|list| list.retain(|pending| pending.handle != Some(handle)));
}

/// Blocks until something is ready. `None`: there is nothing to wait for.
pub(crate) fn wait() -> Option<Vec<(u32, Event)>> {
    PENDING.with_borrow_mut(|list| {
        if list.is_empty() {
            return None;
        }
        let mut ready = poll::poll(
            &list
                .iter()
                .map(|pending| &pending.pollable)
                .collect::<Vec<_>>(),
        );
        ready.sort_unstable();
        let mut fired = Vec::with_capacity(ready.len());
        for index in ready.into_iter().rev() {
            let Pending {
                pollable,
                id,
                due,
                event,
                ..
            } = list.remove(index as usize);
            drop(pollable);
            fired.push((due, id, event));
        }
        fired.sort_unstable_by_key(|(due, id, _)| (*due, *id));
        Some(fired.into_iter().map(|(_, id, event)| (id, event)).collect())
    })
}
