//! Hive definitions come from clients: any text is a statement or a refusal, never a panic.
#![no_main]

use headwater_query::ddl;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|sql: &str| {
    let _ = ddl::parse(sql);
});
