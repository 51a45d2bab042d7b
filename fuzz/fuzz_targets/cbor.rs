//! CBOR: any bytes are a value or a refusal, and what was read is written back alike.
#![no_main]

use headwater_wire::Codec;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(value) = Codec::Cbor.decode::<serde_json::Value>(data) {
        let written = Codec::Cbor.encode(&value).expect("a JSON value has a spelling in CBOR");
        let again: serde_json::Value = Codec::Cbor.decode(&written).expect("what was written reads");
        assert_eq!(value, again);
    }
});
