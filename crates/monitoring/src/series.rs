//! Series of the node's own metrics that clients fill.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use headwater_base::Scope;
use metrics::{Counter, Gauge, counter, gauge};

use crate::datum::Datum;

/// The most series clients may make. A consumer of a thousand shards makes some thousands.
pub(crate) const SERIES_MAX: usize = 10_000;

/// What is known of the series that were published. Their handles are kept so that a sample costs a
/// look-up, not a registration.
#[derive(Debug, Default)]
pub(crate) struct SeriesSet {
    known: Mutex<HashMap<SeriesName, Handles>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct SeriesName {
    account: String,
    region: String,
    namespace: String,
    metric: String,
    /// `name=value,…`, by name.
    dimensions: String,
    unit: String,
}

#[derive(Clone)]
struct Handles {
    samples: Counter,
    sum: Gauge,
    last: Gauge,
}

impl std::fmt::Debug for Handles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handles")
    }
}

impl SeriesSet {
    /// Adds a datum to its series; a series too many is counted and not made.
    pub(crate) fn note(&self, scope: &Scope, namespace: &str, datum: &Datum) {
        let name = SeriesName::of(scope, namespace, datum);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains_key(&name) && known.len() >= SERIES_MAX {
            counter!("headwater_published_dropped_total").increment(1);
            return;
        }
        let handles = known.entry(name).or_insert_with_key(SeriesName::register);
        // Whole samples: a set of statistics may say half of one.
        handles.samples.increment(datum.samples.round() as u64);
        handles.sum.increment(datum.sum);
        handles.last.set(datum.sum / datum.samples);
    }
}

impl SeriesName {
    fn of(scope: &Scope, namespace: &str, datum: &Datum) -> Self {
        let dimensions: Vec<String> =
            datum.dimensions.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Self {
            account: scope.account.to_string(),
            region: scope.region.as_str().to_owned(),
            namespace: namespace.to_owned(),
            metric: datum.metric.clone(),
            dimensions: dimensions.join(","),
            unit: datum.unit.clone(),
        }
    }

    fn register(&self) -> Handles {
        let labels = || {
            [
                ("account", self.account.clone()),
                ("region", self.region.clone()),
                ("namespace", self.namespace.clone()),
                ("metric", self.metric.clone()),
                ("dimensions", self.dimensions.clone()),
                ("unit", self.unit.clone()),
            ]
        };
        Handles {
            samples: counter!("headwater_published_samples_total", &labels()),
            sum: gauge!("headwater_published_sum", &labels()),
            last: gauge!("headwater_published_last", &labels()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_bounded() {
        let set = SeriesSet::default();
        let scope = Scope::new("000000000042".parse().unwrap(), "eu-west-1".parse().unwrap());
        let datum = |n: usize| Datum {
            metric: format!("m{n}"),
            dimensions: vec![],
            unit: "None".into(),
            samples: 1.0,
            sum: 1.0,
        };
        for n in 0..SERIES_MAX + 10 {
            set.note(&scope, "KCL", &datum(n));
        }
        assert_eq!(set.known.lock().unwrap().len(), SERIES_MAX);
        set.note(&scope, "KCL", &datum(3));
        assert_eq!(set.known.lock().unwrap().len(), SERIES_MAX);
    }
}
