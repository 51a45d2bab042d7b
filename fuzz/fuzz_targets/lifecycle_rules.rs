//! Lifecycle configurations: what is taken is given back as it was taken.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| headwater_s3::fuzz_lifecycle(bytes));
