//! Bodies that are still under way, by number: reading and writing never block, so that the app's other work goes on.
//! Refuses a number that is not (or no longer) open.
use std::cell::RefCell;

use rquickjs::{Ctx, Exception, IntoJs, Null, Result, TypedArray, Undefined, Value};
use wasip2::http::types::{IncomingBody, OutgoingBody};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

use crate::events;

/// The most that is read at once.
const CHUNK_BYTES: u64 = 64 * 1024;

// INVARIANT: each stream stands before the body that it belongs to, so that it is dropped first.
enum Handle {
    Incoming {
        stream: InputStream,
        _body: IncomingBody,
    },
    Outgoing {
        stream: OutputStream,
        body: OutgoingBody,
    },
}

thread_local! {
    static HANDLES: RefCell<Vec<Option<Handle>>> = const { RefCell::new(Vec::new()) };
}

fn open(handle: Handle) -> u32 {
    HANDLES.with_borrow_mut(|list| {
        list.push(Some(handle));
        (list.len() - 1) as u32
    })
}

/// A body to read; `None` if it was taken before.
pub(crate) fn incoming(body: IncomingBody) -> Option<u32> {
    let stream = body.stream().ok()?;
    Some(open(Handle::Incoming {
        stream,
        _body: body,
    }))
}

/// A body to write; `None` if it was taken before.
pub(crate) fn outgoing(body: OutgoingBody) -> Option<u32> {
    let stream = body.write().ok()?;
    Some(open(Handle::Outgoing { stream, body }))
}

fn take(handle: u32) -> Option<Handle> {
    events::forget_handle(handle);
    HANDLES.with_borrow_mut(|list| list.get_mut(handle as usize)?.take())
}

/// Closes without an ending: a reader stops reading, a written body is cut, which its receiver sees.
pub(crate) fn close(handle: u32) {
    drop(take(handle));
}

/// Closes everything that is still open.
pub(crate) fn close_all() {
    let count = HANDLES.with_borrow(Vec::len);
    (0..count as u32).for_each(close);
}

/// Ends a written body.
pub(crate) fn finish(ctx: Ctx<'_>, handle: u32) -> Result<()> {
    let Some(Handle::Outgoing { stream, body }) = take(handle) else {
        return Ok(());
    };
    drop(stream);
    OutgoingBody::finish(body, None).map_err(|error| {
        Exception::throw_type(&ctx, &format!("the body could not be sent: {error:?}"))
    })
}

fn broken(ctx: &Ctx<'_>, error: &StreamError) -> rquickjs::Error {
    let why = match error {
        StreamError::Closed => "the other side closed it".to_owned(),
        StreamError::LastOperationFailed(error) => error.to_debug_string(),
    };
    Exception::throw_type(ctx, &format!("the body broke off: {why}"))
}

/// The next bytes; `null` at the end; `undefined` if there are none yet (then `wait`).
pub(crate) fn read(ctx: Ctx<'_>, handle: u32) -> Result<Value<'_>> {
    let read = HANDLES.with_borrow(|list| match list.get(handle as usize) {
        Some(Some(Handle::Incoming { stream, .. })) => stream.read(CHUNK_BYTES),
        _ => Err(StreamError::Closed),
    });
    match read {
        Ok(bytes) if bytes.is_empty() => Undefined.into_js(&ctx),
        Ok(bytes) => TypedArray::<u8>::new(ctx.clone(), bytes)?.into_js(&ctx),
        Err(StreamError::Closed) => {
            close(handle);
            Null.into_js(&ctx)
        }
        Err(error) => Err(broken(&ctx, &error)),
    }
}

/// Settles operation `id` when there is something to read, or room to write.
pub(crate) fn wait(ctx: Ctx<'_>, id: u32, handle: u32) -> Result<()> {
    let pollable = HANDLES.with_borrow(|list| match list.get(handle as usize) {
        Some(Some(Handle::Incoming { stream, .. })) => Some(stream.subscribe()),
        Some(Some(Handle::Outgoing { stream, .. })) => Some(stream.subscribe()),
        _ => None,
    });
    let Some(pollable) = pollable else {
        return Err(Exception::throw_type(&ctx, "the body is closed"));
    };
    events::stream(id, handle, pollable);
    Ok(())
}

/// Writes what there is room for, from `offset` on, and says how many bytes that was.
pub(crate) fn write(
    ctx: Ctx<'_>,
    handle: u32,
    bytes: TypedArray<'_, u8>,
    offset: u32,
) -> Result<u32> {
    // SAFETY: no JavaScript runs while the slice lives; the host copies it within the call.
    let bytes = unsafe { bytes.as_bytes() }.unwrap_or_default();
    let rest = bytes.get(offset as usize..).unwrap_or_default();
    let written = HANDLES.with_borrow(|list| match list.get(handle as usize) {
        Some(Some(Handle::Outgoing { stream, .. })) => some_of(stream, rest),
        _ => Err(StreamError::Closed),
    });
    written
        .map(|count| count as u32)
        .map_err(|error| broken(&ctx, &error))
}

fn some_of(stream: &OutputStream, bytes: &[u8]) -> std::result::Result<usize, StreamError> {
    let room = usize::try_from(stream.check_write()?).unwrap_or(usize::MAX);
    let (now, _) = bytes.split_at(room.min(bytes.len()));
    if !now.is_empty() {
        stream.write(now)?;
    }
    Ok(now.len())
}

/// Writes a whole body that is known beforehand, and ends it. The receiver's going away is not an error.
pub(crate) fn write_all(body: OutgoingBody, mut bytes: &[u8]) {
    if !bytes.is_empty() {
        let Ok(stream) = body.write() else { return };
        while !bytes.is_empty() {
            let Ok(count) = some_of(&stream, bytes) else {
                return;
            };
            if count == 0 {
                stream.subscribe().block();
            }
            (_, bytes) = bytes.split_at(count);
        }
    }
    // Nothing is left to be told: whoever asked for the body has gone.
    let _gone = OutgoingBody::finish(body, None);
}
