//! A catalog, objects and an engine over the in-memory store, and a few tables.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use bytes::Bytes;
use futures::StreamExt;
use headwater_base::{AccountId, Caller, Scope, Seams, Timestamp};
use headwater_blob::memory::MemoryBlobs;
use headwater_catalog::{
    Catalog, Database, Incremental, QueryEngine, QueryError, QueryOutcome, QueryRequest,
};
use headwater_objects::{Attributes, Bucket, BucketName, ListQuery, Listed, ObjectKey, Objects};
use headwater_query::{Options, Query};
use headwater_tables::write::{FileWriter, Format, ParquetCompression};

/// The account of the tests.
pub fn account() -> AccountId {
    "000000000001".parse().unwrap()
}

/// Everything a statement needs.
pub struct Lake {
    pub objects: Objects,
    pub engine: Arc<dyn QueryEngine>,
    pub bucket: Arc<Bucket>,
    pub scope: Scope,
    seams: Seams,
    _spill: tempfile::TempDir,
}

/// What a statement gave, as text.
#[derive(Debug, Default)]
pub struct Answer {
    pub columns: Vec<String>,
    pub rows: Vec<String>,
    pub scanned: u64,
    pub written: Option<u64>,
    pub manifest: Vec<String>,
    pub substatement: &'static str,
}

impl Lake {
    /// An empty database `db` and a bucket `lake`.
    pub async fn new() -> Self {
        let seams = Seams::simulated(Timestamp::from_ms(1_767_225_600_000), 7);
        let store = headwater_store::memory::open(seams.clone());
        let blobs = Arc::new(MemoryBlobs::new(seams.clone()));
        let objects = Objects::without_sweep(Arc::clone(&store), blobs, seams.clone());
        let catalog = Catalog::new(Arc::clone(&store), seams.clone());
        let spill = tempfile::tempdir().unwrap();
        let options = Options::new(spill.path().to_owned());
        let engine = Query::new(options, store, catalog.clone(), objects.clone(), seams.clone()).unwrap();
        let scope = Scope::new(account(), "eu-west-1".parse().unwrap());
        let bucket =
            objects.create_bucket(&BucketName::new("lake").unwrap(), account(), &scope.region).await.unwrap();
        let database = Database {
            name: "db".to_owned(),
            description: None,
            location: None,
            parameters: Default::default(),
            created: Timestamp::EPOCH,
        };
        catalog.create_database(&scope, database).await.unwrap();
        Self { objects, engine, bucket, scope, seams, _spill: spill }
    }

    /// The request for a statement, with an id of its own.
    pub fn request(&self, sql: &str) -> QueryRequest {
        QueryRequest {
            id: self.seams.chance.uuid().to_string(),
            scope: self.scope.clone(),
            caller: Caller {
                account: account(),
                access_key: "AK".to_owned(),
                user: "ada".to_owned(),
                canonical_id: "0".repeat(64),
            },
            database: "db".to_owned(),
            sql: sql.to_owned(),
            output_location: Some("s3://lake/results/".to_owned()),
            incremental: None,
        }
    }

    /// The same for a job that reads only what is new in `table`.
    pub fn incremental(&self, sql: &str, table: &str) -> QueryRequest {
        let incremental = Some(Incremental { table: table.to_owned(), bookmark: "job".to_owned() });
        QueryRequest { incremental, ..self.request(sql) }
    }

    /// Runs a statement.
    pub async fn run(&self, sql: &str) -> Result<Answer, QueryError> {
        self.run_request(self.request(sql)).await
    }

    /// Runs a request.
    pub async fn run_request(&self, request: QueryRequest) -> Result<Answer, QueryError> {
        collect(self.engine.execute(request).await?).await
    }

    /// Runs a statement that must succeed; its rows.
    pub async fn rows(&self, sql: &str) -> Vec<String> {
        match self.run(sql).await {
            Ok(answer) => answer.rows,
            Err(error) => panic!("{sql}\n{error}"),
        }
    }

    /// Runs a statement that must fail; its error.
    pub async fn error(&self, sql: &str) -> String {
        match self.run(sql).await {
            Ok(answer) => panic!("{sql}\nsucceeded: {answer:?}"),
            Err(error) => error.to_string(),
        }
    }

    /// Puts an object.
    pub async fn put(&self, key: &str, body: impl Into<Bytes>) {
        let key = ObjectKey::new(key).unwrap();
        self.objects.put_bytes(&self.bucket, &key, body.into(), Attributes::default()).await.unwrap();
    }

    /// Puts rows as a Parquet file.
    pub async fn put_parquet(&self, key: &str, rows: &RecordBatch) {
        let format = Format::Parquet(ParquetCompression::Snappy);
        let mut writer = FileWriter::new(rows.schema(), format).unwrap();
        writer.write(rows).unwrap();
        self.put(key, writer.finish().unwrap()).await;
    }

    /// The keys below a prefix.
    pub async fn keys(&self, prefix: &str) -> Vec<String> {
        let query = ListQuery { prefix: prefix.to_owned(), limit: 1000, ..ListQuery::default() };
        let listing = self.objects.list(&self.bucket, &query).await.unwrap();
        listing
            .entries
            .into_iter()
            .filter_map(|entry| match entry {
                Listed::Object(info) => Some(info.key.as_str().to_owned()),
                Listed::Prefix(_) => None,
            })
            .collect()
    }

    /// A table `flights` of JSON lines, partitioned by `day`, three rows a day on three days.
    pub async fn with_flights(self) -> Self {
        let ddl = "CREATE EXTERNAL TABLE flights (carrier string, delay int, at timestamp, price double)
            PARTITIONED BY (day string) ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
            LOCATION 's3://lake/flights/'";
        self.rows(ddl).await;
        for day in 1..=3 {
            let mut lines = String::new();
            for (n, carrier) in ["AA", "BB", "AA"].iter().enumerate() {
                let (delay, price) = (day * 10 + n, 1.5 * n as f64);
                lines += &format!(
                    "{{\"Carrier\":\"{carrier}\",\"delay\":{delay},\"at\":\"2026-01-0{day} 0{n}:30:00\",\"price\":{price}}}\n"
                );
            }
            self.put(&format!("flights/day=2026-01-0{day}/part-0.json"), lines).await;
        }
        self.rows("MSCK REPAIR TABLE flights").await;
        self
    }
}

async fn collect(mut outcome: QueryOutcome) -> Result<Answer, QueryError> {
    let mut answer = Answer {
        columns: outcome.schema.fields().iter().map(|field| field.name().clone()).collect(),
        written: outcome.rows_written,
        manifest: outcome.manifest.clone(),
        substatement: outcome.substatement,
        ..Answer::default()
    };
    while let Some(batch) = outcome.batches.next().await {
        let batch = batch?;
        assert_eq!(batch.schema(), outcome.schema, "batches have the schema that was promised");
        answer.rows.extend(texts(&batch));
    }
    answer.scanned = outcome.bytes_scanned.load(Ordering::Relaxed);
    Ok(answer)
}

/// The rows of a batch: cells with `|` between, null as `NULL`.
pub fn texts(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let columns: Vec<_> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap())
        .collect();
    (0..batch.num_rows())
        .map(|row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|"))
        .collect()
}
