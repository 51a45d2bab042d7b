//! Files that a crawler samples: any bytes have a format with columns, or none.
#![no_main]

use headwater_tables::compress::Codec;
use headwater_tables::infer::{infer_parquet, infer_text, parquet_footer_len, parquet_rows};
use libfuzzer_sys::fuzz_target;

/// The most plain bytes a crawler looks at, here smaller.
const SAMPLE_BYTES: usize = 1 << 20;

fuzz_target!(|input: (&str, bool, &[u8])| {
    let (name, complete, bytes) = input;
    let plain = Codec::detect(name, bytes).sample(bytes, SAMPLE_BYTES);
    assert!(plain.len() <= SAMPLE_BYTES);
    for found in [infer_text(&plain, complete), infer_parquet(bytes)].into_iter().flatten() {
        let _ = found.hive_columns();
    }
    let _ = (parquet_footer_len(bytes), parquet_rows(bytes));
});
