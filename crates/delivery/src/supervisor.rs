//! Starts a runner for every delivery and stops those whose delivery is gone.
//!
//! **Failure.** A missed signal costs up to a minute. A deletion cut short by a crash is finished
//! at the first pass.

use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use headwater_work::{Pass, Reconciler, TaskResult};

use crate::engine::{Inner, read_definition};
use crate::records::keys;
use crate::runner::Runner;

/// A runner waits inside its pass; this only bounds how soon one that ended early is tried again.
const RUN_EVERY: Duration = Duration::from_secs(5);

pub(crate) struct Supervisor {
    inner: Weak<Inner>,
}

impl Supervisor {
    pub(crate) fn new(inner: &Arc<Inner>) -> Self {
        Self { inner: Arc::downgrade(inner) }
    }
}

#[async_trait]
impl Reconciler for Supervisor {
    fn name(&self) -> String {
        "deliveries".to_owned()
    }

    async fn pass(&self) -> TaskResult<Pass> {
        let Some(inner) = self.inner.upgrade() else { return Ok(Pass::Done) };
        let mut alive = HashSet::new();
        for row in inner.scan_all(&keys::definitions()).await? {
            let delivery = read_definition(&row.fact.value)?;
            if delivery.deleting {
                inner.finish_deletion(&delivery).await?;
                continue;
            }
            alive.insert(delivery.incarnation);
            let mut running = inner.running.lock().expect("no holder of this lock panics");
            running.entry(delivery.incarnation).or_insert_with(|| {
                let runner = Runner::new(Arc::clone(&inner), delivery.key.clone(), delivery.incarnation);
                inner.work.reconcile(Arc::new(runner), RUN_EVERY)
            });
        }
        let mut running = inner.running.lock().expect("no holder of this lock panics");
        running.retain(|incarnation, runner| {
            let keep = alive.contains(incarnation);
            if !keep {
                runner.stop();
                runner.signal.notify();
            }
            keep
        });
        Ok(Pass::Done)
    }
}
