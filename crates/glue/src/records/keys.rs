//! The keys of every fact of the face. Kinds are never reused.
//!
//! A run's id begins with the time it was started, newest first, so runs list as clients expect.

use headwater_base::{Arn, Scope};
use headwater_store::key::KeyBuilder;
use headwater_store::{Key, Kind};

/// By ARN: a resource's tags.
pub(crate) const TAGS: Kind = Kind(0x0600);
/// By account, region and name: a job.
pub(crate) const JOB: Kind = Kind(0x0610);
/// By account, region, job and id: a run.
pub(crate) const RUN: Kind = Kind(0x0611);
/// By account, region, job and id: present while a run is not at its end.
pub(crate) const ACTIVE_RUN: Kind = Kind(0x0612);
/// By account, region, job and id: what an active run does.
pub(crate) const RUN_SCRIPT: Kind = Kind(0x0613);
/// By account, region and name: written by every start of a job, so that no two count the active
/// runs at once.
pub(crate) const RUN_GATE: Kind = Kind(0x0614);
/// By account, region and name: a trigger.
pub(crate) const TRIGGER: Kind = Kind(0x0620);
/// By account, region and name: a crawler.
pub(crate) const CRAWLER: Kind = Kind(0x0630);
/// By account, region and name: present while a crawl is under way.
pub(crate) const CRAWL: Kind = Kind(0x0631);
/// By account, region and name: how the last crawl went.
pub(crate) const LAST_CRAWL: Kind = Kind(0x0632);
/// By time, account, region, kind (0 trigger, 1 crawler) and name: what is due then.
pub(crate) const DUE: Kind = Kind(0x0640);

fn scoped(kind: Kind, scope: &Scope) -> KeyBuilder {
    Key::of(kind).u64(scope.account.number()).str(scope.region.as_str())
}

pub(crate) fn tags(arn: &Arn) -> Key {
    Key::of(TAGS).str(&arn.to_string()).build()
}

/// A `JOB`, `RUN_GATE`, `TRIGGER`, `CRAWLER`, `CRAWL` or `LAST_CRAWL` fact.
pub(crate) fn named(kind: Kind, scope: &Scope, name: &str) -> Key {
    scoped(kind, scope).str(name).build()
}

/// All facts of such a kind in a scope.
pub(crate) fn all(kind: Kind, scope: &Scope) -> Key {
    scoped(kind, scope).build()
}

/// All facts of a kind.
pub(crate) fn everywhere(kind: Kind) -> Key {
    Key::of(kind).build()
}

/// A `RUN`, `ACTIVE_RUN` or `RUN_SCRIPT` fact.
pub(crate) fn run(kind: Kind, run: &RunKey) -> Key {
    scoped(kind, &run.scope).str(&run.job).str(&run.id).build()
}

/// All such facts of a job.
pub(crate) fn runs(kind: Kind, scope: &Scope, job: &str) -> Key {
    scoped(kind, scope).str(job).build()
}

/// Where a run is found.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct RunKey {
    pub(crate) scope: Scope,
    pub(crate) job: String,
    pub(crate) id: String,
}

/// The run of a `RUN`, `ACTIVE_RUN` or `RUN_SCRIPT` fact.
pub(crate) fn run_of(key: &Key) -> Option<RunKey> {
    let mut reader = key.reader();
    reader.kind()?;
    let scope = scope_of(&mut reader)?;
    Some(RunKey { scope, job: reader.str()?, id: reader.str()? })
}

/// Scope and name of a fact made by [`named`].
pub(crate) fn name_of(key: &Key) -> Option<(Scope, String)> {
    let mut reader = key.reader();
    reader.kind()?;
    Some((scope_of(&mut reader)?, reader.str()?))
}

fn scope_of(reader: &mut headwater_store::KeyReader<'_>) -> Option<Scope> {
    let account = headwater_base::AccountId::from_number(reader.u64()?).ok()?;
    Some(Scope::new(account, reader.str()?.parse().ok()?))
}

/// What can be due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DueKind {
    Trigger,
    Crawler,
}

pub(crate) fn due(due_ms: i64, scope: &Scope, kind: DueKind, name: &str) -> Key {
    let kind = match kind {
        DueKind::Trigger => 0,
        DueKind::Crawler => 1,
    };
    Key::of(DUE)
        .i64(due_ms)
        .u64(scope.account.number())
        .str(scope.region.as_str())
        .u32(kind)
        .str(name)
        .build()
}

/// What a `DUE` fact says.
pub(crate) fn due_of(key: &Key) -> Option<(i64, Scope, DueKind, String)> {
    let mut reader = key.reader();
    reader.kind()?;
    let due_ms = reader.i64()?;
    let scope = scope_of(&mut reader)?;
    let kind = match reader.u32()? {
        0 => DueKind::Trigger,
        1 => DueKind::Crawler,
        _ => return None,
    };
    Some((due_ms, scope, kind, reader.str()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_and_keep_their_bytes() {
        let scope = Scope::new("000000000042".parse().unwrap(), "eu-west-1".parse().unwrap());
        let region = "65752d776573742d310000";
        let hex = |key: &Key| hex::encode(key.as_bytes());
        assert_eq!(hex(&named(JOB, &scope, "j")), format!("0610000000000000002a{region}6a0000"));
        let key = RunKey { scope: scope.clone(), job: "j".into(), id: "r".into() };
        assert_eq!(hex(&run(RUN, &key)), format!("0611000000000000002a{region}6a0000720000"));
        assert_eq!(run_of(&run(ACTIVE_RUN, &key)), Some(key));
        let due_key = due(5, &scope, DueKind::Crawler, "c");
        assert_eq!(hex(&due_key), format!("06408000000000000005000000000000002a{region}00000001630000"));
        assert_eq!(due_of(&due_key), Some((5, scope.clone(), DueKind::Crawler, "c".into())));
        assert_eq!(name_of(&named(CRAWL, &scope, "c")), Some((scope, "c".into())));
        let arn = "arn:aws:glue:eu-west-1:000000000042:job/j".parse().unwrap();
        assert_eq!(&hex(&tags(&arn))[..4], "0600");
    }
}
