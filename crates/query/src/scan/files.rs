//! The files of a query: looked up once, then the same for the query's whole life.
//!
//! **Invariants.** One location is listed at most once per query. A file is read as the object that
//! was listed (same LSN) or the query fails; it never mixes two bodies.
//!
//! **Failure.** The first [`PINNED_FILES_MAX`] files are opened, and so pinned, when they are
//! listed: they stay readable though they are deleted meanwhile. Further files are opened when
//! they are read; if one was replaced or removed by then, the query says so and fails.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use futures::stream::BoxStream;
use headwater_base::Caller;
use headwater_objects::{Bucket, ListQuery, Listed, ObjectError, ObjectInfo, ObjectReader, Objects};
use headwater_store::Lsn;
use tokio::sync::OnceCell;

use super::location::Location;
use crate::error::internal;
use headwater_catalog::QueryError;

/// How many files a query pins when it lists them; more are opened when read.
pub const PINNED_FILES_MAX: usize = 1024;
/// Entries asked for in one page of a listing.
const LIST_PAGE: usize = 1000;
/// The most files one query may read.
const FILES_MAX: usize = 2_000_000;

/// A range of object history, `from < lsn <= to`: what an incremental input reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// Objects up to this one were read before.
    pub from: Lsn,
    /// Objects after this one are for the next run.
    pub to: Lsn,
}

impl History {
    fn holds(&self, lsn: Lsn) -> bool {
        lsn > self.from && lsn <= self.to
    }
}

/// One file of the query.
#[derive(Debug)]
pub struct TableFile {
    objects: Objects,
    bucket: Arc<Bucket>,
    /// The object as listed.
    pub info: ObjectInfo,
    reader: OnceCell<ObjectReader>,
    scanned: Arc<AtomicU64>,
}

impl TableFile {
    /// The object's URL, for messages.
    pub fn url(&self) -> String {
        format!("s3://{}/{}", self.bucket.name.as_str(), self.info.key.as_str())
    }

    /// What identifies the body in caches.
    pub fn identity(&self) -> (String, Lsn) {
        (self.url(), self.info.lsn)
    }

    async fn reader(&self) -> Result<&ObjectReader, ObjectError> {
        self.reader
            .get_or_try_init(|| async {
                let reader = self.objects.open(&self.bucket, &self.info.key).await?;
                if reader.info.lsn == self.info.lsn {
                    Ok(reader)
                } else {
                    let url = self.url();
                    Err(ObjectError::Invalid(format!("{url} was replaced while the query ran; run it again")))
                }
            })
            .await
    }

