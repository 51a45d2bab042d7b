//! What the ledger says of each object, against the object's own bytes; and objects that the ledger
//! does not know.
//!
//! A stranger is an object that says one of the delivery's plans wrote it and that no plan names: a
//! reader of the table would read its rows twice. Names are compared by the sum of their digests,
//! so a clean audit of any number of objects needs a few bytes; only where the sums differ is each
//! object looked up in its plan.

use std::io::Read as _;
use std::sync::Arc;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use futures::StreamExt as _;
use headwater_objects::{
    Bucket, BucketName, ListQuery, Listed, ObjectError, ObjectInfo, ObjectKey, ObjectReader,
};
use headwater_tables::infer::{parquet_footer_len, parquet_rows};
use sha2::{Digest as _, Sha256};

use super::{Books, NAMES_MAX, ObjectsAudit, StoredPlan, plan_objects};
use crate::engine::{DeliveryError, Inner, PAGE};
use crate::ledger::{CommittedObject, Counts};

/// Error objects larger than this are trusted by their digest alone.
const ERROR_OBJECT_BYTES_MAX: u64 = 64 << 20;

/// Reads the objects of plans.
pub(super) struct ObjectsTally<'a> {
    inner: &'a Inner,
    books: &'a Books,
    pub(super) found: ObjectsAudit,
    /// The objects of plans that are where strangers are looked for and say whose they are.
    own: Names,
}

/// A set of names, as far as needed to tell whether two are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Names {
    count: u64,
    sum: u128,
}

impl Names {
    fn add(&mut self, name: &str) {
        let digest = Sha256::digest(name.as_bytes());
        let mut number = [0; 16];
        number.copy_from_slice(&digest[..16]);
        self.count += 1;
        self.sum = self.sum.wrapping_add(u128::from_be_bytes(number));
    }
}

impl<'a> ObjectsTally<'a> {
    /// Nothing read yet.
    pub(super) fn new(inner: &'a Inner, books: &'a Books) -> Self {
        Self { inner, books, found: ObjectsAudit::default(), own: Names::default() }
    }

    /// The next plan's objects.
    pub(super) async fn add(&mut self, stored: &StoredPlan) -> Result<(), DeliveryError> {
        let (have, want) = (stored.objects.len(), stored.plan.objects);
        if have != want as usize {
            let plan = stored.plan.id;
            self.found.problem(format!("plan {plan}: {have} objects are recorded, {want} were written"));
        }
        for object in &stored.objects {
            self.audit_object(object).await?;
        }
        check_rows(stored, &mut self.found);
        Ok(())
    }

    /// Looks for strangers; then all is said.
    pub(super) async fn finish(mut self) -> Result<ObjectsAudit, DeliveryError> {
        if let Some(bucket) = self.destination().await? {
            let mut listed = Names::default();
            let mut claimed = Claims::new(&self, bucket.clone());
            while let Some(object) = claimed.next().await? {
                listed.add(object.key.as_str());
            }
            if listed != self.own {
                self.find_strangers(bucket).await?;
            }
        }
        Ok(self.found)
    }

    /// Reads one object and compares it with its record.
    async fn audit_object(&mut self, object: &CommittedObject) -> Result<(), DeliveryError> {
        let name = format!("s3://{}/{}", object.bucket, object.key);
        let Some(reader) = self.open(object).await? else {
            self.found.removed += 1;
            if self.found.removed_names.len() < NAMES_MAX {
                self.found.removed_names.push(name);
            }
            return Ok(());
        };
        let destination = &self.books.delivery.destination;
        let is_listed = object.bucket == destination.bucket.as_str()
            && object.key.starts_with(destination.prefix.literal_beginning());
        if is_listed && claims(&reader.info, self.books).is_some() {
            self.own.add(&object.key);
        }
        let found = &mut self.found;
        let digest = match digest(&reader).await {
            Ok(digest) => digest,
            Err(error) => {
                found.problem(format!("{name}: unreadable: {error}"));
                return Ok(());
            }
        };
        found.bytes += reader.info.size;
        if digest != object.sha256 || reader.info.size != object.size {
            found.problem(format!("{name}: is not as it was delivered (another body or a damaged one)"));
            return Ok(());
        }
        match count_rows(object, &reader).await {
            Ok(Some(rows)) if rows != object.rows => {
                found.problem(format!("{name}: holds {rows} rows, the ledger says {}", object.rows));
            }
            Ok(_) => {
                found.intact += 1;
                found.rows += if object.error { 0 } else { object.rows };
            }
            Err(why) => found.problem(format!("{name}: {why}")),
        }
        Ok(())
    }

