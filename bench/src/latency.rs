//! Latencies of one kind of call, kept whole: at most a few million of eight bytes each.

use std::time::Duration;

/// Every latency of a run, in microseconds.
#[derive(Clone, Debug, Default)]
pub struct Latencies(Vec<u32>);

impl Latencies {
    /// Adds one.
    pub fn record(&mut self, took: Duration) {
        self.0.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    /// Adds all of another run.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The latency that `percent` of all calls did not exceed; zero when there are none.
    pub fn percentile(&self, percent: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
        let at = rank.clamp(1, sorted.len().max(1)) - 1;
        Duration::from_micros(sorted.get(at).copied().unwrap_or_default().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_rank() {
        let mut all = Latencies::default();
        assert_eq!(all.percentile(50.0), Duration::ZERO);
        for ms in (1..=100).rev() {
            all.record(Duration::from_millis(ms));
        }
        assert_eq!(all.percentile(50.0), Duration::from_millis(50));
        assert_eq!(all.percentile(99.0), Duration::from_millis(99));
        assert_eq!(all.percentile(100.0), Duration::from_millis(100));
    }
}
