//! One write into a table: files, partitions, (for CTAS) the table itself and (for jobs) the
//! bookmark, in one commit.
//!
//! Rows are split by partition as they come, written to files under one memory budget, and their
//! bodies made durable; none of that is visible. [`TableWrite::commit`] then names all of it at
//! once, beside a fact `write/<id>` that holds the outcome.
//!
//! **Invariants.** A write id commits at most once: whoever commits it again gets the first
//! outcome. Readers of the table see all of a write or nothing of it.
//!
//! **Failure.** A crash before the commit leaves bodies that are swept. A crash after it leaves
//! the outcome, found by the next run with the same id before it writes anything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use headwater_base::Timestamp;
use headwater_catalog::{Catalog, CatalogError, Partition, Table};
use headwater_objects::{
    Attributes, Bucket, BucketName, ListQuery, Listed, ObjectError, ObjectInfo, ObjectKey, Objects,
};
use headwater_store::{Commit, CommitError, Key, Lsn, StoreError};
use headwater_tables::path::partition_path;
use headwater_tables::write::WriteError;
use headwater_work::Work;

use crate::bookmark::{self, BookmarkStep};
use crate::output::{ClosedFile, FileSet, Form, Limits, StagedFile, Uploads};
use crate::records::write::WriteRecord;
use crate::records::{BadRecord, Record as _, keys};
use crate::rows::{PartitionSplit, location_of, table_format};

/// What open files of one write may hold in memory.
const MEMORY_BYTES: u64 = 64 << 20;
/// The size at which a file is ended and the next begun.
const FILE_BYTES: u64 = 128 << 20;
/// How often a commit is tried against unrelated changes before the write gives up.
const COMMIT_TRIES: u32 = 16;
/// The largest commit the store takes.
const COMMIT_BYTES_MAX: usize = 8 << 20;
/// Object names kept in the stored outcome, in bytes.
const OUTCOME_NAMES_BYTES_MAX: usize = 96 << 10;
/// Objects are listed in pages of this many.
const PAGE: usize = 1000;

/// Where rows go.
#[derive(Clone, Debug)]
pub enum TableTarget {
    /// Into a table that exists; it must still have this schema id at the commit.
    Append(Table),
    /// Into a table that the same commit creates.
    Create(Table),
    /// Into a table whose present objects the same commit removes (INSERT OVERWRITE of a job's
    /// output, partition by partition where the table has partitions).
    Replace(Table),
}

impl TableTarget {
    fn table(&self) -> &Table {
        match self {
            Self::Append(table) | Self::Create(table) | Self::Replace(table) => table,
        }
    }
}

/// A job's place in its incremental input: objects with an LSN in `(from, to]` were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bookmark {
    /// The bookmark's name.
    pub name: String,
    /// Where the last run ended; the commit expects it unchanged. `Lsn(0)` at first.
    pub from: Lsn,
    /// Where this run ends.
    pub to: Lsn,
}

/// What a write did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Rows written.
    pub rows: u64,
    /// Objects written, as `s3://bucket/key`. When a write is found already committed, as many of
    /// them as its stored outcome could hold (some 900).
    pub objects: Vec<String>,
    /// Partitions that were not there before.
    pub partitions_added: u64,
    /// The commit.
    pub lsn: Lsn,
}

/// Why a write did not happen. Nothing of it is visible then.
#[derive(Debug, thiserror::Error)]
pub enum TableWriteError {
    /// The table or bucket was dropped or changed, or the bookmark moved: plan again.
    #[error("{0} changed meanwhile")]
    Changed(String),
    /// The rows don't fit the table, or its location is not ours to write.
    #[error("{0}")]
    Invalid(String),
    /// The node failed.
    #[error("{0}")]
    Failed(String),
}

