//! Any bytes as the content of a shard iterator, and any text as a sequence number.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| headwater_kinesis::fuzz_iterator(bytes));
