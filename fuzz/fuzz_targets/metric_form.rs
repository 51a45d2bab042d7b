//! PutMetricData as a form comes from clients: reading it never panics.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| headwater_monitoring::fuzz_form(bytes));
