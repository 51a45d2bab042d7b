//! The audit: recounts the ledger from what is stored, and the objects from their bytes.
//!
//! For each delivery, also deleted ones, it reads the ledger at one moment and checks that
//! - every shard's committed ranges tile `[start, position)` without gap or overlap;
//! - every shard's counts are the sum of its plans' counts, and account for every record read;
//! - every object of every plan is there with its digest, and holds the rows the ledger says (rows
//!   are read from Parquet footers and counted in error objects; other objects have their digest);
//! - no object claims to be this delivery's that the ledger does not know.
//!
//! Objects that users removed are listed apart and are no mismatch.
//!
//! **Failure.** Reads only; may run at any time beside deliveries. Costs a read of every delivered
//! byte.

use std::collections::{BTreeMap, HashSet};
use std::io::Read as _;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use futures::StreamExt as _;
use headwater_base::Scope;
use headwater_objects::{BucketName, ListQuery, Listed, ObjectError, ObjectInfo, ObjectKey, ObjectReader};
use headwater_store::{Direction, Key, KeyRange, Scanned, Snapshot, StoreError};
use headwater_tables::infer::{parquet_footer_len, parquet_rows};
use sha2::{Digest as _, Sha256};

use crate::definition::Delivery;
use crate::engine::{Deliveries, DeliveryError, Inner, PAGE, read_definition};
use crate::ledger::{CommittedObject, CommittedPlan, Counts, LedgerRow};
use crate::records::plan::{PlanObjectRecord, PlanRecord};
use crate::records::position::{HeadRecord, PositionRecord};
use crate::records::{BadRecord, Record as _, keys};

/// At most this many names are listed per kind of finding; the counts go on.
pub const NAMES_MAX: usize = 100;
/// Error objects larger than this are trusted by their digest alone.
const ERROR_OBJECT_BYTES_MAX: u64 = 64 << 20;

/// What an audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditReport {
    /// One entry per delivery, also of deleted ones.
    pub deliveries: Vec<DeliveryAudit>,
}

impl AuditReport {
    /// Whether every record is accounted for everywhere.
    pub fn balanced(&self) -> bool {
        self.deliveries.iter().all(DeliveryAudit::balanced)
    }
}

/// What an audit found about one delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryAudit {
    /// Account and region.
    pub scope: Scope,
    /// Its name.
    pub name: String,
    /// Its incarnation.
    pub incarnation: u64,
    /// Whether it was deleted.
    pub deleted: bool,
    /// Plans committed.
    pub plans: u64,
    /// By shard.
    pub shards: Vec<ShardAudit>,
    /// The objects.
    pub objects: ObjectsAudit,
}

impl DeliveryAudit {
    /// Whether ledger and objects agree.
    pub fn balanced(&self) -> bool {
        self.shards.iter().all(|shard| shard.problems.is_empty()) && self.objects.problems.is_empty()
    }
}

/// What an audit found about one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardAudit {
    /// Its line in the ledger.
    pub row: LedgerRow,
    /// What does not add up; empty when all is well.
    pub problems: Vec<String>,
}

/// What an audit found about a delivery's objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectsAudit {
    /// Objects that are as they were delivered.
    pub intact: u64,
    /// Rows in intact objects of delivered records.
    pub rows: u64,
    /// Bytes read.
    pub bytes: u64,
    /// How many were removed since.
    pub removed: u64,
    /// Some of those, as `s3://bucket/key`.
    pub removed_names: Vec<String>,
    /// What does not add up; empty when all is well.
    pub problems: Vec<String>,
}

/// One committed plan as stored.
struct StoredPlan {
    plan: CommittedPlan,
    objects: Vec<CommittedObject>,
}

/// All that the ledger says about a delivery at one moment.
struct Books {
    delivery: Delivery,
    deleted: bool,
    next_plan: u64,
    rows: Vec<LedgerRow>,
    plans: Vec<StoredPlan>,
}

impl Deliveries {
    /// Audits every delivery of the node, or of one scope.
    pub async fn audit(&self, scope: Option<&Scope>) -> Result<AuditReport, DeliveryError> {
        let mut report = AuditReport::default();
        for books in self.0.books(scope).await? {
            report.deliveries.push(self.0.audit_one(books).await?);
        }
        Ok(report)
    }
}

impl Inner {
    /// Reads the books of all deliveries at one moment.
    async fn books(&self, scope: Option<&Scope>) -> Result<Vec<Books>, DeliveryError> {
        let snapshot = self.store.snapshot().await?;
        let snapshot = snapshot.as_ref();
        let mut all = Vec::new();
        for (prefix, deleted) in [(keys::definitions(), false), (keys::all_closed(), true)] {
            for row in scan(snapshot, &prefix).await? {
                let delivery = read_definition(&row.fact.value)?;
                if scope.is_none_or(|scope| *scope == delivery.key.scope) {
                    all.push(read_books(snapshot, delivery, deleted).await?);
                }
            }
        }
        Ok(all)
    }

