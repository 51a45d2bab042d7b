//! Object lock: what keeps a version from being removed.
//!
//! Retention ends at a time; a legal hold ends when somebody takes it off. Compliance is never
//! shortened, by nobody; governance gives way to who may bypass it and says so.

use headwater_base::Timestamp;

use crate::records::object::ObjectRecord;
use crate::records::version::{DefaultRecord, LockRecord, ModeRecord};

/// A day in milliseconds.
const DAY_MS: i64 = 86_400_000;

/// How many days a year of default retention has.
const YEAR_DAYS: i64 = 365;

/// How strictly something is retained.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RetentionMode {
    /// Who may bypass it can remove the version and shorten the retention.
    Governance,
    /// Nobody can.
    Compliance,
}

/// Until when a version is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retention {
    /// How strictly.
    pub mode: RetentionMode,
    /// Until when.
    pub until: Timestamp,
}

/// What holds a version.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ObjectLock {
    /// Its retention, if it ever got one.
    pub retention: Option<Retention>,
    /// Whether a legal hold is on; `None` if nobody ever said.
    pub hold: Option<bool>,
}

/// How long a default retention lasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Period {
    /// Days.
    Days(u32),
    /// Years of 365 days.
    Years(u32),
}

/// What new versions of a bucket get that say nothing themselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DefaultRetention {
    /// How strictly.
    pub mode: RetentionMode,
    /// For how long from their creation.
    pub period: Period,
}

/// A bucket's object lock. Once on it stays on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BucketLock {
    /// The default retention.
    pub default: Option<DefaultRetention>,
}

/// Whether a caller may, and wants to, go past governance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bypass {
    /// Nothing is bypassed.
    Nothing,
    /// Governance is.
    Governance,
}

impl ObjectLock {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the version may not be removed now.
    pub fn holds(&self, now: Timestamp, bypass: Bypass) -> bool {
        let retained = self.retention.is_some_and(|retention| {
            let strict = retention.mode == RetentionMode::Compliance || bypass == Bypass::Nothing;
            retention.until > now && strict
        });
        retained || self.hold == Some(true)
    }

    /// Whether the retention may become `next` now.
    pub fn may_become(&self, next: Option<Retention>, now: Timestamp, bypass: Bypass) -> bool {
        let Some(old) = self.retention.filter(|old| old.until > now) else {
            return true;
        };
        // Also from governance to compliance takes who may bypass: it cannot be taken back.
        let longer = next.is_some_and(|next| next.mode == old.mode && next.until >= old.until);
        longer || (old.mode == RetentionMode::Governance && bypass == Bypass::Governance)
    }

    /// Writes it into a record.
    pub(crate) fn write(self, record: &mut ObjectRecord) {
        record.retention_mode = self.retention.map(|retention| retention.mode.into());
        record.retain_until_ms = self.retention.map(|retention| retention.until.ms());
        record.hold = self.hold;
    }

    /// Reads it from the fields of a record.
    pub(crate) fn of(mode: Option<ModeRecord>, until_ms: Option<i64>, hold: Option<bool>) -> Self {
        let retention = mode.zip(until_ms);
        let retention =
            retention.map(|(mode, ms)| Retention { mode: mode.into(), until: Timestamp::from_ms(ms) });
        Self { retention, hold }
    }
}

impl ObjectRecord {
    /// What holds it.
    pub(crate) fn lock(&self) -> ObjectLock {
        ObjectLock::of(self.retention_mode, self.retain_until_ms, self.hold)
    }
}

impl DefaultRetention {
    /// The retention of a version made at `now`.
    pub fn from(&self, now: Timestamp) -> Retention {
        let days = match self.period {
            Period::Days(days) => i64::from(days),
            Period::Years(years) => i64::from(years) * YEAR_DAYS,
        };
        Retention { mode: self.mode, until: Timestamp::from_ms(now.ms().saturating_add(days * DAY_MS)) }
    }
}

