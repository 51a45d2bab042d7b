//! The catalog over the in-memory store: what its verbs promise to faces and deliveries.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;

use headwater_base::{Scope, Seams, Timestamp};
use headwater_catalog::{
    Archive, Catalog, CatalogError, Column, Database, Partition, PartitionFilter, Segment, StorageDescriptor,
    Table, TableKey,
};
use headwater_store::{Commit, CommitError, Store};

struct Fixture {
    store: Arc<dyn Store>,
    catalog: Catalog,
    scope: Scope,
}

impl Fixture {
    async fn new() -> Self {
        let seams = Seams::simulated(Timestamp::from_ms(1_000_000), 7);
        let store = headwater_store::memory::open(seams.clone());
        let catalog = Catalog::new(Arc::clone(&store), seams);
        let scope = Scope::new("000000000001".parse().unwrap(), "eu-west-1".parse().unwrap());
        catalog.create_database(&scope, database("db")).await.unwrap();
        Self { store, catalog, scope }
    }

    fn key(&self, table: &str) -> TableKey {
        TableKey { scope: self.scope.clone(), database: "db".into(), table: table.into() }
    }

    fn table(&self, name: &str) -> Table {
        Table {
            key: self.key(name),
            incarnation: 0,
            schema_id: 0,
            version: 0,
            storage: StorageDescriptor {
                columns: vec![column("id", "bigint")],
                location: "s3://lake/t/".into(),
                ..StorageDescriptor::default()
            },
            partition_keys: vec![column("year", "string"), column("month", "int")],
            table_type: None,
            parameters: BTreeMap::new(),
            description: None,
            owner: None,
            created: Timestamp::EPOCH,
            updated: Timestamp::EPOCH,
            extra_json: None,
        }
    }

    async fn created(&self, name: &str) -> Arc<Table> {
        self.catalog.create_table(self.table(name)).await.unwrap()
    }

    async fn found(&self, table: &Table, expression: &str) -> Vec<String> {
        let found = self.catalog.partitions(table, expression, None, 1000).await.unwrap();
        found.into_iter().map(|p| p.values.join("/")).collect()
    }
}

fn database(name: &str) -> Database {
    Database {
        name: name.into(),
        description: None,
        location: None,
        parameters: BTreeMap::new(),
        created: Timestamp::EPOCH,
    }
}

fn column(name: &str, hive_type: &str) -> Column {
    Column { name: name.into(), hive_type: hive_type.into(), comment: None }
}

fn partition(values: &[&str]) -> Partition {
    let location = format!("s3://lake/t/{}/", values.join("/"));
    Partition {
        values: values.iter().map(|v| (*v).to_owned()).collect(),
        storage: StorageDescriptor {
            columns: vec![column("id", "bigint")],
            location,
            ..StorageDescriptor::default()
        },
        parameters: BTreeMap::new(),
        created: Timestamp::EPOCH,
    }
}

fn partitions(values: &[[&str; 2]]) -> Vec<Partition> {
    values.iter().map(|v| partition(v)).collect()
}

#[tokio::test]
async fn names_are_kept_in_lower_case() {
    let f = Fixture::new().await;
    let created = f.catalog.create_database(&f.scope, database("Sales")).await.unwrap();
    assert_eq!(created.name, "sales");
    assert!(f.catalog.database(&f.scope, "SALES").await.is_ok());
    assert!(matches!(
        f.catalog.create_database(&f.scope, database("sales")).await,
        Err(CatalogError::Exists(_))
    ));
    let table = f.created("Orders").await;
    assert_eq!(table.key.table, "orders");
    assert_eq!(f.catalog.table(&f.key("ORDERS")).await.unwrap(), table);
    assert!(matches!(f.catalog.create_table(f.table("oRders")).await, Err(CatalogError::Exists(_))));
}

