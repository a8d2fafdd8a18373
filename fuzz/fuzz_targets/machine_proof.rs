//! Strangers' bytes for `machine_proof`; what is promised stands in `strangers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strangers::target("machine_proof")(bytes));
