//! JSON bodies: any bytes are a value or a refusal, however deep they nest.
#![no_main]

use headwater_wire::Codec;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = Codec::Json11.decode::<serde_json::Value>(data);
    let _ = Codec::Json11.decode::<std::collections::HashMap<String, Option<u8>>>(data);
});
