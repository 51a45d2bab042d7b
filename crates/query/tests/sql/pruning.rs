//! What is not needed is not read: partitions, row groups, columns, footers.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};

use super::lake::Lake;

fn numbers(from: i64, count: i64) -> RecordBatch {
    let n: ArrayRef = Arc::new(Int64Array::from_iter_values(from..from + count));
    let text: ArrayRef =
        Arc::new(StringArray::from_iter_values((from..from + count).map(|n| format!("text {n}"))));
    RecordBatch::try_from_iter([("N", n), ("text", text)]).unwrap()
}

async fn numbered() -> Lake {
    let lake = Lake::new().await;
    lake.rows(
        "CREATE EXTERNAL TABLE numbers (n bigint, text string) PARTITIONED BY (bucket int)
         STORED AS PARQUET LOCATION 's3://lake/numbers/'",
    )
    .await;
    for bucket in 0..10 {
        lake.put_parquet(&format!("numbers/bucket={bucket}/a.parquet"), &numbers(bucket * 10_000, 10_000))
            .await;
    }
    lake.rows("MSCK REPAIR TABLE numbers").await;
    lake
}

#[tokio::test]
async fn partitions_are_pruned_by_any_filter_on_their_keys() {
    let lake = numbered().await;
    let all = lake.run("SELECT sum(n) FROM numbers").await.unwrap();
    assert_eq!(all.rows, ["4999950000"]);
    for (filter, want) in [
        ("bucket = 3", "349995000"),
        ("bucket IN (3)", "349995000"),
        ("bucket BETWEEN 3 AND 3", "349995000"),
        ("bucket * 2 = 6", "349995000"),
        ("CAST(bucket AS varchar) = '3'", "349995000"),
        ("bucket > 2 AND bucket < 4 AND n >= 0", "349995000"),
        ("(bucket = 3 OR bucket = 99)", "349995000"),
    ] {
        let answer = lake.run(&format!("SELECT sum(n) FROM numbers WHERE {filter}")).await.unwrap();
        assert_eq!(answer.rows, [want], "{filter}");
        // The footers of all files are known by now, so only column chunks are read.
        assert!(answer.scanned * 9 < all.scanned, "{filter}: {} of {} bytes", answer.scanned, all.scanned);
    }
    let none = lake.run("SELECT count(*) FROM numbers WHERE bucket = 77").await.unwrap();
    assert_eq!((none.rows, none.scanned), (vec!["0".to_owned()], 0));
}

#[tokio::test]
async fn only_wanted_columns_and_files_are_read() {
    let lake = numbered().await;
    let narrow = lake.run("SELECT sum(n) FROM numbers").await.unwrap().scanned;
    let again = lake.run("SELECT sum(n) FROM numbers").await.unwrap().scanned;
    assert!(again < narrow, "footers are read once: {again} {narrow}");
    let wide = lake.run("SELECT sum(n), max(text) FROM numbers").await.unwrap().scanned;
    assert!(wide > again, "{wide} {again}");
    // A file whose statistics exclude the value is not read, whatever its partition.
    let one = lake.run("SELECT text FROM numbers WHERE n = 25000").await.unwrap();
    assert_eq!(one.rows, ["text 25000"]);
    assert!(one.scanned * 4 < wide, "{} {wide}", one.scanned);
}

#[tokio::test]
async fn a_deleted_file_stays_readable_for_a_query_that_has_begun() {
    let lake = numbered().await;
    let outcome = lake.engine.execute(lake.request("SELECT count(text) FROM numbers")).await.unwrap();
    for key in lake.keys("numbers/").await {
        let key = headwater_objects::ObjectKey::new(&key).unwrap();
        lake.objects.delete(&lake.bucket, &key).await.unwrap();
    }
    let rows: Vec<_> = futures::StreamExt::collect::<Vec<_>>(outcome.batches).await;
    let rows: Vec<String> = rows.into_iter().flat_map(|batch| super::lake::texts(&batch.unwrap())).collect();
    assert_eq!(rows, ["100000"]);
    assert_eq!(lake.rows("SELECT count(*) FROM numbers").await, ["0"]);
}

#[tokio::test]
async fn types_in_files_may_be_narrower_than_the_tables() {
    let lake = Lake::new().await;
    lake.rows("CREATE EXTERNAL TABLE wide (n double, text string, more int) STORED AS PARQUET LOCATION 's3://lake/w/'").await;
    lake.put_parquet("w/a.parquet", &numbers(1, 2)).await;
    assert_eq!(lake.rows("SELECT * FROM wide ORDER BY n").await, ["1.0|text 1|NULL", "2.0|text 2|NULL"]);
    lake.put("w/b.parquet", "this is no Parquet file").await;
    let error = lake.error("SELECT sum(n) FROM wide").await;
    assert!(error.starts_with("HIVE_BAD_DATA") && error.contains("s3://lake/w/b.parquet"), "{error}");
}

#[tokio::test]
async fn projected_partitions_need_no_catalog() {
    let lake = Lake::new().await;
    lake.rows(
        "CREATE EXTERNAL TABLE projected (n bigint) PARTITIONED BY (day date, kind string) STORED AS PARQUET
         LOCATION 's3://lake/projected/' TBLPROPERTIES ('projection.enabled'='true',
         'projection.day.type'='date', 'projection.day.range'='2025-12-01,NOW', 'projection.day.format'='yyyy-MM-dd',
         'projection.kind.type'='enum', 'projection.kind.values'='a,b',
         'storage.location.template'='s3://lake/projected/${day}/${kind}/')",
    )
    .await;
    lake.put_parquet("projected/2025-12-24/a/x.parquet", &numbers(0, 10)).await;
    lake.put_parquet("projected/2025-12-31/b/x.parquet", &numbers(0, 20)).await;
    assert_eq!(lake.rows("SELECT count(*), min(day), max(kind) FROM projected").await, ["30|2025-12-24|b"]);
    let some = lake
        .run("SELECT count(n) FROM projected WHERE day > DATE '2025-12-30' AND kind = 'b'")
        .await
        .unwrap();
    assert_eq!(some.rows, ["20"]);
    assert_eq!(lake.rows("SELECT count(*) FROM projected WHERE kind = 'z'").await, ["0"]);
}
