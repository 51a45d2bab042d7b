//! Requests counted and timed, for `/_headwater/metrics`.

use std::collections::HashMap;
use std::sync::RwLock;
use std::time::Duration;

use metrics::{Counter, Histogram};

/// What is counted apart: service, operation, result. All of them come from the program, not from callers, so
/// there are not many.
type Labels = (&'static str, &'static str, &'static str);

/// The counters in use, so that a request need not look for its own by name.
#[derive(Default)]
pub(super) struct Meters(RwLock<HashMap<Labels, Meter>>);

#[derive(Clone)]
struct Meter {
    requests: Counter,
    seconds: Histogram,
}

impl Meters {
    /// One more request.
    pub(super) fn count(
        &self,
        service: &'static str,
        operation: &'static str,
        result: &'static str,
        took: Duration,
    ) {
        let labels = (service, operation, result);
        let known = self.0.read().expect("no holder of this lock panics").get(&labels).cloned();
        let meter = known.unwrap_or_else(|| self.add(labels));
        meter.requests.increment(1);
        meter.seconds.record(took.as_secs_f64());
    }

    fn add(&self, labels: Labels) -> Meter {
        let (service, operation, result) = labels;
        let requests = metrics::counter!(
            "headwater_requests_total", "service" => service, "operation" => operation, "result" => result
        );
        let seconds = metrics::histogram!(
            "headwater_request_seconds", "service" => service, "operation" => operation
        );
        let made = Meter { requests, seconds };
        self.0.write().expect("no holder of this lock panics").insert(labels, made.clone());
        made
    }
}