    async fn audit_one(&self, books: Books) -> Result<DeliveryAudit, DeliveryError> {
        let mut objects = ObjectsAudit::default();
        let mut known = HashSet::new();
        for stored in &books.plans {
            if stored.objects.len() != stored.plan.objects as usize {
                let (have, want) = (stored.objects.len(), stored.plan.objects);
                objects.problem(format!(
                    "plan {}: {have} objects are recorded, {want} were written",
                    stored.plan.id
                ));
            }
            for object in &stored.objects {
                known.insert((object.bucket.clone(), object.key.clone()));
                self.audit_object(object, &mut objects).await?;
            }
            check_rows(stored, &mut objects);
        }
        self.find_strangers(&books, &known, &mut objects).await?;
        Ok(DeliveryAudit {
            scope: books.delivery.key.scope.clone(),
            name: books.delivery.key.name.as_str().to_owned(),
            incarnation: books.delivery.incarnation,
            deleted: books.deleted,
            plans: books.plans.len() as u64,
            shards: audit_shards(&books),
            objects,
        })
    }

    /// Reads one object and compares it with its record.
    async fn audit_object(
        &self,
        object: &CommittedObject,
        found: &mut ObjectsAudit,
    ) -> Result<(), DeliveryError> {
        let name = format!("s3://{}/{}", object.bucket, object.key);
        let Some(reader) = self.open(object).await? else {
            found.removed += 1;
            if found.removed_names.len() < NAMES_MAX {
                found.removed_names.push(name);
            }
            return Ok(());
        };
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
        let opened = match self.objects.bucket(&bucket).await {
            Ok(bucket) => self.objects.open(&bucket, &key).await,
            Err(error) => Err(error),
        };
        match opened {
            Ok(reader) => Ok(Some(reader)),
            Err(ObjectError::NoSuchKey(_) | ObjectError::NoSuchBucket(_)) => Ok(None),
            Err(error) => Err(DeliveryError::Unreadable(error.to_string())),
        }
    }

    /// Looks for objects under the delivery's prefix that say they are its own and are not in its
    /// books: rows that would be read twice.
    async fn find_strangers(
        &self,
        books: &Books,
        known: &HashSet<(String, String)>,
        found: &mut ObjectsAudit,
    ) -> Result<(), DeliveryError> {
        let destination = &books.delivery.destination;
        let bucket = match self.objects.bucket(&destination.bucket).await {
            Ok(bucket) => bucket,
            Err(ObjectError::NoSuchBucket(_)) => return Ok(()),
            Err(error) => return Err(DeliveryError::Unreadable(error.to_string())),
        };
        let mut after: Option<String> = None;
        loop {
            let prefix = destination.prefix.literal_beginning().to_owned();
            let query = ListQuery { prefix, delimiter: None, after: after.take(), limit: PAGE };
            let page = self.objects.list(&bucket, &query).await;
            let page = page.map_err(|error| DeliveryError::Unreadable(error.to_string()))?;
            for entry in &page.entries {
                let Listed::Object(object) = entry else { continue };
                after = Some(object.key.as_str().to_owned());
                let name = (bucket.name.as_str().to_owned(), object.key.as_str().to_owned());
                if claims(object, books) && !known.contains(&name) {
                    found.problem(format!("s3://{}/{}: doubles delivered records", name.0, name.1));
                }
            }
            if !page.truncated || after.is_none() {
                return Ok(());
            }
        }
    }
}

impl ObjectsAudit {
    fn problem(&mut self, text: String) {
        if self.problems.len() < NAMES_MAX {
            self.problems.push(text);
        }
    }
}

/// Whether an object says that a plan of these books wrote it.
fn claims(object: &ObjectInfo, books: &Books) -> bool {
    let said = |name: &str| object.attributes.system.get(name).and_then(|text| text.parse::<u64>().ok());
    // A plan that was committed after the books were read is none of theirs.
    said("delivery") == Some(books.delivery.incarnation)
        && said("plan_number").is_some_and(|number| number < books.next_plan)
}

