//! The Authorization header: any text is a claim or a refusal, never a panic.
#![no_main]

use headwater_wire::sigv4::Claim;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: (&str, &str)| {
    let (authorization, date) = data;
    let _ = Claim::of_header(authorization, Some(date));
});
