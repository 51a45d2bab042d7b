//! CTAS, INSERT and incremental jobs: everything once.

use super::lake::Lake;

#[tokio::test]
async fn ctas_creates_a_table_with_its_rows() {
    let lake = Lake::new().await.with_flights().await;
    let answer = lake
        .run(
            "CREATE TABLE daily WITH (format = 'PARQUET', partitioned_by = ARRAY['day'],
             external_location = 's3://lake/daily/', write_compression = 'SNAPPY')
             AS SELECT carrier, sum(delay) AS delay, day FROM flights GROUP BY carrier, day",
        )
        .await
        .unwrap();
    assert_eq!((answer.written, answer.substatement), (Some(6), "CREATE_TABLE_AS_SELECT"));
    assert_eq!(answer.manifest.len(), 3);
    assert_eq!(lake.rows("SHOW PARTITIONS daily").await.len(), 3);
    assert_eq!(
        lake.rows("SELECT carrier, delay FROM daily WHERE day = '2026-01-02' ORDER BY 1").await,
        ["AA|42", "BB|21"]
    );
    let error = lake.error("CREATE TABLE daily AS SELECT 1 AS x").await;
    assert!(error.starts_with("TABLE_ALREADY_EXISTS"), "{error}");
    assert_eq!(lake.run("CREATE TABLE IF NOT EXISTS daily AS SELECT 1 AS x").await.unwrap().written, Some(0));
    let error =
        lake.error("CREATE TABLE other WITH (external_location = 's3://lake/daily/') AS SELECT 1 AS x").await;
    assert!(error.starts_with("HIVE_PATH_ALREADY_EXISTS"), "{error}");
}

#[tokio::test]
async fn ctas_without_a_location_uses_the_results_place() {
    let lake = Lake::new().await;
    let request = lake.request("CREATE TABLE t AS SELECT 1 AS x, 'a' AS y");
    let id = request.id.clone();
    lake.run_request(request).await.unwrap();
    assert!(!lake.keys(&format!("results/tables/{id}/")).await.is_empty());
    assert_eq!(lake.rows("SELECT * FROM t").await, ["1|a"]);
    lake.rows("CREATE TABLE empty AS SELECT 1 AS x WITH NO DATA").await;
    assert_eq!(lake.rows("SELECT count(*) FROM empty").await, ["0"]);
}

#[tokio::test]
async fn a_repeated_request_writes_once() {
    let lake = Lake::new().await;
    let create = lake.request("CREATE TABLE t AS SELECT 1 AS x");
    lake.run_request(create.clone()).await.unwrap();
    lake.run_request(create).await.unwrap();
    let insert = lake.request("INSERT INTO t VALUES (2), (3)");
    let first = lake.run_request(insert.clone()).await.unwrap();
    let second = lake.run_request(insert).await.unwrap();
    assert_eq!((first.written, first.manifest.clone()), (Some(2), second.manifest));
    assert_eq!(lake.rows("SELECT x FROM t ORDER BY x").await, ["1", "2", "3"]);
    lake.rows("INSERT INTO t VALUES (2), (3)").await;
    assert_eq!(lake.rows("SELECT count(*) FROM t").await, ["5"]);
}

#[tokio::test]
async fn inserts_find_their_columns_and_types() {
    let lake = Lake::new().await;
    lake.rows(
        "CREATE EXTERNAL TABLE t (a string, n int, at timestamp) PARTITIONED BY (day date)
         STORED AS PARQUET LOCATION 's3://lake/t/'",
    )
    .await;
    lake.rows("INSERT INTO t SELECT 'x', 1, TIMESTAMP '2026-01-01 00:00:00', DATE '2026-01-01'").await;
    lake.rows("INSERT INTO t (day, a) VALUES (DATE '2026-01-02', 'y')").await;
    assert_eq!(
        lake.rows("SELECT * FROM t ORDER BY day").await,
        ["x|1|2026-01-01T00:00:00|2026-01-01", "y|NULL|NULL|2026-01-02"]
    );
    assert_eq!(lake.rows("SELECT a FROM t WHERE day > DATE '2026-01-01'").await, ["y"]);
    assert!(lake.error("INSERT INTO t VALUES (1)").await.starts_with("TYPE_MISMATCH"));
    assert!(lake.error("INSERT INTO t (nope) VALUES (1)").await.starts_with("COLUMN_NOT_FOUND"));
    assert!(
        lake.error("INSERT INTO t (n, day) VALUES (3000000000, DATE '2026-01-01')")
            .await
            .starts_with("INVALID_CAST")
    );
    assert_eq!(lake.rows("SELECT count(*) FROM t").await, ["2"]);
}

#[tokio::test]
async fn overwriting_replaces() {
    let lake = Lake::new().await;
    lake.rows("CREATE TABLE t AS SELECT 1 AS x").await;
    lake.rows("INSERT OVERWRITE t SELECT x + 1 FROM t").await;
    lake.rows("INSERT OVERWRITE TABLE t SELECT x + 1 FROM t").await;
    assert_eq!(lake.rows("SELECT * FROM t").await, ["3"]);
}

#[tokio::test]
async fn a_job_reads_each_object_once() {
    let lake = Lake::new().await.with_flights().await;
    lake.rows(
        "CREATE EXTERNAL TABLE seen (carrier string, delay int) STORED AS PARQUET LOCATION 's3://lake/seen/'",
    )
    .await;
    let sql = "INSERT INTO seen SELECT carrier, delay FROM flights";
    let first = lake.incremental(sql, "db.flights");
    assert_eq!(lake.run_request(first.clone()).await.unwrap().written, Some(9));
    // The same run again, as after a crash: nothing twice.
    assert_eq!(lake.run_request(first).await.unwrap().written, Some(9));
    assert_eq!(lake.run_request(lake.incremental(sql, "db.flights")).await.unwrap().written, Some(0));
    lake.put("flights/day=2026-01-01/part-1.json", "{\"carrier\":\"CC\",\"delay\":7}\n").await;
    assert_eq!(lake.run_request(lake.incremental(sql, "db.flights")).await.unwrap().written, Some(1));
    assert_eq!(lake.rows("SELECT count(*), count(DISTINCT carrier) FROM seen").await, ["10|3"]);
}
