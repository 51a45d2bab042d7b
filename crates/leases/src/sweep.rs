//! Removal of what a crash left of dropped tables, and of tokens that nobody asks for any more.

use async_trait::async_trait;
use headwater_work::{Pass, Reconciler, TaskResult};

use crate::tables::Tables;

/// The reconciler.
#[derive(Debug)]
pub(crate) struct SweepReconciler(pub(crate) Tables);

#[async_trait]
impl Reconciler for SweepReconciler {
    fn name(&self) -> String {
        "leases: leftovers of dropped tables".to_owned()
    }

    async fn pass(&self) -> TaskResult<Pass> {
        Ok(if self.0.sweep().await? { Pass::More } else { Pass::Done })
    }
}
