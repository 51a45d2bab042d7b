//! Condition, update and projection expressions come from clients: none may panic, and what parses can be
//! applied to an item.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| headwater_leases::fuzz_expression(text));
