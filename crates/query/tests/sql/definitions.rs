//! Definitions and what tells of them.

use super::lake::Lake;

#[tokio::test]
async fn databases_and_tables_come_and_go() {
    let lake = Lake::new().await;
    lake.rows("CREATE DATABASE IF NOT EXISTS Sales COMMENT 'x' LOCATION 's3://lake/sales/'").await;
    assert_eq!(lake.rows("SHOW DATABASES").await, ["db", "sales"]);
    assert_eq!(lake.rows("SHOW DATABASES LIKE 's*'").await, ["sales"]);
    assert!(lake.error("CREATE SCHEMA sales").await.starts_with("ALREADY_EXISTS"));
    lake.rows(
        "CREATE EXTERNAL TABLE sales.orders (`ID` bigint COMMENT 'the id', tags array<string>, amount decimal(10, 2))
         PARTITIONED BY (year int, month string)
         STORED AS PARQUET LOCATION 's3://lake/orders' TBLPROPERTIES ('classification'='parquet')",
    )
    .await;
    assert_eq!(lake.rows("SHOW TABLES IN sales '*ord*'").await, ["orders"]);
    assert_eq!(lake.rows("SHOW COLUMNS IN sales.orders").await, ["id", "tags", "amount", "year", "month"]);
    let described = lake.rows("DESCRIBE sales.orders").await;
    assert!(described[0].starts_with("id                  \tbigint"), "{described:?}");
    assert!(described.iter().any(|line| line.starts_with("# Partition Information")), "{described:?}");
    let created = lake.rows("SHOW CREATE TABLE sales.orders").await.join("\n");
    assert!(
        created.contains("`amount` decimal(10,2)") && created.contains("'s3://lake/orders'"),
        "{created}"
    );
    assert_eq!(lake.rows("SELECT * FROM sales.orders").await, Vec::<String>::new());
    assert!(lake.error("DROP DATABASE sales").await.contains("not empty"));
    lake.rows("DROP TABLE sales.orders").await;
    lake.rows("DROP TABLE IF EXISTS sales.orders").await;
    assert!(lake.error("DROP TABLE sales.orders").await.starts_with("ENTITY_NOT_FOUND"));
    lake.rows("DROP DATABASE sales CASCADE").await;
    assert_eq!(lake.rows("SHOW DATABASES").await, ["db"]);
}

#[tokio::test]
async fn a_shown_definition_creates_the_same_table() {
    let lake = Lake::new().await.with_flights().await;
    let first = lake.rows("SHOW CREATE TABLE flights").await.join("\n");
    lake.rows("DROP TABLE flights").await;
    lake.rows(&first).await;
    assert_eq!(lake.rows("SHOW CREATE TABLE flights").await.join("\n"), first);
}

#[tokio::test]
async fn partitions_are_added_shown_and_dropped() {
    let lake = Lake::new().await.with_flights().await;
    assert_eq!(
        lake.rows("SHOW PARTITIONS flights").await,
        ["day=2026-01-01", "day=2026-01-02", "day=2026-01-03"]
    );
    assert!(
        lake.error("ALTER TABLE flights ADD PARTITION (day='2026-01-01')")
            .await
            .starts_with("ALREADY_EXISTS")
    );
    lake.rows(
        "ALTER TABLE flights ADD IF NOT EXISTS PARTITION (day='2026-01-01')
         PARTITION (day='elsewhere') LOCATION 's3://lake/flights/day=2026-01-03/'",
    )
    .await;
    assert_eq!(lake.rows("SELECT count(*) FROM flights WHERE day = 'elsewhere'").await, ["3"]);
    lake.rows("ALTER TABLE flights DROP PARTITION (day='elsewhere'), PARTITION (day='2026-01-01')").await;
    assert_eq!(lake.rows("SELECT count(*) FROM flights").await, ["6"]);
    assert!(lake.error("ALTER TABLE flights DROP PARTITION (nope='x')").await.contains("unknown key nope"));
    lake.rows("MSCK REPAIR TABLE flights").await;
    lake.rows("MSCK REPAIR TABLE flights").await;
    assert_eq!(lake.rows("SELECT count(*) FROM flights").await, ["9"]);
}

#[tokio::test]
async fn views_are_queries_with_names() {
    let lake = Lake::new().await.with_flights().await;
    lake.rows("CREATE VIEW late AS SELECT carrier, delay FROM flights WHERE delay > 20").await;
    assert_eq!(lake.rows("SELECT count(*) FROM late WHERE carrier = 'AA'").await, ["3"]);
    assert!(lake.error("CREATE VIEW late AS SELECT 1 AS x").await.starts_with("ALREADY_EXISTS"));
    lake.rows("CREATE OR REPLACE VIEW later AS SELECT count(*) AS n FROM late").await;
    lake.rows("CREATE OR REPLACE VIEW later AS SELECT count(*) + 1 AS n FROM late").await;
    assert_eq!(lake.rows("SELECT n FROM later").await, ["6"]);
    assert!(lake.error("DROP TABLE later").await.contains("DROP VIEW"));
    lake.rows("DROP VIEW later").await;
    lake.rows("DROP VIEW IF EXISTS later").await;
}

#[tokio::test]
async fn columns_and_properties_can_be_added() {
    let lake = Lake::new().await.with_flights().await;
    lake.rows("ALTER TABLE flights ADD COLUMNS (gate string)").await;
    assert_eq!(lake.rows("SELECT count(gate), count(*) FROM flights").await, ["0|9"]);
    lake.rows("ALTER TABLE flights SET TBLPROPERTIES ('owner'='ada')").await;
    assert!(lake.rows("SHOW TBLPROPERTIES flights").await.contains(&"owner\tada".to_owned()));
}

#[tokio::test]
async fn other_accounts_buckets_are_not_read() {
    let lake = Lake::new().await;
    let other = "000000000002".parse().unwrap();
    let name = headwater_objects::BucketName::new("theirs").unwrap();
    lake.objects.create_bucket(&name, other, &lake.scope.region).await.unwrap();
    lake.rows("CREATE EXTERNAL TABLE theirs (a string) STORED AS PARQUET LOCATION 's3://theirs/x/'").await;
    assert!(lake.error("SELECT * FROM theirs").await.starts_with("PERMISSION_DENIED"));
    assert!(lake.error("INSERT INTO theirs VALUES ('x')").await.contains("another account"));
}

#[tokio::test]
async fn explain_shows_the_plan() {
    let lake = Lake::new().await.with_flights().await;
    let plan = lake.rows("EXPLAIN SELECT count(*) FROM flights").await.join("\n");
    assert!(plan.contains("Physical Plan") && plan.contains("flights"), "{plan}");
}
