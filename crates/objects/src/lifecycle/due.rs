//! When something is due: S3 adds days to a moment and rounds up to the next midnight UTC.

use std::time::Duration;

use headwater_base::Timestamp;

/// How long a real day is, in milliseconds.
const DAY_MS: i64 = 86_400_000;

/// How long a lifecycle's day is. Real days, unless a test wants shorter ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Day(i64);

impl Default for Day {
    fn default() -> Self {
        Self(DAY_MS)
    }
}

impl Day {
    /// Days of another length, for tests; `None` below a millisecond and above a real day.
    pub fn lasting(length: Duration) -> Option<Self> {
        let ms = i64::try_from(length.as_millis()).ok()?;
        (1..=DAY_MS).contains(&ms).then_some(Self(ms))
    }

    /// How long it is.
    pub fn length(self) -> Duration {
        Duration::from_millis(self.0.unsigned_abs())
    }

    /// The midnight at or after `days` days from `from`.
    pub fn after(self, from: Timestamp, days: u32) -> Timestamp {
        let moment = from.ms().saturating_add(self.0.saturating_mul(i64::from(days)));
        Timestamp::from_ms(self.rounded_up(moment))
    }

    /// The first midnight after `now`.
    pub fn next_midnight(self, now: Timestamp) -> Timestamp {
        Timestamp::from_ms(self.rounded_up(now.ms().saturating_add(1)))
    }

    fn rounded_up(self, ms: i64) -> i64 {
        match ms.rem_euclid(self.0) {
            0 => ms,
            past => ms.saturating_add(self.0 - past),
        }
    }
}

/// Whether a moment is a midnight UTC, which S3 asks of dates.
pub(crate) fn is_midnight(date: Timestamp) -> bool {
    date.ms().rem_euclid(DAY_MS) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Days since the epoch, hours and minutes.
    fn at(day: i64, hours: i64, minutes: i64) -> Timestamp {
        Timestamp::from_ms(day * DAY_MS + (hours * 60 + minutes) * 60_000)
    }

    #[test]
    fn days_are_rounded_up_to_midnight() {
        let day = Day::default();
        // S3's own example: created on the 15th at 10:30, three days: the 19th at midnight.
        assert_eq!(day.after(at(15, 10, 30), 3), at(19, 0, 0));
        assert_eq!(day.after(at(15, 0, 0), 3), at(18, 0, 0));
        assert_eq!(day.after(at(15, 0, 1), 0), at(16, 0, 0));
        assert_eq!(day.next_midnight(at(15, 0, 0)), at(16, 0, 0));
        assert_eq!(day.next_midnight(at(15, 23, 59)), at(16, 0, 0));
    }

    #[test]
    fn shorter_days_round_to_their_own_midnights() {
        let day = Day::lasting(Duration::from_secs(2)).unwrap();
        let ms = Timestamp::from_ms;
        assert_eq!(day.after(ms(10_001), 1), ms(14_000));
        assert_eq!(day.after(ms(10_000), 2), ms(14_000));
        assert_eq!(day.length(), Duration::from_secs(2));
        assert_eq!(Day::lasting(Duration::ZERO), None);
        assert_eq!(Day::lasting(Duration::from_secs(86_401)), None);
    }

    #[test]
    fn the_end_of_time_is_no_overflow() {
        let late = Timestamp::from_ms(i64::MAX - 5);
        assert!(Day::default().after(late, u32::MAX) >= late);
        assert!(Day::default().next_midnight(late) >= late);
    }

    #[test]
    fn dates_are_midnights() {
        assert!(is_midnight(at(20000, 0, 0)));
        assert!(!is_midnight(at(20000, 0, 1)));
    }
}