impl From<StoreError> for TableWriteError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<BadRecord> for TableWriteError {
    fn from(error: BadRecord) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<WriteError> for TableWriteError {
    fn from(error: WriteError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<ObjectError> for TableWriteError {
    fn from(error: ObjectError) -> Self {
        if matches!(error, ObjectError::NoSuchBucket(_) | ObjectError::Invalid(_)) {
            Self::Invalid(error.to_string())
        } else {
            Self::Failed(error.to_string())
        }
    }
}

impl From<CatalogError> for TableWriteError {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::NotFound(what) | CatalogError::Changed(what) => Self::Changed(what),
            CatalogError::Exists(_) | CatalogError::Invalid(_) => Self::Invalid(error.to_string()),
            CatalogError::Throttled(_) | CatalogError::Store(_) | CatalogError::Commit(_) => {
                Self::Failed(error.to_string())
            }
        }
    }
}

/// An open write. Dropping it leaves nothing behind but bodies that are swept.
#[derive(Debug)]
pub struct TableWrite {
    intent: Intent,
    split: PartitionSplit,
    files: Option<FileSet>,
    uploads: Uploads,
    /// The outcome, when this id was committed before.
    earlier: Option<Written>,
}

/// Who is said to have written, in the events of the bucket.
const WRITER: &str = "athena.amazonaws.com";

/// What is to be committed, apart from the files. Shared across threads while it is committed,
/// which open files can't be.
#[derive(Debug)]
struct Intent {
    catalog: Catalog,
    objects: Objects,
    id: String,
    target: TableTarget,
    place: Place,
    began: Timestamp,
    rows: u64,
}

#[derive(Clone, Debug)]
struct Place {
    bucket: BucketName,
    prefix: String,
    extension: &'static str,
}

impl TableWrite {
    /// Begins a write. `id` names it: object names derive from it, and a write committed once is
    /// not committed again (the second returns the first's outcome). `schema` is the rows' schema,
    /// partition columns last.
    pub async fn begin(
        catalog: &Catalog,
        objects: &Objects,
        id: &str,
        target: TableTarget,
        schema: SchemaRef,
    ) -> Result<Self, TableWriteError> {
        let table = target.table();
        let (bucket, prefix) = location_of(&table.storage.location)
            .map_err(|why| TableWriteError::Invalid(format!("table {}: {why}", table.key.table)))?;
        let found = objects.bucket(&bucket).await?;
        if found.owner != table.key.scope.account {
            let why = format!("bucket {:?} belongs to another account", bucket.as_str());
            return Err(TableWriteError::Invalid(why));
        }
        let (format, extension) = table_format(table).map_err(TableWriteError::Invalid)?;
        let split = PartitionSplit::new(&schema, &table.partition_keys).map_err(TableWriteError::Invalid)?;
        let limits = Limits { memory_bytes: MEMORY_BYTES, file_bytes: FILE_BYTES };
        let form = Form::Rows { schema: split.file_schema(), format };
        let earlier = outcome(objects, id).await?;
        let intent = Intent {
            catalog: catalog.clone(),
            objects: objects.clone(),
            id: id.to_owned(),
            place: Place { bucket, prefix, extension },
            began: objects.seams().clock.now(),
            rows: 0,
            target,
        };
        let files = Some(FileSet::new(form, false, limits));
        Ok(Self { intent, split, files, uploads: Uploads::new(objects.clone(), found), earlier })
    }

    /// Adds rows; splits them by partition.
    pub async fn write(&mut self, batch: RecordBatch) -> Result<(), TableWriteError> {
        if self.earlier.is_some() || batch.num_rows() == 0 {
            return Ok(());
        }
        self.intent.rows += batch.num_rows() as u64;
        let mut files = self.files.take().ok_or_else(|| broken("an earlier batch failed"))?;
        let (split, arrived) = (self.split.clone(), self.intent.began);
        let (files, emits) = Work::blocking(move || {
            for (group, rows) in split.groups(&batch).map_err(TableWriteError::Invalid)? {
                files.rows(&group, &rows, arrived)?;
            }
            let emits = files.settle()?;
            Ok::<_, TableWriteError>((files, emits))
        })
        .await?;
        self.files = Some(files);
        Ok(self.uploads.take(emits).await?)
    }

    /// Makes everything visible at once.
    pub async fn commit(mut self, bookmark: Option<Bookmark>) -> Result<Written, TableWriteError> {
        if let Some(earlier) = self.earlier.take() {
            return Ok(earlier);
        }
        let files = self.files.take().ok_or_else(|| broken("an earlier batch failed"))?;
        let emits = Work::blocking(move || files.finish()).await?;
        self.uploads.take(emits).await?;
        let Self { intent, uploads, .. } = self;
        let staged = uploads.finish();
        for _ in 0..COMMIT_TRIES {
            if let Some(written) = intent.try_commit(&staged, bookmark.as_ref()).await? {
                return Ok(written);
            }
        }
        Err(TableWriteError::Changed(format!("table {} or its bucket", intent.target.table().key.table)))
    }
}

impl Intent {
    /// One try. `None` means that something unrelated moved: try again.
    async fn try_commit(
        &self,
        staged: &[StagedFile],
        bookmark: Option<&Bookmark>,
    ) -> Result<Option<Written>, TableWriteError> {
        if let Some(earlier) = outcome(&self.objects, &self.id).await? {
            return Ok(Some(earlier));
        }
        let mut commit = Commit::new().expect_absent(keys::write(&self.id));
        let table = self.stage_table(&mut commit).await?;
        let touched: BTreeSet<Vec<String>> =
            staged.iter().map(|file| file.closed.group.values.clone()).collect();
        let known = self.known_partitions(&table, &touched).await?;
        let places = self.places(&table, &touched, &known);
        let bucket = self.objects.bucket(&self.place.bucket).await?;
        let bucket = bucket.for_service(WRITER, &self.id);
        if matches!(self.target, TableTarget::Replace(_)) {
            self.stage_removals(&mut commit, &bucket, &places).await?;
        }
        let objects = self.stage_objects(&mut commit, &bucket, staged, &places).await?;
        for (values, prefix) in &places {
            if !values.is_empty() && !known.contains_key(values) {
                self.catalog.stage_partition(&mut commit, &table, &self.partition(&table, values, prefix));
            }
        }
        let partitions_added =
            places.keys().filter(|v| !v.is_empty() && !known.contains_key(*v)).count() as u64;
        if let Some(bookmark) = bookmark {
            self.stage_bookmark(&mut commit, bookmark).await?;
        }
        let record = self.outcome_record(partitions_added, &objects);
        commit.stage(|c| c.put(keys::write(&self.id), record.to_value()));
        self.submit(commit, Written { rows: self.rows, objects, partitions_added, lsn: Lsn(0) }).await
    }

