//! Path expressions of deliveries, and the records they are asked of: one value per name or a reason.
#![no_main]

use headwater_delivery::extract::PartitionQuery;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &[u8])| {
    let (text, record) = input;
    let Ok(query) = PartitionQuery::parse(text) else { return };
    if let Ok(values) = query.values(record) {
        assert_eq!(values.len(), query.names().count());
    }
});