#[tokio::test]
async fn listings_page_in_name_order() {
    let f = Fixture::new().await;
    for name in ["c", "a", "b"] {
        f.created(name).await;
    }
    let names = |tables: Vec<Arc<Table>>| tables.iter().map(|t| t.key.table.clone()).collect::<Vec<_>>();
    assert_eq!(names(f.catalog.tables(&f.scope, "db", None, 2).await.unwrap()), ["a", "b"]);
    assert_eq!(names(f.catalog.tables(&f.scope, "db", Some("b"), 2).await.unwrap()), ["c"]);
    assert!(matches!(f.catalog.tables(&f.scope, "nope", None, 2).await, Err(CatalogError::NotFound(_))));
    let found = f.catalog.databases(&f.scope, None, 10).await.unwrap();
    assert_eq!(found.len(), 1);
    let elsewhere = Scope::new(f.scope.account, "us-east-1".parse().unwrap());
    assert!(f.catalog.databases(&elsewhere, None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn updates_are_versions() {
    let f = Fixture::new().await;
    let first = f.created("t").await;
    let wider = Table {
        storage: StorageDescriptor {
            columns: vec![column("id", "bigint"), column("x", "double")],
            ..first.storage.clone()
        },
        ..first.as_ref().clone()
    };
    let second = f.catalog.update_table(wider.clone(), Some(0), Archive::Keep).await.unwrap();
    assert_eq!((second.version, second.schema_id, second.incarnation), (1, 1, first.incarnation));
    let stale = f.catalog.update_table(wider.clone(), Some(0), Archive::Keep).await;
    assert!(matches!(stale, Err(CatalogError::Changed(_))));
    let third = f.catalog.update_table(wider, None, Archive::Skip).await.unwrap();
    assert_eq!((third.version, third.schema_id), (2, 1));
    let versions = |tables: Vec<Arc<Table>>| tables.iter().map(|t| t.version).collect::<Vec<_>>();
    assert_eq!(versions(f.catalog.table_versions(&f.key("t"), None, 10).await.unwrap()), [2, 0]);
    assert_eq!(versions(f.catalog.table_versions(&f.key("t"), Some(2), 10).await.unwrap()), [0]);
    assert_eq!(f.catalog.table_version(&f.key("t"), 0).await.unwrap(), first);
    f.catalog.delete_table_version(&f.key("t"), 0).await.unwrap();
    assert!(matches!(f.catalog.table_version(&f.key("t"), 0).await, Err(CatalogError::NotFound(_))));
    assert!(f.catalog.delete_table_version(&f.key("t"), 2).await.is_err());
}

#[tokio::test]
async fn a_delivery_notices_schema_changes_and_drops_and_nothing_else() {
    let f = Fixture::new().await;
    let table = f.created("t").await;
    let deliver = async || {
        let mut commit = Commit::new();
        f.catalog.stage_expect_table(&mut commit, &table);
        f.catalog.stage_partition(&mut commit, &table, &partition(&["2026", "1"]));
        f.store.commit(commit).await
    };
    deliver().await.unwrap();
    deliver().await.expect("a partition that is there already changes nothing");
    let described = Table { description: Some("orders".into()), ..table.as_ref().clone() };
    f.catalog.update_table(described.clone(), None, Archive::Keep).await.unwrap();
    deliver().await.expect("a description does not concern deliveries");
    let mut retyped = described;
    retyped.storage.columns[0].hive_type = "string".into();
    f.catalog.update_table(retyped, None, Archive::Keep).await.unwrap();
    assert!(matches!(deliver().await, Err(CommitError::Conflict(_))));
    let table = f.catalog.table(&f.key("t")).await.unwrap();
    f.catalog.delete_table(&f.key("t")).await.unwrap();
    let mut commit = Commit::new();
    f.catalog.stage_expect_table(&mut commit, &table);
    f.catalog.stage_partition(&mut commit, &table, &partition(&["2026", "2"]));
    assert!(matches!(f.store.commit(commit).await, Err(CommitError::Conflict(_))));
}

#[tokio::test]
async fn what_is_created_again_starts_empty() {
    let f = Fixture::new().await;
    let table = f.created("t").await;
    f.catalog.create_partitions(&table.key, &partitions(&[["2026", "1"]])).await.unwrap();
    f.catalog.delete_table(&table.key).await.unwrap();
    assert!(matches!(f.catalog.table(&table.key).await, Err(CatalogError::NotFound(_))));
    let again = f.created("t").await;
    assert_ne!(again.incarnation, table.incarnation);
    assert!(f.found(&again, "").await.is_empty());
    f.catalog.create_partitions(&again.key, &partitions(&[["2026", "1"]])).await.unwrap();
    f.catalog.delete_database(&f.scope, "db").await.unwrap();
    f.catalog.create_database(&f.scope, database("db")).await.unwrap();
    assert!(f.catalog.tables(&f.scope, "db", None, 10).await.unwrap().is_empty());
    assert!(!f.catalog.sweep_dropped().await.unwrap(), "drops leave nothing to sweep");
}

#[tokio::test]
async fn partitions_are_created_found_changed_and_dropped() {
    let f = Fixture::new().await;
    let table = f.created("t").await;
    let all = partitions(&[["2025", "12"], ["2026", "1"], ["2026", "01"], ["2026", "2"], ["2026", "10"]]);
    let outcomes = f.catalog.create_partitions(&table.key, &all).await.unwrap();
    assert!(outcomes.iter().all(Result::is_ok));
    let outcomes =
        f.catalog.create_partitions(&table.key, &partitions(&[["2026", "2"], ["2026", "3"]])).await.unwrap();
    assert!(matches!(outcomes[0], Err(CatalogError::Exists(_))));
    assert!(outcomes[1].is_ok());
    let outcomes = f.catalog.create_partitions(&table.key, &[partition(&["2026"])]).await.unwrap();
    assert!(matches!(outcomes[0], Err(CatalogError::Invalid(_))));

    assert_eq!(f.found(&table, "year = '2026' and month = 1").await, ["2026/01", "2026/1"]);
    assert_eq!(f.found(&table, "month > 3").await, ["2025/12", "2026/10"]);
    assert_eq!(f.found(&table, "year >= '2026' and month in (2, 3)").await, ["2026/2", "2026/3"]);

    let moved = Partition {
        storage: StorageDescriptor { location: "s3://else/".into(), ..partition(&["2026", "4"]).storage },
        ..partition(&["2026", "4"])
    };
    f.catalog.update_partition(&table.key, &["2026".into(), "3".into()], &moved).await.unwrap();
    assert!(f.catalog.partition(&table, &["2026".into(), "3".into()]).await.is_err());
    let found = f.catalog.partition(&table, &["2026".into(), "4".into()]).await.unwrap();
    assert_eq!(found.storage, moved.storage);
    assert_eq!(found.created, Timestamp::from_ms(1_000_000));

    let outcomes = f
        .catalog
        .delete_partitions(&table.key, &[vec!["2026".into(), "4".into()], vec!["x".into(), "y".into()]])
        .await
        .unwrap();
    assert!(outcomes[0].is_ok());
    assert!(matches!(outcomes[1], Err(CatalogError::NotFound(_))));
    assert_eq!(f.found(&table, "").await.len(), 5);
}

#[tokio::test]
async fn partitions_page_and_split_into_segments() {
    let f = Fixture::new().await;
    let table = f.created("t").await;
    let months: Vec<Partition> = (0..100).map(|i| partition(&["2026", &i.to_string()])).collect();
    f.catalog.create_partitions(&table.key, &months).await.unwrap();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = f.catalog.partitions(&table, "month >= 10", after.as_ref(), 7).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.values.clone());
        seen.extend(page.into_iter().map(|p| p.values[1].parse::<u32>().unwrap()));
    }
    assert_eq!(seen, (10..100).collect::<Vec<u32>>());

    let filter = PartitionFilter::parse("", &table.partition_keys).unwrap();
    let mut total = 0;
    for number in 0..3 {
        let segment = Some(Segment { number, total: 3 });
        let share = f.catalog.partitions_page(&table, &filter, segment, None, 1000).await.unwrap();
        assert!(!share.is_empty());
        total += share.len();
    }
    assert_eq!(total, 100);
}

#[tokio::test]
async fn staged_creation_joins_the_callers_commit() {
    let f = Fixture::new().await;
    let mut commit = Commit::new();
    let table = f.catalog.stage_create_table(&mut commit, f.table("ctas")).await.unwrap();
    f.catalog.stage_partition(&mut commit, &table, &partition(&["2026", "1"]));
    assert!(f.catalog.table(&f.key("ctas")).await.is_err(), "nothing is visible before the commit");
    let mut rival = Commit::new();
    f.catalog.stage_create_table(&mut rival, f.table("ctas")).await.unwrap();
    f.store.commit(commit).await.unwrap();
    assert_eq!(f.found(&table, "").await, ["2026/1"]);
    assert!(matches!(f.store.commit(rival).await, Err(CommitError::Conflict(_))));
}

#[tokio::test]
async fn columns_have_distinct_names() {
    let f = Fixture::new().await;
    let mut table = f.table("t");
    table.storage.columns.push(column("Year", "int"));
    let refused = f.catalog.create_table(table).await.unwrap_err();
    assert_eq!(refused.to_string(), "Duplicate column name: year");
}