    async fn submit(&self, commit: Commit, written: Written) -> Result<Option<Written>, TableWriteError> {
        let size = commit.size();
        if size > COMMIT_BYTES_MAX {
            return Err(TableWriteError::Invalid(format!(
                "the write touches too many objects for one commit ({size} of at most {COMMIT_BYTES_MAX} bytes): \
                 write fewer partitions at a time"
            )));
        }
        match self.objects.store().commit(commit).await {
            Ok(committed) => Ok(Some(Written { lsn: committed.lsn, ..written })),
            Err(CommitError::Conflict(_)) => Ok(None),
            Err(CommitError::Busy) => {
                let seams = self.objects.seams();
                seams.clock.sleep(seams.chance.jitter(BUSY_WAIT)).await;
                Ok(None)
            }
            Err(error) => Err(TableWriteError::Failed(error.to_string())),
        }
    }

    /// The table as the commit will find it, checked or created by the commit.
    async fn stage_table(&self, commit: &mut Commit) -> Result<Arc<Table>, TableWriteError> {
        match &self.target {
            TableTarget::Create(table) => Ok(self.catalog.stage_create_table(commit, table.clone()).await?),
            TableTarget::Append(table) | TableTarget::Replace(table) => {
                let now = self.catalog.table(&table.key).await?;
                if (now.incarnation, now.schema_id) != (table.incarnation, table.schema_id) {
                    return Err(TableWriteError::Changed(format!("table {}", table.key.table)));
                }
                self.catalog.stage_expect_table(commit, &now);
                Ok(now)
            }
        }
    }

    /// The partitions among `touched` that are there already.
    async fn known_partitions(
        &self,
        table: &Table,
        touched: &BTreeSet<Vec<String>>,
    ) -> Result<BTreeMap<Vec<String>, Partition>, TableWriteError> {
        let mut known = BTreeMap::new();
        if table.partition_keys.is_empty() || matches!(self.target, TableTarget::Create(_)) {
            return Ok(known);
        }
        for values in touched {
            match self.catalog.partition(table, values).await {
                Ok(partition) => known.insert(values.clone(), partition),
                Err(CatalogError::NotFound(_)) => None,
                Err(error) => return Err(error.into()),
            };
        }
        Ok(known)
    }

    /// For each touched partition the prefix its objects have in the bucket. A partition that
    /// exists keeps its own place if that lies in the table's bucket.
    fn places(
        &self,
        table: &Table,
        touched: &BTreeSet<Vec<String>>,
        known: &BTreeMap<Vec<String>, Partition>,
    ) -> BTreeMap<Vec<String>, String> {
        let columns: Vec<&str> = table.partition_keys.iter().map(|column| column.name.as_str()).collect();
        let mut places: BTreeMap<Vec<String>, String> = touched
            .iter()
            .map(|values| {
                let own = known.get(values).and_then(|p| location_of(&p.storage.location).ok());
                let prefix = match own {
                    Some((bucket, prefix)) if bucket == self.place.bucket => prefix,
                    _ => {
                        let texts: Vec<&str> = values.iter().map(String::as_str).collect();
                        format!("{}{}", self.place.prefix, partition_path(&columns, &texts))
                    }
                };
                (values.clone(), prefix)
            })
            .collect();
        if columns.is_empty() {
            // An unpartitioned table is touched as a whole, also by no rows.
            places.insert(Vec::new(), self.place.prefix.clone());
        }
        places
    }

