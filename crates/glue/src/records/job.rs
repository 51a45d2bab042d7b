//! `JOB`, `RUN`, `RUN_SCRIPT`, `ACTIVE_RUN` and `TRIGGER` facts.

use std::collections::BTreeMap;

use headwater_base::Caller;
use minicbor::{Decode, Encode};

/// The value of a `JOB` fact.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct JobRecord {
    /// The definition in the service's spelling.
    #[n(0)]
    pub(crate) definition_json: String,
    #[n(1)]
    pub(crate) created_ms: i64,
    #[n(2)]
    pub(crate) updated_ms: i64,
}

/// On whose behalf something runs by itself.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct CallerRecord {
    #[n(0)]
    pub(crate) account: u64,
    #[n(1)]
    pub(crate) access_key: String,
    #[n(2)]
    pub(crate) user: String,
    #[n(3)]
    pub(crate) canonical_id: String,
}

impl CallerRecord {
    pub(crate) fn of(caller: &Caller) -> Self {
        Self {
            account: caller.account.number(),
            access_key: caller.access_key.clone(),
            user: caller.user.clone(),
            canonical_id: caller.canonical_id.clone(),
        }
    }

    /// The caller; `None` when the account is none.
    pub(crate) fn caller(&self) -> Option<Caller> {
        Some(Caller {
            account: headwater_base::AccountId::from_number(self.account).ok()?,
            access_key: self.access_key.clone(),
            user: self.user.clone(),
            canonical_id: self.canonical_id.clone(),
        })
    }
}

/// Where a run stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum RunState {
    #[n(0)]
    Starting,
    #[n(1)]
    Running,
    #[n(2)]
    Succeeded,
    #[n(3)]
    Failed,
    #[n(4)]
    Stopped,
    #[n(5)]
    TimedOut,
}

impl RunState {
    /// The state as the service writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Starting => "STARTING",
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Stopped => "STOPPED",
            Self::TimedOut => "TIMEOUT",
        }
    }
}

/// The value of a `RUN` fact.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct RunRecord {
    #[n(0)]
    pub(crate) state: RunState,
    /// Counted from 0.
    #[n(1)]
    pub(crate) attempt: u32,
    #[n(2)]
    pub(crate) started_ms: i64,
    #[n(3)]
    pub(crate) updated_ms: i64,
    #[n(4)]
    pub(crate) completed_ms: Option<i64>,
    /// The arguments the run was started with; the job's own are looked up when it begins.
    #[n(5)]
    pub(crate) arguments: BTreeMap<String, String>,
    #[n(6)]
    pub(crate) error: Option<String>,
    /// How many statements are done.
    #[n(7)]
    pub(crate) cursor: u32,
    #[n(8)]
    pub(crate) caller: CallerRecord,
    #[n(9)]
    pub(crate) timeout_minutes: u64,
    #[n(10)]
    pub(crate) trigger: Option<String>,
    #[n(11)]
    pub(crate) max_retries: u32,
}

/// The value of a `RUN_SCRIPT` fact: what the run does, fixed when it begins, so that a run that
/// is resumed does what it did before.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct ScriptRecord {
    #[n(0)]
    pub(crate) statements: Vec<String>,
    #[n(1)]
    pub(crate) database: String,
    #[n(2)]
    pub(crate) incremental_input: Option<String>,
    #[n(3)]
    pub(crate) output_location: Option<String>,
}

/// The value of an `ACTIVE_RUN` fact.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct ActiveRunRecord {
    /// Somebody asked it to stop.
    #[n(0)]
    pub(crate) stopping: bool,
}

/// The value of a `TRIGGER` fact.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct TriggerRecord {
    /// The definition in the service's spelling.
    #[n(0)]
    pub(crate) definition_json: String,
    /// On whose behalf it starts things.
    #[n(1)]
    pub(crate) caller: CallerRecord,
    /// When it is due next, while it is activated and scheduled.
    #[n(2)]
    pub(crate) due_ms: Option<i64>,
    #[n(3)]
    pub(crate) activated: bool,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::records::{decode, encode};
    use headwater_store::{Key, Kind};

    fn caller() -> CallerRecord {
        CallerRecord { account: 1, access_key: "A".into(), user: "u".into(), canonical_id: "c".into() }
    }

    #[test]
    fn golden_bytes_of_version_1() {
        let job = JobRecord { definition_json: "{}".into(), created_ms: 1, updated_ms: 2 };
        assert_eq!(hex::encode(encode(&job)), "0183627b7d0102");
        let run = RunRecord {
            state: RunState::Running,
            attempt: 1,
            started_ms: 2,
            updated_ms: 3,
            completed_ms: Some(4),
            arguments: BTreeMap::from([("a".into(), "b".into())]),
            error: None,
            cursor: 5,
            caller: caller(),
            timeout_minutes: 6,
            trigger: Some("t".into()),
            max_retries: 7,
        };
        assert_eq!(hex::encode(encode(&run)), "018c0101020304a161616162f605840161416175616306617407");
        let script = ScriptRecord {
            statements: vec!["s".into()],
            database: "d".into(),
            incremental_input: Some("i".into()),
            output_location: None,
        };
        assert_eq!(hex::encode(encode(&script)), "01838161736164 6169".replace(' ', ""));
        assert_eq!(hex::encode(encode(&ActiveRunRecord { stopping: true })), "0181f5");
        let trigger = TriggerRecord {
            definition_json: "{}".into(),
            caller: caller(),
            due_ms: Some(9),
            activated: true,
        };
        assert_eq!(hex::encode(encode(&trigger)), "0184627b7d8401614161756163 09f5".replace(' ', ""));
    }

    proptest! {
        #[test]
        fn runs_read_back(attempt: u32, times: (i64, i64, Option<i64>), arguments: BTreeMap<String, String>,
            error: Option<String>, cursor: u32, timeout_minutes: u64, trigger: Option<String>, max_retries: u32) {
            let record = RunRecord {
                state: RunState::Failed, attempt, started_ms: times.0, updated_ms: times.1, completed_ms: times.2,
                arguments, error, cursor, caller: caller(), timeout_minutes, trigger, max_retries,
            };
            let key = Key::of(Kind(0)).build();
            prop_assert_eq!(decode::<RunRecord>(&key, &encode(&record)).unwrap(), record);
        }

        #[test]
        fn scripts_and_triggers_read_back(statements: Vec<String>, database: String, input: Option<String>,
            json: String, due_ms: Option<i64>, activated: bool) {
            let key = Key::of(Kind(0)).build();
            let script = ScriptRecord { statements, database, incremental_input: input.clone(), output_location: input };
            prop_assert_eq!(decode::<ScriptRecord>(&key, &encode(&script)).unwrap(), script);
            let trigger = TriggerRecord { definition_json: json, caller: caller(), due_ms, activated };
            prop_assert_eq!(decode::<TriggerRecord>(&key, &encode(&trigger)).unwrap(), trigger);
        }
    }
}
