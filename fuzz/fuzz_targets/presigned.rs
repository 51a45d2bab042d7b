//! The query of a presigned URL: any is a claim or a refusal, never a panic.
#![no_main]

use headwater_wire::sigv4::Claim;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|query: &str| {
    let Ok(request) = http::Request::get(format!("/bucket/key?{query}")).body(()) else { return };
    if let Ok(claim) = Claim::of(&request.into_parts().0) {
        assert!(claim.presigned.is_some());
    }
});
