//! Hive types come from catalogs' clients: none may panic, and what is understood reads back.
#![no_main]

use headwater_tables::schema::{arrow_type, hive_type};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(found) = arrow_type(text) {
        if let Ok(written) = hive_type(&found) {
            // Names in backquotes may hold signs of the grammar; all others read back.
            assert!(text.contains('`') || arrow_type(&written) == Ok(found), "{text} became {written}");
        }
    }
});
