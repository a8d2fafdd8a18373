//! The one place where xtask talks: short lines on standard output, in the order in which things happen.
//! Refuses to fail: when nobody reads any more, the work goes on.

use std::fmt::{Arguments, Display};

/// One line.
pub(crate) fn say(text: impl Display) {
    put(format_args!("{text}\n"));
}

/// The start of a line that `say` will end.
pub(crate) fn begin(text: impl Display) {
    put(format_args!("{text}"));
}

#[cfg(not(test))]
fn put(text: Arguments<'_>) {
    use std::io::{self, Write};
    let mut out = io::stdout().lock();
    let _ = out.write_fmt(text).and_then(|()| out.flush());
}

/// Where the test runner can keep it to itself.
#[cfg(test)]
fn put(text: Arguments<'_>) {
    print!("{text}");
}
