//! The seams for time and chance. Nothing above calls the system clock, a sleep or a random
//! generator directly (clippy's ban list says so), so a simulation can replace both.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

use crate::Timestamp;

/// Time and chance, handed to everything that needs either. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Seams {
    /// What time it is.
    pub clock: Clock,
    /// What happens to come up.
    pub chance: Chance,
}

impl Seams {
    /// The machine's clock and randomness.
    pub fn system() -> Self {
        Self { clock: Clock::system(), chance: Chance::system() }
    }

    /// A clock that stands at `start` until moved, and a seeded generator: the same seed gives the
    /// same run.
    pub fn simulated(start: Timestamp, seed: u64) -> Self {
        Self { clock: Clock::manual(start), chance: Chance::seeded(seed) }
    }
}

/// Where the time comes from.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that only [`Clock::advance`] moves.
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(start.ms()))))
    }

    /// The wall-clock time. It may step backwards when the machine's clock is corrected.
    #[expect(clippy::disallowed_methods, reason = "this is the seam")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => {
                let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
                Timestamp::from_ms(since.map_or(0, |d| d.as_millis() as i64))
            }
            Source::Manual(ms) => Timestamp::from_ms(ms.load(Ordering::Acquire)),
        }
    }

    /// A reading that never goes backwards, for measuring how long something takes.
    #[expect(clippy::disallowed_methods, reason = "this is the seam")]
    pub fn monotonic(&self) -> Duration {
        use std::sync::LazyLock;
        static START: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);
        match &self.0 {
            Source::System => START.elapsed(),
            Source::Manual(ms) => Duration::from_millis(ms.load(Ordering::Acquire).max(0) as u64),
        }
    }

    /// Moves a manual clock on. Does nothing to the machine's clock.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(ms) = &self.0 {
            ms.fetch_add(by.as_millis() as i64, Ordering::AcqRel);
        }
    }

    /// Waits. With a manual clock it waits for the clock to be moved that far; it looks again each
    /// (tokio) millisecond, so under `tokio::time::pause` a simulation never blocks.
    #[expect(clippy::disallowed_methods, reason = "this is the seam")]
    pub async fn sleep(&self, duration: Duration) {
        match &self.0 {
            Source::System => tokio::time::sleep(duration).await,
            Source::Manual(_) => {
                let until = self.now().plus(duration);
                while self.now() < until {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }
    }

    /// Runs `work`, giving up after `limit`. `None` means it was given up; `work` is dropped then.
    pub async fn timeout<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.sleep(limit) => None,
        }
    }
}

/// Where randomness comes from.
#[derive(Clone, Debug)]
pub struct Chance(Option<Arc<Mutex<StdRng>>>);

impl Chance {
    /// The operating system's randomness, fit for secrets.
    pub fn system() -> Self {
        Self(None)
    }

    /// A reproducible sequence. Never for secrets.
    pub fn seeded(seed: u64) -> Self {
        Self(Some(Arc::new(Mutex::new(StdRng::seed_from_u64(seed)))))
    }

    /// Fills `buffer` with random bytes.
    #[expect(clippy::disallowed_methods, reason = "this is the seam")]
    pub fn fill(&self, buffer: &mut [u8]) {
        match &self.0 {
            None => rand::rng().fill_bytes(buffer),
            Some(rng) => rng.lock().expect("no holder of this lock panics").fill_bytes(buffer),
        }
    }

    /// A random number over the whole range.
    pub fn u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A random number in `0..bound`; 0 when the bound is 0.
    pub fn below(&self, bound: u64) -> u64 {
        // The bias of the multiply-shift is below 2^-32 for every bound in use (intervals, ports).
        ((u128::from(self.u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A random (version 4) UUID.
    pub fn uuid(&self) -> Uuid {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// `base` lengthened or shortened by up to a fifth, so that timers do not march in step.
    pub fn jitter(&self, base: Duration) -> Duration {
        let fifth = base.as_micros() as u64 / 5;
        base - Duration::from_micros(fifth) + Duration::from_micros(self.below(fifth * 2 + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_run() {
        let (a, b) = (Chance::seeded(7), Chance::seeded(7));
        for _ in 0..100 {
            assert_eq!(a.u64(), b.u64());
        }
        assert_ne!(Chance::seeded(1).uuid(), Chance::seeded(2).uuid());
    }

    #[test]
    fn jitter_stays_within_a_fifth() {
        let chance = Chance::seeded(1);
        for _ in 0..1000 {
            let d = chance.jitter(Duration::from_secs(10));
            assert!(d >= Duration::from_secs(8) && d <= Duration::from_secs(12));
        }
    }

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = Clock::manual(Timestamp::from_ms(5));
        assert_eq!(clock.now().ms(), 5);
        clock.advance(Duration::from_millis(10));
        assert_eq!(clock.now().ms(), 15);
    }
}
