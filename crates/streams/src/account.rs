//! Settings of an account in a region: the commitment to a minimum throughput, which AWS sells.
//! Kept and echoed; nothing here costs anything.

use std::time::Duration;

use headwater_base::{Scope, Timestamp};
use headwater_store::{Commit, Lsn};

use crate::records::AccountRow;
use crate::{StreamError, Streams};

/// A commitment lasts at least this long.
const COMMITMENT_MIN: Duration = Duration::from_secs(24 * 3600);
/// How often a change is tried against concurrent ones.
const ATTEMPTS_MAX: usize = 16;

/// The commitment to a minimum throughput.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Commitment {
    /// When it began, if it ever did.
    pub started: Option<Timestamp>,
    /// When it may end at the earliest.
    pub earliest_end: Option<Timestamp>,
    /// When it ended or will end.
    pub ended: Option<Timestamp>,
}

/// Whether a commitment holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CommitmentStatus {
    /// It does.
    Enabled,
    /// It does until it may end.
    Ending,
    /// It does not.
    Disabled,
}

impl Commitment {
    /// Whether it holds at `now`.
    pub fn status(&self, now: Timestamp) -> CommitmentStatus {
        match (self.started, self.ended) {
            (Some(_), None) => CommitmentStatus::Enabled,
            (Some(_), Some(ended)) if ended > now => CommitmentStatus::Ending,
            _ => CommitmentStatus::Disabled,
        }
    }
}

impl Streams {
    /// The commitment of an account in a region.
    ///
    /// # Errors
    /// The store's.
    pub async fn commitment(&self, scope: &Scope) -> Result<Commitment, StreamError> {
        Ok(self.account_row(scope).await?.0)
    }

    /// Begins or ends the commitment. Safe to repeat. It ends no earlier than it may.
    ///
    /// # Errors
    /// Why the commit failed.
    pub async fn set_commitment(&self, scope: &Scope, enabled: bool) -> Result<Commitment, StreamError> {
        let key = AccountRow::key(scope);
        for _ in 0..ATTEMPTS_MAX {
            let (before, version) = self.account_row(scope).await?;
            let after = changed(before, enabled, self.seams.clock.now());
            if after == before {
                return Ok(before);
            }
            let ms = |time: Option<Timestamp>| time.map(Timestamp::ms);
            let row = AccountRow {
                started_ms: ms(after.started),
                earliest_end_ms: ms(after.earliest_end),
                ended_ms: ms(after.ended),
            };
            let commit = Commit::new().put(key.clone(), row.encode());
            let commit = match version {
                Some(version) => commit.expect(key.clone(), version),
                None => commit.expect_absent(key.clone()),
            };
            match self.store.commit(commit).await {
                Ok(_) => return Ok(after),
                Err(headwater_store::CommitError::Conflict(_)) => {}
                Err(error) => return Err(StreamError::Commit(error)),
            }
        }
        Err(StreamError::Throttled("the account's settings are being changed"))
    }

    async fn account_row(&self, scope: &Scope) -> Result<(Commitment, Option<Lsn>), StreamError> {
        let Some(fact) = self.store.get(&AccountRow::key(scope)).await? else {
            return Ok((Commitment::default(), None));
        };
        let row = AccountRow::decode(&fact.value)?;
        let time = |ms: Option<i64>| ms.map(Timestamp::from_ms);
        let commitment = Commitment {
            started: time(row.started_ms),
            earliest_end: time(row.earliest_end_ms),
            ended: time(row.ended_ms),
        };
        Ok((commitment, Some(fact.version)))
    }
}

fn changed(before: Commitment, enabled: bool, now: Timestamp) -> Commitment {
    match (before.status(now), enabled) {
        (CommitmentStatus::Enabled, true)
        | (CommitmentStatus::Ending | CommitmentStatus::Disabled, false) => before,
        (CommitmentStatus::Ending, true) => Commitment { ended: None, ..before },
        (CommitmentStatus::Disabled, true) => {
            let earliest_end = Some(now.plus(COMMITMENT_MIN));
            Commitment { started: Some(now), earliest_end, ended: None }
        }
        (CommitmentStatus::Enabled, false) => {
            Commitment { ended: Some(now).max(before.earliest_end), ..before }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commitment_ends_no_earlier_than_it_may() {
        let at = |hours: u64| Timestamp::EPOCH.plus(Duration::from_secs(hours * 3600));
        let none = Commitment::default();
        assert_eq!(none.status(at(0)), CommitmentStatus::Disabled);
        assert_eq!(changed(none, false, at(0)), none);
        let begun = changed(none, true, at(1));
        assert_eq!((begun.status(at(1)), begun.earliest_end), (CommitmentStatus::Enabled, Some(at(25))));
        assert_eq!(changed(begun, true, at(2)), begun);
        let ending = changed(begun, false, at(2));
        assert_eq!(
            (ending.status(at(24)), ending.status(at(25))),
            (CommitmentStatus::Ending, CommitmentStatus::Disabled)
        );
        assert_eq!(changed(ending, true, at(3)), begun);
        assert_eq!(changed(begun, false, at(30)).ended, Some(at(30)));
        assert_eq!(changed(ending, true, at(30)).started, Some(at(30)));
    }
}
