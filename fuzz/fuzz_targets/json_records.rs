//! Records come from producers: each is wholly in the batch or among the misfits, whatever it holds.
#![no_main]

use std::sync::Arc;

use bytes::Bytes;
use headwater_tables::decode::JsonDecoder;
use headwater_tables::schema::arrow_schema;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|records: Vec<Vec<u8>>| {
    let columns = [
        ("a", "bigint"),
        ("b", "string"),
        ("c", "array<struct<d:int,e:timestamp>>"),
        ("f", "map<string,decimal(10,2)>"),
    ];
    let decoder = JsonDecoder::new(Arc::new(arrow_schema(columns).expect("the columns are valid")));
    let records: Vec<Bytes> = records.into_iter().map(Bytes::from).collect();
    let decoded = decoder.decode(&records);
    assert_eq!(decoded.origin.len(), decoded.batch.num_rows());
    for index in 0..records.len() {
        let rows = decoded.origin.iter().any(|origin| *origin as usize == index);
        let misfit = decoded.misfits.iter().any(|misfit| misfit.index == index);
        assert!(rows != misfit);
    }
});
