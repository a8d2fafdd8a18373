//! Strangers' bytes for `query`; what is promised stands in `strangers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strangers::target("query")(bytes));
