//! Prefixes of deliveries: what parses reads back from its own text and evaluates the same twice.
#![no_main]

use std::collections::BTreeMap;

use headwater_base::Timestamp;
use headwater_delivery::prefix::{Circumstances, Prefix, Role};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, bool, u32, &str)| {
    let (text, is_error, seconds, value) = input;
    let role = if is_error { Role::Error } else { Role::Data };
    let Ok(prefix) = Prefix::parse(text, role) else { return };
    assert_eq!(Prefix::parse(prefix.text(), role).as_ref(), Ok(&prefix));
    let values: BTreeMap<String, String> =
        prefix.partition_keys().map(|name| (name.to_owned(), value.to_owned())).collect();
    let given = Circumstances {
        oldest: Timestamp::from_ms(i64::from(seconds) * 1000),
        zone: chrono_tz::Tz::UTC,
        values: &values,
        error_type: "format-conversion-failed",
        seed: [7; 16],
    };
    assert_eq!(prefix.evaluate(&given), prefix.evaluate(&given));
});