    /// The object, if it is still there.
    async fn open(&self, object: &CommittedObject) -> Result<Option<ObjectReader>, DeliveryError> {
        let names =
            BucketName::new(&object.bucket).and_then(|bucket| Ok((bucket, ObjectKey::new(&object.key)?)));
        let (bucket, key) = names.map_err(|error| DeliveryError::Unreadable(error.to_string()))?;
        let opened = match self.inner.objects.bucket(&bucket).await {
            Ok(bucket) => self.inner.objects.open(&bucket, &key).await,
            Err(error) => Err(error),
        };
        match opened {
            Ok(reader) => Ok(Some(reader)),
            Err(ObjectError::NoSuchKey(_) | ObjectError::NoSuchBucket(_)) => Ok(None),
            Err(error) => Err(DeliveryError::Unreadable(error.to_string())),
        }
    }

    /// Where the delivery writes today, if it is there.
    async fn destination(&self) -> Result<Option<Arc<Bucket>>, DeliveryError> {
        match self.inner.objects.bucket(&self.books.delivery.destination.bucket).await {
            Ok(bucket) => Ok(Some(bucket)),
            Err(ObjectError::NoSuchBucket(_)) => Ok(None),
            Err(error) => Err(DeliveryError::Unreadable(error.to_string())),
        }
    }

    /// Looks up every object that says it is the delivery's own.
    async fn find_strangers(&mut self, bucket: Arc<Bucket>) -> Result<(), DeliveryError> {
        let store = &*self.inner.store;
        let delivery = self.books.delivery.incarnation;
        let mut strangers = Vec::new();
        let mut claimed = Claims::new(self, bucket.clone());
        // Objects of one plan tend to follow one another.
        let mut looked: Option<(u64, Vec<CommittedObject>)> = None;
        while let Some(object) = claimed.next().await? {
            let Some(number) = claims(&object, self.books) else { continue };
            let known = match looked.take() {
                Some((last, known)) if last == number => known,
                _ => plan_objects(store, delivery, number).await?,
            };
            let is_own =
                |own: &CommittedObject| own.bucket == bucket.name.as_str() && own.key == object.key.as_str();
            if !known.iter().any(is_own) && strangers.len() < NAMES_MAX {
                strangers.push(format!(
                    "s3://{}/{}: doubles delivered records",
                    bucket.name.as_str(),
                    object.key.as_str()
                ));
            }
            looked = Some((number, known));
        }
        strangers.into_iter().for_each(|stranger| self.found.problem(stranger));
        Ok(())
    }
}

/// The objects under a delivery's prefix that say one of its plans wrote them, a page at a time.
struct Claims<'a> {
    inner: &'a Inner,
    books: &'a Books,
    bucket: Arc<Bucket>,
    after: Option<String>,
    ended: bool,
    page: std::vec::IntoIter<ObjectInfo>,
}

impl<'a> Claims<'a> {
    fn new(tally: &ObjectsTally<'a>, bucket: Arc<Bucket>) -> Self {
        let page = Vec::new().into_iter();
        Self { inner: tally.inner, books: tally.books, bucket, after: None, ended: false, page }
    }

