//! Deliveries into tables, and table writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use futures::FutureExt as _;
use headwater_base::Timestamp;
use headwater_catalog::{Column, Database, StorageDescriptor, Table, TableKey};
use headwater_store::{Lsn, Store};
use headwater_tables::decode::JsonOptions;
use headwater_tables::infer::{parquet_footer_len, parquet_rows};
use headwater_tables::write::ParquetCompression;
use headwater_work::Reconciler as _;

use super::{House, destination, scope};
use crate::bookmark::{bookmark, reset_bookmark};
use crate::definition::{Conversion, Destination, SchemaEcho};
use crate::extract::PartitionQuery;
use crate::prefix::{Prefix, Role};
use crate::runner::RunError;
use crate::table_write::{Bookmark, TableTarget, TableWrite, TableWriteError};

fn table_key() -> TableKey {
    TableKey { scope: scope(), database: "db".into(), table: "t".into() }
}

fn column(name: &str, hive_type: &str) -> Column {
    Column { name: name.into(), hive_type: hive_type.into(), comment: None }
}

fn table() -> Table {
    Table {
        key: table_key(),
        incarnation: 0,
        schema_id: 0,
        version: 0,
        storage: StorageDescriptor {
            columns: vec![column("id", "bigint")],
            location: "s3://bucket/raw/".into(),
            serde_library: Some("org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe".into()),
            ..StorageDescriptor::default()
        },
        partition_keys: vec![column("day", "string")],
        table_type: Some("EXTERNAL_TABLE".into()),
        parameters: BTreeMap::new(),
        description: None,
        owner: None,
        created: Timestamp::EPOCH,
        updated: Timestamp::EPOCH,
        extra_json: None,
    }
}

fn converting() -> Destination {
    Destination {
        prefix: Prefix::parse("raw/day=!{partitionKeyFromQuery:day}/", Role::Data).unwrap(),
        partition_query: Some(PartitionQuery::parse("{day: .time[0:10]}").unwrap()),
        conversion: Some(Conversion {
            table: table_key(),
            compression: ParquetCompression::Zstd,
            json: JsonOptions::default(),
            echo: SchemaEcho::default(),
        }),
        ..destination()
    }
}

impl House {
    async fn database(&self) {
        let database = Database {
            name: "db".into(),
            description: None,
            location: None,
            parameters: BTreeMap::new(),
            created: Timestamp::EPOCH,
        };
        self.catalog.create_database(&scope(), database).await.unwrap();
    }

    async fn table(&self) -> Arc<Table> {
        self.database().await;
        self.catalog.create_table(table()).await.unwrap()
    }

    async fn partitions(&self) -> Vec<(String, String)> {
        let table = self.catalog.table(&table_key()).await.unwrap();
        let found = self.catalog.partitions(&table, "", None, 1000).await.unwrap();
        found.into_iter().map(|p| (p.values[0].clone(), p.storage.location)).collect()
    }

    async fn parquet_rows(&self, prefix: &str) -> u64 {
        let mut rows = 0;
        for object in self.objects(prefix).await {
            let body = self.body(&object).await;
            let len = parquet_footer_len(&body).unwrap() as usize;
            rows += parquet_rows(&body[body.len() - 8 - len..body.len() - 8]).unwrap();
        }
        rows
    }

    async fn write(
        &self,
        id: &str,
        target: TableTarget,
        rows: &[(i64, &str)],
    ) -> Result<TableWrite, TableWriteError> {
        let mut write = TableWrite::begin(&self.catalog, &self.objects, id, target, schema()).await?;
        write.write(batch(rows)).await?;
        Ok(write)
    }
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("day", DataType::Utf8, true),
    ]))
}

fn batch(rows: &[(i64, &str)]) -> RecordBatch {
    let ids = Int64Array::from_iter_values(rows.iter().map(|row| row.0));
    let days = StringArray::from_iter_values(rows.iter().map(|row| row.1));
    RecordBatch::try_new(schema(), vec![Arc::new(ids), Arc::new(days)]).unwrap()
}

