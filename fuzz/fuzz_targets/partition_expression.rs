//! GetPartitions' expressions come from clients: none may panic, and what parses can be asked.
#![no_main]

use headwater_catalog::{Column, PartitionFilter};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (String, String, String)| {
    let (expression, text, number) = input;
    let key = |name: &str, hive: &str| Column { name: name.into(), hive_type: hive.into(), comment: None };
    let keys = [
        key("a", "string"),
        key("b", "int"),
        key("c", "date"),
        key("d", "timestamp"),
        key("e", "decimal(10,2)"),
    ];
    if let Ok(filter) = PartitionFilter::parse(&expression, &keys) {
        let _ = filter.matches(&[text.clone(), number.clone(), text.clone(), text, number]);
    }
});