    async fn next(&mut self) -> Result<Option<ObjectInfo>, DeliveryError> {
        loop {
            if let Some(object) = self.page.find(|object| claims(object, self.books).is_some()) {
                return Ok(Some(object));
            }
            if self.ended {
                return Ok(None);
            }
            let prefix = self.books.delivery.destination.prefix.literal_beginning().to_owned();
            let query = ListQuery { prefix, delimiter: None, after: self.after.take(), limit: PAGE };
            let page = self.inner.objects.list(&self.bucket, &query).await;
            let page = page.map_err(|error| DeliveryError::Unreadable(error.to_string()))?;
            let objects: Vec<ObjectInfo> = page
                .entries
                .into_iter()
                .filter_map(|entry| match entry {
                    Listed::Object(object) => Some(object),
                    Listed::Prefix(_) => None,
                })
                .collect();
            self.after = objects.last().map(|object| object.key.as_str().to_owned());
            self.ended = !page.truncated || self.after.is_none();
            self.page = objects.into_iter();
        }
    }
}

/// The plan of these books that an object says wrote it.
fn claims(object: &ObjectInfo, books: &Books) -> Option<u64> {
    let said = |name: &str| object.attributes.system.get(name).and_then(|text| text.parse::<u64>().ok());
    // A plan that was committed after the books were read is none of theirs.
    let number = said("plan_number").filter(|number| *number < books.next_plan)?;
    (said("delivery") == Some(books.delivery.incarnation)).then_some(number)
}

/// The rows of a plan's objects are the rows its counts say.
fn check_rows(stored: &StoredPlan, found: &mut ObjectsAudit) {
    let rows_of =
        |error: bool| stored.objects.iter().filter(|o| o.error == error).map(|o| o.rows).sum::<u64>();
    let count =
        |of: fn(&Counts) -> u64| stored.plan.ranges.iter().map(|range| of(&range.counts)).sum::<u64>();
    let pairs = [
        ("rows", rows_of(false), count(|counts| counts.rows)),
        ("dead letters", rows_of(true), count(|counts| counts.dead_lettered + counts.further_letters)),
    ];
    for (what, objects, ledger) in pairs {
        if objects != ledger {
            found.problem(format!(
                "plan {}: its objects hold {objects} {what}, the ledger says {ledger}",
                stored.plan.id
            ));
        }
    }
}

async fn digest(reader: &ObjectReader) -> Result<String, ObjectError> {
    let mut hash = Sha256::new();
    let mut pieces = reader.stream(0..reader.info.size);
    while let Some(piece) = pieces.next().await {
        hash.update(&piece?);
    }
    Ok(hex::encode(hash.finalize()))
}

/// Rows as counted in the object itself; `None` if its form can't tell.
async fn count_rows(object: &CommittedObject, reader: &ObjectReader) -> Result<Option<u64>, String> {
    let unreadable = |error: ObjectError| error.to_string();
    let size = reader.info.size;
    if object.error {
        if size > ERROR_OBJECT_BYTES_MAX {
            return Ok(None);
        }
        let body = reader.read(0..size).await.map_err(unreadable)?;
        return Ok(Some(count_lines(&body)?));
    }
    let tail = reader.read(size.saturating_sub(8)..size).await.map_err(unreadable)?;
    let Some(len) = parquet_footer_len(&tail) else { return Ok(None) };
    let end = size.saturating_sub(8);
    let footer = reader.read(end.saturating_sub(len)..end).await.map_err(unreadable)?;
    parquet_rows(&footer).map(Some).ok_or_else(|| "its Parquet footer is unreadable".to_owned())
}

fn count_lines(body: &Bytes) -> Result<u64, String> {
    let lines = |text: &[u8]| text.iter().filter(|byte| **byte == b'\n').count() as u64;
    if !body.starts_with(&[0x1F, 0x8B]) {
        return Ok(lines(body));
    }
    let mut decoder = MultiGzDecoder::new(&body[..]);
    let mut buffer = vec![0; 64 << 10];
    let mut count = 0;
    loop {
        match decoder.read(&mut buffer) {
            Ok(0) => return Ok(count),
            Ok(n) => count += lines(&buffer[..n]),
            Err(error) => return Err(format!("its gzip is unreadable: {error}")),
        }
    }
}
