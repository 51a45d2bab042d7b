//! Folders such as `year=2026/`: whatever an object is called, its pairs are written and read back.
#![no_main]

use headwater_tables::path::{DEFAULT_PARTITION, parse_partition_path, partition_path};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|path: &str| {
    let pairs = parse_partition_path(path);
    let (names, values): (Vec<&str>, Vec<&str>) = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).unzip();
    let again = parse_partition_path(&partition_path(&names, &values));
    for ((name, value), (read_name, read_value)) in pairs.iter().zip(&again) {
        assert_eq!(name, read_name);
        assert!(value == read_value || (value.is_empty() && read_value == DEFAULT_PARTITION));
    }
    assert_eq!(pairs.len(), again.len());
});
