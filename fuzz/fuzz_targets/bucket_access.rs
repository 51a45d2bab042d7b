//! Cross-origin rules and access control lists in XML, grants in headers: whatever they are.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &str, &str)| headwater_s3::fuzz_access(input.0, input.1, input.2));
