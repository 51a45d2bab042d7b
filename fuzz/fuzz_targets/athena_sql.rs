//! Queries come from clients: any text is rewritten or refused, never a panic, however deep it nests.
#![no_main]

use headwater_query::dialect::rewrite;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|sql: &str| {
    let _ = rewrite::query(sql);
});