    async fn stage_removals(
        &self,
        commit: &mut Commit,
        bucket: &Bucket,
        places: &BTreeMap<Vec<String>, String>,
    ) -> Result<(), TableWriteError> {
        for prefix in places.values() {
            let mut after = None;
            loop {
                let query = ListQuery { prefix: prefix.clone(), delimiter: None, after, limit: PAGE };
                let page = self.objects.list(bucket, &query).await?;
                after = None;
                for entry in page.entries {
                    let Listed::Object(object) = entry else { continue };
                    self.stage_removal(commit, bucket, &object).await?;
                    after = Some(object.key.as_str().to_owned());
                }
                if !page.truncated || after.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn stage_removal(
        &self,
        commit: &mut Commit,
        bucket: &Bucket,
        object: &ObjectInfo,
    ) -> Result<(), TableWriteError> {
        self.objects.stage_delete(commit, bucket, object).await?;
        if commit.size() > COMMIT_BYTES_MAX {
            let why =
                "there are too many objects to replace in one commit: replace fewer partitions at a time";
            return Err(TableWriteError::Invalid(why.to_owned()));
        }
        Ok(())
    }

    async fn stage_objects(
        &self,
        commit: &mut Commit,
        bucket: &Bucket,
        staged: &[StagedFile],
        places: &BTreeMap<Vec<String>, String>,
    ) -> Result<Vec<String>, TableWriteError> {
        let mut names = Vec::with_capacity(staged.len());
        for file in staged {
            let prefix = places.get(&file.closed.group.values).map_or("", String::as_str);
            let key = format!("{prefix}{}", self.file_name(prefix, &file.closed));
            let key = ObjectKey::new(&key).map_err(|error| TableWriteError::Invalid(error.to_string()))?;
            let attributes = self.attributes(file);
            self.objects.stage_put(commit, bucket, &key, &file.body, attributes, self.began).await?;
            names.push(format!("s3://{}/{}", bucket.name.as_str(), key.as_str()));
        }
        Ok(names)
    }

    /// A name that only this write, partition and ordinal have.
    fn file_name(&self, prefix: &str, closed: &ClosedFile) -> String {
        let name = format!("{}\n{prefix}\n{}", self.id, closed.ordinal);
        let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes());
        format!("part-{:05}-{id}{}", closed.ordinal, self.place.extension)
    }

    fn attributes(&self, file: &StagedFile) -> Attributes {
        let mut system = BTreeMap::from([
            ("write".to_owned(), self.id.clone()),
            ("rows".to_owned(), file.closed.rows.to_string()),
        ]);
        if let Some(digest) = &file.body.sha256 {
            system.insert("sha256".to_owned(), digest.clone());
        }
        Attributes {
            content_type: Some("application/octet-stream".to_owned()),
            system,
            ..Attributes::default()
        }
    }

    fn partition(&self, table: &Table, values: &[String], prefix: &str) -> Partition {
        let location = format!("s3://{}/{prefix}", self.place.bucket.as_str());
        let mut storage = table.storage.clone();
        storage.location = location;
        Partition { values: values.to_vec(), storage, parameters: BTreeMap::new(), created: self.began }
    }

    async fn stage_bookmark(&self, commit: &mut Commit, bookmark: &Bookmark) -> Result<(), TableWriteError> {
        match bookmark::stage(self.objects.store(), commit, bookmark, self.began).await? {
            BookmarkStep::Staged => Ok(()),
            BookmarkStep::Moved => Err(TableWriteError::Changed(format!("bookmark {}", bookmark.name))),
        }
    }

    fn outcome_record(&self, partitions_added: u64, objects: &[String]) -> WriteRecord {
        let mut room = OUTCOME_NAMES_BYTES_MAX;
        let fits = |name: &&String| {
            let fits = name.len() + 5 <= room;
            room = room.saturating_sub(name.len() + 5);
            fits
        };
        WriteRecord {
            rows: self.rows,
            partitions_added,
            object_count: objects.len() as u64,
            objects: objects.iter().take_while(fits).cloned().collect(),
            at_ms: self.began.ms(),
        }
    }
}

/// How long a busy store is left alone.
const BUSY_WAIT: std::time::Duration = std::time::Duration::from_millis(50);

/// The outcome of the write `id`, if it was committed.
async fn outcome(objects: &Objects, id: &str) -> Result<Option<Written>, TableWriteError> {
    let key: Key = keys::write(id);
    let Some(fact) = objects.store().get(&key).await? else { return Ok(None) };
    let record = WriteRecord::from_value(&fact.value)?;
    Ok(Some(Written {
        rows: record.rows,
        objects: record.objects,
        partitions_added: record.partitions_added,
        lsn: fact.version,
    }))
}

fn broken(why: &str) -> TableWriteError {
    TableWriteError::Failed(why.to_owned())
}
