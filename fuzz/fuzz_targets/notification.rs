//! Notification configurations of buckets come from clients: none may panic, and one that is accepted
//! sends no event to two rules.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|document: &[u8]| headwater_s3::fuzz_notification(document));
