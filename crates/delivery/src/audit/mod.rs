//! The audit: recounts the ledger from what is stored, and the objects from their bytes.
//!
//! For each delivery, also deleted ones, it reads head and positions at one moment, then every plan
//! committed before that moment, and checks that
//! - no plan is missing, and every shard's ranges tile `[start, position)` without gap or overlap;
//! - every shard's counts are the sum of its plans' counts, and account for every record read;
//! - every object of every plan is there with its digest, and holds the rows the ledger says (rows
//!   are read from Parquet footers and counted in error objects; other objects have their digest);
//! - no object claims to be this delivery's that the ledger does not know.
//!
//! Objects that users removed are listed apart and are no mismatch.
//!
//! **Invariants.** Plans and their objects are never changed once committed, so they are read page
//! by page beside running deliveries, without a snapshot: memory is that of one page of plans and
//! one plan's objects, however long the ledger.
//!
//! **Failure.** Reads only; may run at any time beside deliveries. Costs a read of every delivered
//! byte.

mod objects;
mod shards;

use headwater_base::Scope;
use headwater_store::{Direction, Key, KeyRange, Scanned, Snapshot, Store, StoreError};

use self::objects::ObjectsTally;
use self::shards::ShardsTally;
use crate::definition::Delivery;
use crate::engine::{Deliveries, DeliveryError, Inner, PAGE, read_definition};
use crate::ledger::{CommittedObject, CommittedPlan, LedgerRow};
use crate::records::plan::{PlanObjectRecord, PlanRecord};
use crate::records::position::{HeadRecord, PositionRecord};
use crate::records::{Record as _, keys};

/// At most this many names are listed per kind of finding; the counts go on.
pub const NAMES_MAX: usize = 100;

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

/// What the ledger says about a delivery at one moment, but for its plans.
struct Books {
    delivery: Delivery,
    deleted: bool,
    /// Plans before this one were committed at that moment.
    next_plan: u64,
    rows: Vec<LedgerRow>,
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
        let mut shards = ShardsTally::new(&books.rows);
        let mut objects = ObjectsTally::new(self, &books);
        let mut plans = Plans::new(&*self.store, &books);
        let mut count = 0;
        while let Some(stored) = plans.next().await? {
            count += 1;
            shards.add(&stored.plan);
            objects.add(&stored).await?;
        }
        if count != books.next_plan {
            let committed = books.next_plan;
            objects.found.problem(format!("{count} plans are recorded, {committed} were committed"));
        }
        Ok(DeliveryAudit {
            scope: books.delivery.key.scope.clone(),
            name: books.delivery.key.name.as_str().to_owned(),
            incarnation: books.delivery.incarnation,
            deleted: books.deleted,
            plans: count,
            shards: shards.finish(&books.rows),
            objects: objects.finish().await?,
        })
    }
}

impl ObjectsAudit {
    fn problem(&mut self, text: String) {
        if self.problems.len() < NAMES_MAX {
            self.problems.push(text);
        }
    }
}

/// The plans of the books, in the order of their commits, a page at a time.
struct Plans<'a> {
    store: &'a dyn Store,
    delivery: u64,
    end: u64,
    /// What is not yet read; nothing once the last page was.
    rest: Option<KeyRange>,
    page: std::vec::IntoIter<Scanned>,
}

impl<'a> Plans<'a> {
    fn new(store: &'a dyn Store, books: &Books) -> Self {
        let delivery = books.delivery.incarnation;
        let rest = Some(KeyRange::prefix(&keys::plans(delivery)));
        Self { store, delivery, end: books.next_plan, rest, page: Vec::new().into_iter() }
    }

    async fn next(&mut self) -> Result<Option<StoredPlan>, DeliveryError> {
        loop {
            if let Some(row) = self.page.next() {
                let mut reader = row.key.reader();
                let number = reader.kind().and_then(|_| reader.u64()).and_then(|_| reader.u64());
                let number = number.ok_or_else(bad_key)?;
                if number >= self.end {
                    return Ok(None);
                }
                let plan = PlanRecord::from_value(&row.fact.value)?.into_plan(number);
                let objects = plan_objects(self.store, self.delivery, number).await?;
                return Ok(Some(StoredPlan { plan, objects }));
            }
            let Some(range) = self.rest.take() else { return Ok(None) };
            let page = self.store.scan(&range, PAGE, Direction::Forward).await?;
            if let Some(last) = page.last().filter(|_| page.len() == PAGE) {
                self.rest = Some(range.after(&last.key));
            }
            self.page = page.into_iter();
        }
    }
}

/// The objects of a committed plan. There are fewer than `produce::FILES_MAX` or so of them.
async fn plan_objects(
    store: &dyn Store,
    delivery: u64,
    number: u64,
) -> Result<Vec<CommittedObject>, DeliveryError> {
    let mut objects = Vec::new();
    let mut range = KeyRange::prefix(&keys::plan_objects(delivery, number));
    loop {
        let page = store.scan(&range, PAGE, Direction::Forward).await?;
        for row in &page {
            objects.push(PlanObjectRecord::from_value(&row.fact.value)?.into());
        }
        match page.last() {
            Some(last) if page.len() == PAGE => range = range.after(&last.key),
            _ => return Ok(objects),
        }
    }
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
    Ok(Books { delivery, deleted, next_plan, rows })
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