    /// The bytes of `range`, counted as scanned.
    pub async fn read(&self, range: Range<u64>) -> Result<Bytes, ObjectError> {
        let bytes = self.reader().await?.read(range).await?;
        self.scanned.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes)
    }

    /// The whole body, in pieces; the caller counts what it takes with [`TableFile::count`].
    pub async fn stream(&self) -> Result<BoxStream<'static, Result<Bytes, ObjectError>>, ObjectError> {
        Ok(self.reader().await?.stream(0..self.info.size))
    }

    /// Counts bytes taken from [`TableFile::stream`].
    pub fn count(&self, bytes: usize) {
        self.scanned.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

type Cell = Arc<OnceCell<Arc<Vec<Arc<TableFile>>>>>;

/// The files of one query by location.
#[derive(Debug)]
pub struct Snapshot {
    objects: Objects,
    caller: Caller,
    scanned: Arc<AtomicU64>,
    pinned: AtomicUsize,
    listed: AtomicUsize,
    /// By location and the range of commits that is read.
    locations: std::sync::Mutex<HashMap<Listing, Cell>>,
}

/// What is listed once: a location, and the commits whose objects count, if not all.
type Listing = (Location, Option<(Lsn, Lsn)>);

impl Snapshot {
    /// No files yet. `scanned` counts every byte of table data read.
    pub fn new(objects: Objects, caller: Caller, scanned: Arc<AtomicU64>) -> Self {
        let locations = std::sync::Mutex::new(HashMap::new());
        Self { objects, caller, scanned, pinned: 0.into(), listed: 0.into(), locations }
    }

    /// The files under `location`, in key order, without hidden (`_…`, `.…`) and empty ones; with
    /// `history`, only those put in it.
    pub async fn files(
        &self,
        location: &Location,
        history: Option<History>,
    ) -> Result<Arc<Vec<Arc<TableFile>>>, QueryError> {
        let cell = {
            let mut locations = self.locations.lock().expect("no holder of this lock panics");
            let key = (location.clone(), history.map(|h| (h.from, h.to)));
            Arc::clone(locations.entry(key).or_default())
        };
        let files = cell.get_or_try_init(|| self.list(location, history)).await?;
        Ok(Arc::clone(files))
    }

    /// The bucket of a location, if the caller may read it.
    pub async fn bucket(&self, location: &Location) -> Result<Arc<Bucket>, QueryError> {
        let bucket =
            self.objects.bucket(&location.bucket).await.map_err(|error| object_error(&error, location))?;
        if bucket.owner != self.caller.account {
            let name = location.bucket.as_str();
            return Err(QueryError::User(format!(
                "PERMISSION_DENIED: Access denied when reading s3://{name}"
            )));
        }
        Ok(bucket)
    }

    async fn list(
        &self,
        location: &Location,
        history: Option<History>,
    ) -> Result<Arc<Vec<Arc<TableFile>>>, QueryError> {
        let bucket = self.bucket(location).await?;
        let mut files = Vec::new();
        let mut query =
            ListQuery { prefix: location.prefix.clone(), limit: LIST_PAGE, ..ListQuery::default() };
        loop {
            let page =
                self.objects.list(&bucket, &query).await.map_err(|error| object_error(&error, location))?;
            for entry in &page.entries {
                let Listed::Object(info) = entry else { continue };
                query.after = Some(info.key.as_str().to_owned());
                let wanted = history.is_none_or(|h| h.holds(info.lsn));
                if wanted && is_data(&location.prefix, info) {
                    files.push(self.file(&bucket, info.clone()).await?);
                }
            }
            if !page.truncated || page.entries.is_empty() {
                return Ok(Arc::new(files));
            }
        }
    }

    async fn file(&self, bucket: &Arc<Bucket>, info: ObjectInfo) -> Result<Arc<TableFile>, QueryError> {
        if self.listed.fetch_add(1, Ordering::Relaxed) >= FILES_MAX {
            return Err(QueryError::Resources(format!(
                "GENERIC_USER_ERROR: the query reads more than {FILES_MAX} files; compact them or add a filter"
            )));
        }
        let file = TableFile {
            objects: self.objects.clone(),
            bucket: Arc::clone(bucket),
            info,
            reader: OnceCell::new(),
            scanned: Arc::clone(&self.scanned),
        };
        if self.pinned.fetch_add(1, Ordering::Relaxed) < PINNED_FILES_MAX {
            file.reader().await.map_err(|error| split_error(&error, &file.url()))?;
        }
        Ok(Arc::new(file))
    }
}

/// Hidden files, folder markers and empty objects hold no rows.
fn is_data(prefix: &str, info: &ObjectInfo) -> bool {
    let key = info.key.as_str();
    let inside = key.strip_prefix(prefix).unwrap_or(key);
    info.size > 0 && !key.ends_with('/') && !inside.split('/').any(|part| part.starts_with(['_', '.']))
}

fn object_error(error: &ObjectError, location: &Location) -> QueryError {
    match error {
        ObjectError::NoSuchBucket(name) => QueryError::User(format!(
            "HIVE_FILESYSTEM_ERROR: bucket {name} of {} does not exist",
            location.url()
        )),
        other => internal(other),
    }
}

/// A file that could not be opened or read, in Athena's words.
pub fn split_error(error: &ObjectError, url: &str) -> QueryError {
    match error {
        ObjectError::NoSuchKey(_) | ObjectError::NoSuchBucket(_) => QueryError::User(format!(
            "HIVE_CANNOT_OPEN_SPLIT: Error opening Hive split {url}: the object was removed while the query ran"
        )),
        ObjectError::Archived(_) => QueryError::User(format!(
            "HIVE_CANNOT_OPEN_SPLIT: Error opening Hive split {url}: the operation is not valid for the object's \
             storage class"
        )),
        ObjectError::Invalid(reason) => {
            QueryError::User(format!("HIVE_CANNOT_OPEN_SPLIT: Error opening Hive split {url}: {reason}"))
        }
        other => internal(other),
    }
}
