//! The pipeline file: TOML, one section per kind of thing.
//!
//! ```toml
//! [[stream]]
//! name = "orders"
//! shards = 2
//!
//! [[bucket]]
//! name = "lake"
//!
//! [[table]]
//! database = "shop"
//! name = "orders"
//! location = "s3://lake/orders/"
//! columns = [["order_id", "string"], ["amount", "double"]]
//! partitions = [["day", "string"]]
//!
//! [[delivery]]
//! name = "orders-to-lake"
//! stream = "orders"
//! table = "shop.orders"
//! prefix = "orders/day=!{partitionKeyFromQuery:day}/"
//! error_prefix = "errors/!{firehose:error-output-type}/"
//! partition_keys = { day = ".order_time[0:10]" }
//! ```
//!
//! **Invariants.** An unknown member is an error that names it: a misspelt option is never ignored.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;

use super::glue;
use super::resource::Resource;
use super::stream;

/// Where the files are that a pipeline refers to.
#[derive(Clone, Debug)]
pub enum Files {
    /// In a folder: the pipeline file's.
    Folder(PathBuf),
    /// Within this program: name and text.
    BuiltIn(&'static [(&'static str, &'static str)]),
}

impl Default for Files {
    fn default() -> Self {
        Self::BuiltIn(&[])
    }
}

impl Files {
    /// The bytes of a file.
    pub fn read(&self, name: &Path) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                std::fs::read(&path).with_context(|| format!("reading {}", path.display()))
            }
            Self::BuiltIn(all) => {
                let found = all.iter().find(|(known, _)| Path::new(known) == name);
                let (_, text) = found.with_context(|| format!("{} is not built in", name.display()))?;
                Ok(text.as_bytes().to_vec())
            }
        }
    }
}

/// A whole pipeline.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pipeline {
    /// Streams.
    pub stream: Vec<Stream>,
    /// Buckets.
    pub bucket: Vec<Bucket>,
    /// Databases.
    pub database: Vec<Database>,
    /// Tables.
    pub table: Vec<Table>,
    /// Deliveries from a stream to a table or a bucket.
    pub delivery: Vec<Delivery>,
    /// Files to upload: the file (relative to the pipeline's) and where to.
    pub upload: Vec<Upload>,
    /// Crawlers.
    pub crawler: Vec<Crawler>,
    /// SQL jobs.
    pub job: Vec<Job>,
    /// Triggers.
    pub trigger: Vec<Trigger>,
}

/// A stream.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    /// Its name.
    pub name: String,
    /// How many shards it begins with.
    #[serde(default = "one")]
    pub shards: u32,
    /// How long records stay.
    #[serde(default = "a_day")]
    pub retention_hours: u32,
}

/// A bucket.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// Its name.
    pub name: String,
}

/// A database.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
}

/// How a table's files are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Parquet.
    Parquet,
    /// A JSON object on each line.
    Json,
    /// CSV with a header.
    Csv,
}

/// A table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The database it is in.
    pub database: String,
    /// Its name.
    pub name: String,
    /// Where its files are, `s3://bucket/prefix/`.
    pub location: String,
    /// How they are written.
    #[serde(default = "parquet")]
    pub format: Format,
    /// Columns: name and type.
    pub columns: Vec<(String, String)>,
    /// Partition columns: name and type.
    #[serde(default)]
    pub partitions: Vec<(String, String)>,
}

/// A delivery.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// Its name.
    pub name: String,
    /// The stream it reads; records are put to it directly when there is none.
    pub stream: Option<String>,
    /// The table it fills, `database.table`, in Parquet; without one the records go as they are to
    /// `bucket`.
    pub table: Option<String>,
    /// The bucket it writes to; with a table, the table's.
    pub bucket: Option<String>,
    /// Where in the bucket, with expressions.
    #[serde(default)]
    pub prefix: String,
    /// Where records go that do not fit, with expressions.
    #[serde(default = "errors")]
    pub error_prefix: String,
    /// Partition keys and the paths in a record that give their values.
    #[serde(default)]
    pub partition_keys: BTreeMap<String, String>,
    /// How long records are gathered at most.
    #[serde(default = "a_minute")]
    pub buffer_seconds: u32,
    /// How much is gathered at most.
    #[serde(default = "large")]
    pub buffer_mb: u32,
}

/// A file to upload.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upload {
    /// The file, relative to the pipeline file.
    pub file: PathBuf,
    /// Where to, `s3://bucket/key`.
    pub to: String,
    #[serde(skip)]
    pub(super) files: Files,
}

