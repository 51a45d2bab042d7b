//! What status pages show of every listed task, and the handles to abort them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use headwater_base::Timestamp;
use tokio::task::AbortHandle;

use crate::TaskStatus;

/// How much of an error's text is kept.
const ERROR_CHARS_MAX: usize = 500;

/// The listed tasks by number, in the order they were started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry(Arc<Mutex<Rows>>);

#[derive(Debug, Default)]
struct Rows {
    next: u64,
    rows: BTreeMap<u64, Row>,
}

#[derive(Debug)]
struct Row {
    status: TaskStatus,
    abort: Option<AbortHandle>,
}

impl Registry {
    /// Lists a task until the slot is dropped.
    pub(crate) fn enter(&self, name: String) -> Slot {
        let mut rows = self.rows();
        let id = rows.next;
        rows.next += 1;
        let status =
            TaskStatus { name, last_run: None, last_error: None, next_run: None, runs: 0, failures: 0 };
        rows.rows.insert(id, Row { status, abort: None });
        Slot { registry: self.clone(), id }
    }

    /// Remembers how to abort a listed task.
    pub(crate) fn abortable(&self, id: u64, handle: AbortHandle) {
        if let Some(row) = self.rows().rows.get_mut(&id) {
            row.abort = Some(handle);
        }
    }

    /// Every row.
    pub(crate) fn rows_status(&self) -> Vec<TaskStatus> {
        self.rows().rows.values().map(|row| row.status.clone()).collect()
    }

    /// Aborts every listed task.
    pub(crate) fn abort_all(&self) {
        for row in self.rows().rows.values() {
            if let Some(handle) = &row.abort {
                handle.abort();
            }
        }
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

/// One task's row; leaves the list when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    registry: Registry,
    id: u64,
}

impl Slot {
    /// The row's number.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Notes the end of one run.
    pub(crate) fn ended(&self, now: Timestamp, error: Option<String>, next: Option<Timestamp>) {
        if let Some(row) = self.registry.rows().rows.get_mut(&self.id) {
            row.status.last_run = Some(now);
            row.status.next_run = next;
            row.status.runs += 1;
            row.status.failures += u64::from(error.is_some());
            row.status.last_error = error.map(|text| text.chars().take(ERROR_CHARS_MAX).collect());
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.registry.rows().rows.remove(&self.id);
    }
}
