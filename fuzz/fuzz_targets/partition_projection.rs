//! A table's `projection.*` parameters: any are enumerated within their bound or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|parameters: Vec<(&str, &str)>| headwater_query::fuzz_projection(&parameters));
