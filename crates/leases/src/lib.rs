//! Lease tables: as much of DynamoDB (`DynamoDB_20120810` over JSON 1.0) as the Kinesis Client Library
//! and its kin keep their leases, their leader lock and their coordinator state in.
//!
//! It is a lease table and no DynamoDB: one global secondary index, no streams of changes, no
//! throughput to buy, and a query of the index reads the table. What it does, it does as DynamoDB:
//! both dialects of conditions, the codes and sentences of its errors, transactions.
//!
//! ```text
//! shapes ─ convert ─► item, expression   values, conditions and updates, pure
//!                 └─► tables             definitions, writes, pages ─ records ─► store
//! ```
//!
//! **Invariants.** A write is durable before it is answered. Whether a condition held and what then
//! happened are one moment, so of two workers that take a lease one gets it. Tables of different
//! accounts and regions never meet.
//!
//! **Failure.** A full disk or a node that is behind answers `ThrottlingException`, which SDKs retry.
//! See `docs/services/dynamodb.md`.

mod checks;
mod convert;
mod expression;
mod fault;
mod item;
mod ops;
mod records;
mod refused;
mod shapes;
mod sweep;
mod tables;
mod target;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use headwater_base::Seams;
use headwater_store::Store;
use headwater_wire::{Answer, Face, OperationRow, OperationSet, VerifiedRequest};
use headwater_work::Work;

use crate::sweep::SweepReconciler;
use crate::tables::Tables;

/// A transaction is at most 4 MB of items; binary ones grow by a third in base64.
const BODY_BYTES_MAX: usize = 8 << 20;
/// How often leftovers of dropped tables and old tokens are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(300);

/// What the operations work on.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) tables: Tables,
}

/// The face.
#[derive(Debug)]
pub struct Leases {
    state: State,
    operations: OperationSet<State>,
}

impl Leases {
    /// The face over a store. Registers what runs by itself with `work`.
    pub fn new(store: Arc<dyn Store>, seams: Seams, work: &Work) -> Self {
        let tables = Tables::new(store, seams);
        work.reconcile(Arc::new(SweepReconciler(tables.clone())), SWEEP_EVERY);
        let operations = OperationSet::new()
            .with::<ops::CreateTable>()
            .with::<ops::DeleteItem>()
            .with::<ops::DeleteTable>()
            .with::<ops::DescribeContinuousBackups>()
            .with::<ops::DescribeTable>()
            .with::<ops::DescribeTimeToLive>()
            .with::<ops::GetItem>()
            .with::<ops::ListTables>()
            .with::<ops::ListTagsOfResource>()
            .with::<ops::PutItem>()
            .with::<ops::Query>()
            .with::<ops::Scan>()
            .with::<ops::TransactWriteItems>()
            .with::<ops::UpdateContinuousBackups>()
            .with::<ops::UpdateItem>()
            .with::<ops::UpdateTable>()
            .refusing(refused::REFUSED);
        Self { state: State { tables }, operations }
    }
}

/// For the fuzz target `lease_expression`: reads text as each kind of expression and applies it to an
/// item, which must not panic.
#[doc(hidden)]
pub fn fuzz_expression(text: &str) {
    let text_value = |text: &str| item::Value::Text(text.to_owned());
    let list = item::Value::List(vec![text_value("x"), text_value("y")]);
    let item = item::Item::from([
        ("a".to_owned(), text_value("text")),
        ("b".to_owned(), list.clone()),
        ("c".to_owned(), item::Value::Map(item::Item::from([("d".to_owned(), list)]))),
    ]);
    expression::fuzz(text, &item);
}

#[async_trait]
impl Face for Leases {
    fn signing_name(&self) -> &'static str {
        "dynamodb"
    }

    fn target_prefix(&self) -> Option<&'static str> {
        Some("DynamoDB_20120810")
    }

    fn body_bytes_max(&self) -> usize {
        BODY_BYTES_MAX
    }

    fn operations(&self) -> Vec<OperationRow> {
        self.operations.rows().to_vec()
    }

    async fn handle(&self, request: VerifiedRequest) -> Answer {
        self.operations.handle(&self.state, request).await
    }
}
