//! The loop around a reconciler: when to run the next pass.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use headwater_base::Seams;

use crate::registry::Slot;
use crate::{Pass, Reconciler, Running, Work, panic_text};

/// The wait after a first failed pass; doubles with each further one.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// The longest wait after failed passes.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// Runs passes until the reconciler or the node is stopped.
pub(crate) async fn run(
    work: Work,
    reconciler: Arc<dyn Reconciler>,
    every: Duration,
    running: Running,
    slot: Slot,
) {
    let seams = work.inner.seams.clone();
    let name = reconciler.name();
    let kind = name.split(' ').next().unwrap_or_default().to_owned();
    let mut stop = running.stop.subscribe();
    let mut failures_in_row = 0;
    while !*running.stop.borrow() && !work.is_stopping() {
        let error = match pass(reconciler.as_ref()).await {
            Ok(Pass::More) => {
                failures_in_row = 0;
                slot.ended(seams.clock.now(), None, Some(seams.clock.now()));
                tokio::task::yield_now().await;
                continue;
            }
            Ok(Pass::Done) => None,
            Err(error) => Some(error),
        };
        failures_in_row = if error.is_some() { failures_in_row + 1 } else { 0 };
        if let Some(error) = &error {
            tracing::warn!(task = name, error, failures_in_row, "a pass failed and will be retried");
            metrics::counter!("headwater_task_failures_total", "kind" => kind.clone()).increment(1);
        }
        let wait =
            if error.is_some() { backoff(failures_in_row, &seams) } else { seams.chance.jitter(every) };
        let failed = error.is_some();
        slot.ended(seams.clock.now(), error, Some(seams.clock.now().plus(wait)));
        tokio::select! {
            () = seams.clock.sleep(wait) => {}
            // A failing task is not hurried: its signal is kept until the backoff is over.
            () = running.signal.0.notified(), if !failed => {}
            () = recovered(reconciler.as_ref(), &seams), if failed => {}
            _ = stop.changed() => {}
            () = work.stopping() => {}
        }
    }
}

async fn pass(reconciler: &dyn Reconciler) -> Result<Pass, String> {
    match AssertUnwindSafe(reconciler.pass()).catch_unwind().await {
        Ok(Ok(pass)) => Ok(pass),
        Ok(Err(error)) => Err(format!("{error:#}")),
        Err(panic) => Err(format!("panicked: {}", panic_text(panic.as_ref()))),
    }
}

/// However often it recovers, a failing task is not tried more often than at first.
async fn recovered(reconciler: &dyn Reconciler, seams: &Seams) {
    seams.clock.sleep(BACKOFF_MIN).await;
    if AssertUnwindSafe(reconciler.recovered()).catch_unwind().await.is_err() {
        std::future::pending().await
    }
}

fn backoff(failures_in_row: u32, seams: &Seams) -> Duration {
    let doubled = BACKOFF_MIN.saturating_mul(1 << failures_in_row.saturating_sub(1).min(16));
    seams.chance.jitter(doubled.min(BACKOFF_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_base::Timestamp;

    #[test]
    fn backoff_doubles_and_is_bounded() {
        let seams = Seams::simulated(Timestamp::from_ms(0), 1);
        let near = |actual: Duration, wanted: Duration| {
            (wanted.mul_f64(0.79)..=wanted.mul_f64(1.21)).contains(&actual)
        };
        assert!(near(backoff(1, &seams), BACKOFF_MIN));
        assert!(near(backoff(3, &seams), BACKOFF_MIN * 4));
        assert!(near(backoff(u32::MAX, &seams), BACKOFF_MAX));
    }
}