impl From<RetentionMode> for ModeRecord {
    fn from(mode: RetentionMode) -> Self {
        match mode {
            RetentionMode::Governance => Self::Governance,
            RetentionMode::Compliance => Self::Compliance,
        }
    }
}

impl From<ModeRecord> for RetentionMode {
    fn from(record: ModeRecord) -> Self {
        match record {
            ModeRecord::Governance => Self::Governance,
            ModeRecord::Compliance => Self::Compliance,
        }
    }
}

impl From<&LockRecord> for BucketLock {
    fn from(record: &LockRecord) -> Self {
        let default = record.default.as_ref().map(|default| DefaultRetention {
            mode: default.mode.into(),
            period: match default.years {
                0 => Period::Days(default.days),
                years => Period::Years(years),
            },
        });
        Self { default }
    }
}

impl From<BucketLock> for LockRecord {
    fn from(lock: BucketLock) -> Self {
        let default = lock.default.map(|default| {
            let (days, years) = match default.period {
                Period::Days(days) => (days, 0),
                Period::Years(years) => (0, years),
            };
            DefaultRecord { mode: default.mode.into(), days, years }
        });
        Self { default }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    fn retained(mode: RetentionMode, until: i64) -> ObjectLock {
        ObjectLock { retention: Some(Retention { mode, until: at(until) }), hold: None }
    }

    #[test]
    fn retention_ends_and_governance_gives_way() {
        use RetentionMode::{Compliance, Governance};
        let check = |lock: ObjectLock, bypass, now, holds| assert_eq!(lock.holds(at(now), bypass), holds);
        check(retained(Governance, 10), Bypass::Nothing, 9, true);
        check(retained(Governance, 10), Bypass::Governance, 9, false);
        check(retained(Governance, 10), Bypass::Nothing, 10, false);
        check(retained(Compliance, 10), Bypass::Governance, 9, true);
        check(retained(Compliance, 10), Bypass::Governance, 10, false);
        let held = ObjectLock { retention: None, hold: Some(true) };
        check(held, Bypass::Governance, 0, true);
        check(ObjectLock { hold: Some(false), ..held }, Bypass::Nothing, 0, false);
    }

    #[test]
    fn compliance_is_never_shortened() {
        use RetentionMode::{Compliance, Governance};
        let may = |old: ObjectLock, next: Option<(RetentionMode, i64)>, bypass| {
            let next = next.map(|(mode, until)| Retention { mode, until: at(until) });
            old.may_become(next, at(5), bypass)
        };
        let (strict, loose) = (retained(Compliance, 10), retained(Governance, 10));
        assert!(may(strict, Some((Compliance, 11)), Bypass::Nothing));
        for worse in [None, Some((Compliance, 9)), Some((Governance, 20))] {
            assert!(!may(strict, worse, Bypass::Governance), "{worse:?}");
        }
        assert!(may(loose, Some((Governance, 10)), Bypass::Nothing));
        for worse in [None, Some((Compliance, 10)), Some((Compliance, 9)), Some((Governance, 9))] {
            assert!(!may(loose, worse, Bypass::Nothing), "{worse:?}");
            assert!(may(loose, worse, Bypass::Governance), "{worse:?}");
        }
        assert!(may(retained(Compliance, 5), None, Bypass::Nothing), "it is over");
        assert!(may(ObjectLock::default(), Some((Governance, 6)), Bypass::Nothing));
    }

    #[test]
    fn defaults_count_days_and_years() {
        let from = |period| DefaultRetention { mode: RetentionMode::Governance, period }.from(at(1)).until;
        assert_eq!(from(Period::Days(2)), at(1 + 2 * DAY_MS));
        assert_eq!(from(Period::Years(1)), at(1 + 365 * DAY_MS));
    }

    #[test]
    fn locks_of_buckets_read_back() {
        for period in [None, Some(Period::Days(3)), Some(Period::Years(7))] {
            let default = period.map(|period| DefaultRetention { mode: RetentionMode::Compliance, period });
            let lock = BucketLock { default };
            assert_eq!(BucketLock::from(&LockRecord::from(lock)), lock);
        }
    }
}
