//! Clock and randomness of the host, at the one place where they enter. While an app loads, randomness is
//! refused (each request would repeat it) and a look at the clock is remembered, for a warning.
use std::cell::Cell;

use rquickjs::{Ctx, Exception, Result, TypedArray};
use wasip2::clocks::{monotonic_clock, wall_clock};
use wasip2::random::random;

/// Bytes fetched at a time for `Math.random`: one call of the host for 32 numbers.
const POOL: u64 = 256;

thread_local! {
    static LOADING: Cell<bool> = const { Cell::new(true) };
    static CLOCK_READ: Cell<bool> = const { Cell::new(false) };
    static NUMBERS: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Whether the app is being loaded, at deploy.
pub(crate) fn loading() -> bool {
    LOADING.get()
}

/// A request begins: time, randomness and the network are there.
pub(crate) fn serve() {
    LOADING.set(false);
}

/// Whether the clock was read since the last call.
pub(crate) fn take_clock_read() -> bool {
    CLOCK_READ.replace(false)
}

/// The clock of QuickJS itself (`Date`), in microseconds since 1970, in whole milliseconds: nothing finer is shown to apps.
#[unsafe(no_mangle)]
extern "C" fn __rquickjs_host_now_us() -> f64 {
    CLOCK_READ.set(true);
    let now = wall_clock::now();
    now.seconds as f64 * 1e6 + f64::from(now.nanoseconds / 1_000_000) * 1e3
}

/// Milliseconds of a clock that never goes back, whole.
pub(crate) fn monotonic_ms() -> f64 {
    (monotonic_clock::now() / 1_000_000) as f64
}

fn refuse_while_loading(ctx: &Ctx<'_>, what: &str) -> Result<()> {
    if loading() {
        let text = format!(
            "{what} cannot be used while the app is loading: what it gives would be stored at deploy and be the same in every request; use it inside a handler"
        );
        return Err(Exception::throw_message(ctx, &text));
    }
    Ok(())
}

/// A number for `Math.random`, 0 ≤ n < 1, with 53 random bits.
pub(crate) fn random_number(ctx: Ctx<'_>) -> Result<f64> {
    refuse_while_loading(&ctx, "`Math.random()`")?;
    let mut pool = NUMBERS.take();
    if pool.len() < 8 {
        pool = random::get_random_bytes(POOL);
    }
    let rest = pool.split_off(pool.len().saturating_sub(8));
    NUMBERS.set(pool);
    let bytes: [u8; 8] = rest.try_into().unwrap_or_default();
    Ok((u64::from_le_bytes(bytes) >> 11) as f64 / (1_u64 << 53) as f64)
}

/// `count` bytes of the host's randomness.
pub(crate) fn random_bytes(ctx: Ctx<'_>, count: u32) -> Result<TypedArray<'_, u8>> {
    refuse_while_loading(&ctx, "`crypto`'s randomness")?;
    TypedArray::new(ctx, random::get_random_bytes(u64::from(count)))
}