async fn read_books(
    snapshot: &dyn Snapshot,
    delivery: Delivery,
    deleted: bool,
) -> Result<Books, DeliveryError> {
    let id = delivery.incarnation;
    let head = snapshot.get(&keys::head(id)).await?;
    let next_plan =
        head.map(|fact| HeadRecord::from_value(&fact.value)).transpose()?.map_or(0, |head| head.next_plan);
    let mut rows = Vec::new();
    for row in scan(snapshot, &keys::positions(id)).await? {
        let mut reader = row.key.reader();
        let shard =
            reader.kind().and_then(|_| reader.u64()).and_then(|_| reader.u32()).ok_or_else(bad_key)?;
        rows.push(PositionRecord::from_value(&row.fact.value)?.into_row(shard));
    }
    let mut plans = Vec::new();
    for row in scan(snapshot, &keys::plans(id)).await? {
        let mut reader = row.key.reader();
        let number =
            reader.kind().and_then(|_| reader.u64()).and_then(|_| reader.u64()).ok_or_else(bad_key)?;
        let plan = PlanRecord::from_value(&row.fact.value)?.into_plan(number);
        let objects = scan(snapshot, &keys::plan_objects(id, number)).await?;
        let objects = objects.iter().map(|row| PlanObjectRecord::from_value(&row.fact.value).map(Into::into));
        plans.push(StoredPlan { plan, objects: objects.collect::<Result<_, BadRecord>>()? });
    }
    Ok(Books { delivery, deleted, next_plan, rows, plans })
}

async fn scan(snapshot: &dyn Snapshot, prefix: &Key) -> Result<Vec<Scanned>, StoreError> {
    let mut all: Vec<Scanned> = Vec::new();
    let mut range = KeyRange::prefix(prefix);
    loop {
        let page = snapshot.scan(&range, PAGE, Direction::Forward).await?;
        let full = page.len() == PAGE;
        all.extend(page);
        match all.last() {
            Some(last) if full => range = range.after(&last.key),
            _ => return Ok(all),
        }
    }
}

fn bad_key() -> DeliveryError {
    DeliveryError::Unreadable("a key of the ledger is unreadable".to_owned())
}

/// Checks every shard that has a row or a plan.
fn audit_shards(books: &Books) -> Vec<ShardAudit> {
    let mut read: BTreeMap<u32, Read> = BTreeMap::new();
    let mut problems: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for row in &books.rows {
        read.insert(row.shard, Read { next: row.start, counts: Counts::default() });
    }
    for stored in &books.plans {
        for range in &stored.plan.ranges {
            let own = problems.entry(range.shard).or_default();
            let Some(read) = read.get_mut(&range.shard) else {
                own.push(format!("plan {} read a shard that has no position", stored.plan.id));
                continue;
            };
            if range.from != read.next {
                let kind = if range.from > read.next { "leaves a gap" } else { "overlaps" };
                own.push(format!(
                    "plan {} {kind}: it begins at {}, expected {}",
                    stored.plan.id, range.from, read.next
                ));
            }
            if u64::try_from(range.to - range.from).is_ok_and(|n| n != range.counts.records()) {
                own.push(format!("plan {} does not account for all records of its range", stored.plan.id));
            }
            read.next = range.to;
            read.counts.add(&range.counts);
        }
    }
    let audit = |row: &LedgerRow| {
        let mut problems = problems.remove(&row.shard).unwrap_or_default();
        check_row(row, &read[&row.shard], &mut problems);
        problems.truncate(NAMES_MAX);
        ShardAudit { row: *row, problems }
    };
    books.rows.iter().map(audit).collect()
}

/// What a shard's plans say was read.
struct Read {
    next: i64,
    counts: Counts,
}

fn check_row(row: &LedgerRow, read: &Read, problems: &mut Vec<String>) {
    if !row.meets() {
        let counted = row.counts.records();
        problems.push(format!("{} to {} was read, {counted} records are counted", row.start, row.position));
    }
    // Deleting a delivery moves its position without a plan, past what it gave up.
    let mut given_up = row.counts;
    given_up.discarded = given_up.discarded.saturating_sub(read.counts.discarded);
    let expired_late = row.counts.expired.saturating_sub(read.counts.expired);
    let without_plan = given_up.discarded + if given_up.discarded > 0 { expired_late } else { 0 };
    if i64::try_from(without_plan).is_ok_and(|n| read.next + n != row.position) {
        problems.push(format!("plans read up to {}, the position is {}", read.next, row.position));
    }
    let same = [
        ("delivered", row.counts.delivered, read.counts.delivered),
        ("dropped", row.counts.dropped, read.counts.dropped),
        ("dead-lettered", row.counts.dead_lettered, read.counts.dead_lettered),
        ("rows", row.counts.rows, read.counts.rows),
    ];
    for (what, ledger, plans) in same {
        if ledger != plans {
            problems.push(format!("the ledger says {ledger} {what}, the plans {plans}"));
        }
    }
}

/// The rows of a plan's objects are the rows its counts say.
fn check_rows(stored: &StoredPlan, found: &mut ObjectsAudit) {
    let rows_of =
        |error: bool| stored.objects.iter().filter(|o| o.error == error).map(|o| o.rows).sum::<u64>();
    let count =
        |of: fn(&Counts) -> u64| stored.plan.ranges.iter().map(|range| of(&range.counts)).sum::<u64>();
    let pairs = [
        ("rows", rows_of(false), count(|counts| counts.rows)),
        ("dead letters", rows_of(true), count(|counts| counts.dead_lettered)),
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
