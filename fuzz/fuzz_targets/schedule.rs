//! Schedules and exclusions of crawlers and triggers: what parses is due after now or never.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, u32)| headwater_glue::fuzz_schedule(input.0, input.1, input.2));