fn card(id: &str, day: &str) -> Bytes {
    Bytes::from(format!(r#"{{"id":{id},"time":"{day}T00:00:00Z"}}"#))
}

#[tokio::test]
async fn a_delivered_partition_is_in_the_catalog_with_its_objects() {
    let house = House::new().await;
    house.table().await;
    let delivery = house.direct(converting()).await;
    let records = vec![
        card("1", "2026-01-01"),
        card("2", "2026-01-02"),
        card("3", "2026-01-01"),
        card(r#""no number""#, "2026-01-01"),
        Bytes::from_static(b"{"),
        Bytes::from_static(b"  "),
    ];
    house.deliveries.put(&delivery, records, None).await.unwrap();
    house.drain(&delivery).await;
    let want =
        ["2026-01-01", "2026-01-02"].map(|day| (day.to_owned(), format!("s3://bucket/raw/day={day}/")));
    assert_eq!(house.partitions().await, want);
    assert_eq!(house.parquet_rows("raw/day=2026-01-01/").await, 2);
    assert_eq!(house.parquet_rows("raw/day=2026-01-02/").await, 1);
    assert_eq!(house.lines("err/format-conversion-failed/").await.len(), 1);
    assert_eq!(house.lines("err/metadata-extraction-failed/").await.len(), 2);
    let counts = house.counts(&delivery).await;
    assert_eq!((counts.delivered, counts.dead_lettered, counts.rows), (3, 3, 3));
    let report = house.deliveries.audit(None).await.unwrap();
    assert!(report.balanced(), "{report:?}");
    assert_eq!(report.deliveries[0].objects.rows, 3);
}

#[tokio::test]
async fn a_table_that_is_gone_is_waited_for_and_a_new_schema_planned_upon() {
    let house = House::new().await;
    house.table().await;
    let delivery = house.direct(converting()).await;
    house.catalog.delete_table(&table_key()).await.unwrap();
    house.deliveries.put(&delivery, vec![card("1", "2026-01-01")], None).await.unwrap();
    let runner = house.runner(&delivery);
    let error = runner.step().await.unwrap_err();
    assert!(matches!(&error, RunError::Waiting(why) if why.contains("table db.t")), "{error}");
    assert!(runner.recovered().now_or_never().is_none());
    let mut wider = table();
    wider.storage.columns.push(column("time", "string"));
    house.catalog.create_table(wider).await.unwrap();
    runner.recovered().await;
    house.drain(&delivery).await;
    assert_eq!(house.parquet_rows("raw/").await, 1);
    assert_eq!(house.partitions().await.len(), 1);
}

#[tokio::test]
async fn a_database_that_is_not_there_is_noticed_when_it_comes() {
    let house = House::new().await;
    let delivery = house.direct(converting()).await;
    house.deliveries.put(&delivery, vec![card("1", "2026-01-01")], None).await.unwrap();
    let runner = house.runner(&delivery);
    assert!(matches!(runner.step().await, Err(RunError::Waiting(_))));
    assert!(runner.recovered().now_or_never().is_none());
    house.database().await;
    runner.recovered().await;
    assert!(matches!(runner.step().await, Err(RunError::Waiting(_))));
    house.catalog.create_table(table()).await.unwrap();
    runner.recovered().await;
    assert!(runner.step().await.unwrap());
    assert_eq!(house.parquet_rows("raw/").await, 1);
}

#[tokio::test]
async fn rows_are_appended_to_their_partitions_in_one_commit() {
    let house = House::new().await;
    let table = house.table().await;
    let write = house
        .write("w1", TableTarget::Append((*table).clone()), &[(1, "a"), (2, "b"), (3, "a/b")])
        .await
        .unwrap();
    assert!(house.objects("raw/").await.is_empty());
    let written = write.commit(None).await.unwrap();
    assert_eq!((written.rows, written.objects.len(), written.partitions_added), (3, 3, 3));
    assert_eq!(house.parquet_rows("raw/").await, 3);
    assert!(house.objects("raw/").await.iter().all(|object| object.lsn == written.lsn));
    let folders: Vec<String> = house.partitions().await.into_iter().map(|p| p.1).collect();
    assert_eq!(folders, ["s3://bucket/raw/day=a/", "s3://bucket/raw/day=a%2Fb/", "s3://bucket/raw/day=b/"]);
}

#[tokio::test]
async fn a_write_that_is_repeated_is_the_same_write() {
    let house = House::new().await;
    let table = (*house.table().await).clone();
    let first = house.write("w", TableTarget::Append(table.clone()), &[(1, "a")]).await.unwrap();
    // Begun before the first was committed, and after it.
    let racing = house.write("w", TableTarget::Append(table.clone()), &[(1, "a")]).await.unwrap();
    let written = first.commit(None).await.unwrap();
    assert_eq!(racing.commit(None).await.unwrap(), written);
    let later = house.write("w", TableTarget::Append(table), &[(1, "a")]).await.unwrap();
    assert_eq!(later.commit(None).await.unwrap(), written);
    assert_eq!(house.parquet_rows("raw/").await, 1);
}

#[tokio::test]
async fn replacing_removes_what_was_in_the_touched_partitions_alone() {
    let house = House::new().await;
    let table = (*house.table().await).clone();
    let rows = [(1, "a"), (2, "b"), (3, "b")];
    house.write("w1", TableTarget::Append(table.clone()), &rows).await.unwrap().commit(None).await.unwrap();
    let write = house.write("w2", TableTarget::Replace(table), &[(9, "b")]).await.unwrap();
    assert_eq!(house.parquet_rows("raw/day=b/").await, 2);
    let written = write.commit(None).await.unwrap();
    assert_eq!(written.partitions_added, 0);
    assert_eq!(house.parquet_rows("raw/day=a/").await, 1);
    assert_eq!(house.parquet_rows("raw/day=b/").await, 1);
}

#[tokio::test]
async fn a_table_is_created_with_its_rows_or_not_at_all() {
    let house = House::new().await;
    house.database().await;
    let write = house.write("w", TableTarget::Create(table()), &[(1, "a")]).await.unwrap();
    assert!(house.catalog.table(&table_key()).await.is_err());
    write.commit(None).await.unwrap();
    assert_eq!(house.partitions().await.len(), 1);
    let again = house.write("other", TableTarget::Create(table()), &[(1, "a")]).await.unwrap();
    assert!(matches!(again.commit(None).await, Err(TableWriteError::Invalid(_))));
}

#[tokio::test]
async fn a_bookmark_moves_once_from_where_it_was() {
    let house = House::new().await;
    let store: Arc<dyn Store> = house.faults.clone();
    let table = (*house.table().await).clone();
    let mark = |from, to| Some(Bookmark { name: "job".into(), from: Lsn(from), to: Lsn(to) });
    let write = house.write("w1", TableTarget::Append(table.clone()), &[(1, "a")]).await.unwrap();
    write.commit(mark(0, 7)).await.unwrap();
    assert_eq!(bookmark(&store, "job").await.unwrap(), Lsn(7));
    let stale = house.write("w2", TableTarget::Append(table.clone()), &[(2, "a")]).await.unwrap();
    assert!(matches!(stale.commit(mark(0, 9)).await, Err(TableWriteError::Changed(_))));
    assert_eq!(house.parquet_rows("raw/").await, 1);
    reset_bookmark(&store, "job").await.unwrap();
    assert_eq!(bookmark(&store, "job").await.unwrap(), Lsn(0));
}

#[tokio::test]
async fn a_schema_that_changed_meanwhile_refuses_the_write() {
    let house = House::new().await;
    let table = (*house.table().await).clone();
    let write = house.write("w", TableTarget::Append(table), &[(1, "a")]).await.unwrap();
    house.catalog.delete_table(&table_key()).await.unwrap();
    assert!(matches!(write.commit(None).await, Err(TableWriteError::Changed(_))));
    assert!(house.objects("raw/").await.is_empty());
}