/// A crawler over S3.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crawler {
    /// Its name.
    pub name: String,
    /// The database its tables go to.
    pub database: String,
    /// What it crawls, `s3://bucket/prefix/`.
    pub path: String,
    /// What its tables' names begin with.
    #[serde(default)]
    pub table_prefix: String,
    /// When it runs by itself, `cron(…)`.
    #[serde(default)]
    pub schedule: String,
}

/// A job of SQL statements.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// The script, relative to the pipeline file.
    pub sql: PathBuf,
    /// Where the script is kept, `s3://bucket/key`.
    pub script: String,
    /// Arguments of every run, such as `--incremental-input`.
    #[serde(default)]
    pub arguments: BTreeMap<String, String>,
    #[serde(skip)]
    pub(super) files: Files,
}

/// What starts jobs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// Its name.
    pub name: String,
    /// The jobs it starts.
    pub jobs: Vec<String>,
    /// When, `cron(…)`; on demand without one.
    pub schedule: Option<String>,
}

fn one() -> u32 {
    1
}

fn a_day() -> u32 {
    24
}

fn a_minute() -> u32 {
    60
}

fn large() -> u32 {
    128
}

fn parquet() -> Format {
    Format::Parquet
}

fn errors() -> String {
    "errors/!{firehose:error-output-type}/".into()
}

impl Pipeline {
    /// Reads a pipeline file.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        Self::parse(&text, &Files::Folder(folder.to_owned()))
            .with_context(|| format!("in {}", path.display()))
    }

    /// Reads a pipeline that refers to `files`.
    pub fn parse(text: &str, files: &Files) -> anyhow::Result<Self> {
        let mut pipeline: Self = toml::from_str(text)?;
        for upload in &mut pipeline.upload {
            upload.files = files.clone();
        }
        for job in &mut pipeline.job {
            job.files = files.clone();
        }
        Ok(pipeline)
    }

    /// Everything in it, what others refer to first.
    pub(super) fn resources(&self) -> Vec<Box<dyn Resource>> {
        let mut all: Vec<Box<dyn Resource>> = Vec::new();
        all.extend(self.bucket.iter().cloned().map(|r| Box::new(r) as _));
        all.extend(self.stream.iter().cloned().map(|r| Box::new(r) as _));
        all.extend(self.database.iter().cloned().map(|r| Box::new(r) as _));
        all.extend(self.table.iter().cloned().map(|r| Box::new(r) as _));
        for delivery in self.delivery.iter().cloned() {
            let table =
                self.table.iter().find(|t| delivery.table.as_deref() == Some(&t.full_name())).cloned();
            all.push(Box::new(stream::ToStore { delivery, table }));
        }
        all.extend(self.upload.iter().cloned().map(|r| Box::new(r) as _));
        all.extend(self.crawler.iter().cloned().map(|r| Box::new(r) as _));
        for job in self.job.iter().cloned() {
            all.push(Box::new(glue::SqlJob(job)));
        }
        all.extend(self.trigger.iter().cloned().map(|r| Box::new(r) as _));
        all
    }
}

impl Table {
    /// `database.table`.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.database, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_member_is_named() {
        let error = Pipeline::parse("[[stream]]\nname = \"s\"\nshard = 2\n", &Files::default()).unwrap_err();
        assert!(format!("{error:#}").contains("shard"), "{error:#}");
    }

    #[test]
    fn defaults_are_what_the_documentation_says() {
        let text = "[[stream]]\nname = \"s\"\n[[delivery]]\nname = \"d\"\nbucket = \"b\"\n";
        let pipeline = Pipeline::parse(text, &Files::default()).unwrap();
        assert_eq!((pipeline.stream[0].shards, pipeline.stream[0].retention_hours), (1, 24));
        let delivery = &pipeline.delivery[0];
        assert_eq!((delivery.buffer_seconds, delivery.buffer_mb), (60, 128));
        assert!(delivery.error_prefix.contains("error-output-type"));
    }

    #[test]
    fn what_others_refer_to_comes_first() {
        let text =
            "[[trigger]]\nname = \"t\"\njobs = []\n[[stream]]\nname = \"s\"\n[[bucket]]\nname = \"b\"\n";
        let kinds: Vec<_> =
            Pipeline::parse(text, &Files::default()).unwrap().resources().iter().map(|r| r.kind()).collect();
        assert_eq!(kinds, ["bucket", "stream", "trigger"]);
    }
}
