//! Metrics: one recorder per process, rendered for Prometheus.

use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use headwater_work::{Pass, Reconciler};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// How often samples are folded into their buckets.
pub(crate) const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Bounds of latency buckets in seconds.
const SECONDS: [f64; 14] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// The process's recorder, installed by the first node. `None` if someone else installed one.
pub(crate) fn recorder() -> Option<&'static PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    let install = || {
        let builder =
            PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS);
        let recorder =
            builder.inspect_err(|error| tracing::warn!(%error, "no latency buckets")).ok()?.build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).ok()?;
        Some(handle)
    };
    HANDLE.get_or_init(install).as_ref()
}

/// Folds samples into buckets, so that they do not pile up between scrapes.
#[derive(Debug)]
pub(crate) struct Upkeep;

#[async_trait]
impl Reconciler for Upkeep {
    fn name(&self) -> String {
        "metrics upkeep".into()
    }

    async fn pass(&self) -> anyhow::Result<Pass> {
        if let Some(handle) = recorder() {
            handle.run_upkeep();
        }
        Ok(Pass::Done)
    }
}
