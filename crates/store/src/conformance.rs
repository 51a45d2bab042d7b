//! The conformance suite: what every backend must do. Backends run it in their tests.
//!
//! Each case takes an empty store and panics with what was wrong. [`CASES`] lists them all, so a
//! backend that runs the list runs new cases, too.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use headwater_base::{OnceToken, Timestamp};

use crate::{
    Commit, CommitError, Committed, Direction, Key, KeyRange, Kind, LogId, Lsn, Store, StoreError,
    WatchTarget, batch_for_tests,
};

/// One case: its name and what it does to an empty store.
pub type Case = (&'static str, fn(Arc<dyn Store>) -> BoxFuture<'static, ()>);

/// Every case.
pub const CASES: &[Case] = &[
    ("facts are put, read, versioned and deleted", |s| facts(s).boxed()),
    ("expects hold or conflict", |s| expects(s).boxed()),
    ("put_if_absent never conflicts", |s| put_if_absent(s).boxed()),
    ("adds merge and cannot be expected", |s| adds(s).boxed()),
    ("a refused commit leaves nothing behind", |s| all_or_nothing(s).boxed()),
    ("scans are ordered, bounded and go both ways", |s| scans(s).boxed()),
    ("snapshots stand still", |s| snapshots(s).boxed()),
    ("offsets are assigned in order without gaps", |s| appends(s).boxed()),
    ("nothing is appended after a guard moved", |s| guarded_appends(s).boxed()),
    ("reads begin at the batch that holds the offset", |s| reads(s).boxed()),
    ("logs are trimmed and dropped, ids never reused", |s| log_lives(s).boxed()),
    ("batches that lie are refused", |s| malformed(s).boxed()),
    ("a token is honoured once", |s| once(s).boxed()),
    ("offsets are found by time", |s| times(s).boxed()),
    ("watches are level-triggered", |s| watches(s).boxed()),
    ("concurrent commits serialise", |s| concurrency(s).boxed()),
    ("a dropped commit runs to its end", |s| dropped(s).boxed()),
    ("a wipe forgets all but what is kept", |s| wipes(s).boxed()),
    ("bounds on sizes are kept", |s| limits(s).boxed()),
    ("a closed store says so", |s| closed(s).boxed()),
];

fn key(name: &str) -> Key {
    Key::of(Kind(0x0f01)).str(name).build()
}

fn all() -> KeyRange {
    KeyRange::prefix(&Key::of(Kind(0x0f01)).build())
}

async fn done(store: &Arc<dyn Store>, commit: Commit) -> Committed {
    store.commit(commit).await.expect("this commit must happen")
}

async fn value(store: &Arc<dyn Store>, name: &str) -> Option<Bytes> {
    store.get(&key(name)).await.expect("reads succeed").map(|fact| fact.value)
}

async fn log(store: &Arc<dyn Store>) -> LogId {
    let log = store.new_log_id();
    done(store, Commit::new().create_log(log)).await;
    log
}

async fn facts(store: Arc<dyn Store>) {
    assert_eq!(value(&store, "a").await, None);
    let first = done(&store, Commit::new().put(key("a"), "1").put(key("b"), "2")).await;
    let fact = store.get(&key("a")).await.expect("reads succeed").expect("it was put");
    assert_eq!((fact.value.as_ref(), fact.version), (&b"1"[..], first.lsn));
    let second = done(&store, Commit::new().put(key("a"), "3").delete(key("b"))).await;
    assert!(second.lsn > first.lsn);
    assert!(second.append_time >= first.append_time);
    let fact = store.get(&key("a")).await.expect("reads succeed").expect("it was put");
    assert_eq!((fact.value.as_ref(), fact.version), (&b"3"[..], second.lsn));
    assert_eq!(value(&store, "b").await, None);
    done(&store, Commit::new().put(key("a"), "4").put(key("a"), "5").put(key("c"), "6").delete(key("c")))
        .await;
    assert_eq!(value(&store, "a").await.as_deref(), Some(&b"5"[..]));
    assert_eq!(value(&store, "c").await, None);
    let large = vec![7; 128 << 10];
    done(&store, Commit::new().put(key("large"), large.clone())).await;
    assert_eq!(value(&store, "large").await, Some(large.into()));
    let nothing = done(&store, Commit::new().delete(key("never"))).await;
    assert!(nothing.appended.is_empty() && !nothing.duplicate);
}

async fn expects(store: Arc<dyn Store>) {
    let first = done(&store, Commit::new().expect_absent(key("a")).put(key("a"), "1")).await.lsn;
    done(&store, Commit::new().expect(key("a"), first).expect_present(key("a")).put(key("b"), "2")).await;
    let conflict = |commit: Commit| {
        let store = Arc::clone(&store);
        async move {
            match store.commit(commit).await {
                Err(CommitError::Conflict(at)) => at,
                other => panic!("expected a conflict, got {other:?}"),
            }
        }
    };
    assert_eq!(conflict(Commit::new().expect(key("a"), Lsn(first.0 + 1)).put(key("x"), "")).await, key("a"));
    assert_eq!(conflict(Commit::new().expect_absent(key("b")).put(key("x"), "")).await, key("b"));
    assert_eq!(conflict(Commit::new().expect_present(key("x")).put(key("x"), "")).await, key("x"));
    done(&store, Commit::new().put(key("a"), "1")).await;
    assert_eq!(conflict(Commit::new().expect(key("a"), first).put(key("x"), "")).await, key("a"));
    assert_eq!(value(&store, "x").await, None);
}

async fn put_if_absent(store: Arc<dyn Store>) {
    let first = done(&store, Commit::new().put_if_absent(key("a"), "1")).await.lsn;
    done(&store, Commit::new().put_if_absent(key("a"), "2").put(key("b"), "3")).await;
    let fact = store.get(&key("a")).await.expect("reads succeed").expect("it was put");
    assert_eq!((fact.value.as_ref(), fact.version), (&b"1"[..], first));
    assert_eq!(value(&store, "b").await.as_deref(), Some(&b"3"[..]));
}

async fn adds(store: Arc<dyn Store>) {
    let racing = (1..=50).map(|n| store.commit(Commit::new().add(key("n"), n)));
    for outcome in futures::future::join_all(racing).await {
        outcome.expect("adds do not conflict");
    }
    assert_eq!(value(&store, "n").await.as_deref(), Some(&1275_i64.to_le_bytes()[..]));
    let version = store.get(&key("n")).await.expect("reads succeed").expect("it is there").version;
    let expected = store.commit(Commit::new().expect(key("n"), version).put(key("x"), "")).await;
    assert!(matches!(expected, Err(CommitError::Malformed(_))), "{expected:?}");
    done(&store, Commit::new().put(key("text"), "not a number")).await;
    let added = store.commit(Commit::new().add(key("text"), 1)).await;
    assert!(matches!(added, Err(CommitError::Malformed(_))), "{added:?}");
}

async fn all_or_nothing(store: Arc<dyn Store>) {
    let log = log(&store).await;
    let nowhere = store.new_log_id();
    let commit = Commit::new()
        .put(key("a"), "1")
        .append(log, batch_for_tests(3, b"x"))
        .append(nowhere, batch_for_tests(1, b"y"));
    assert!(matches!(store.commit(commit).await, Err(CommitError::NoSuchLog(at)) if at == nowhere));
    assert_eq!(value(&store, "a").await, None);
    assert_eq!(store.bounds(log).await.expect("the log is there").end, 0);
}

async fn scans(store: Arc<dyn Store>) {
    let names: Vec<String> = (0..300).map(|n| format!("{n:03}")).collect();
    let commit = names.iter().fold(Commit::new(), |commit, name| commit.put(key(name), name.clone()));
    let lsn = done(&store, commit.put(Key::of(Kind(0x0f02)).build(), "outside")).await.lsn;
    let listed = async |range: KeyRange, limit, direction| -> Vec<Bytes> {
        let rows = store.scan(&range, limit, direction).await.expect("scans succeed");
        assert!(rows.iter().all(|row| row.fact.version == lsn && range.contains(&row.key)));
        rows.into_iter().map(|row| row.fact.value).collect()
    };
    assert_eq!(listed(all(), 1000, Direction::Forward).await, names);
    let backward: Vec<_> = names.iter().rev().cloned().collect();
    assert_eq!(listed(all(), 1000, Direction::Backward).await, backward);
    assert_eq!(listed(all(), 2, Direction::Forward).await, &names[..2]);
    assert_eq!(listed(all(), 2, Direction::Backward).await, &backward[..2]);
    assert_eq!(listed(all().after(&key("297")), 9, Direction::Forward).await, &names[298..]);
    let middle = KeyRange { start: key("100"), end: Some(key("103")) };
    assert_eq!(listed(middle, 9, Direction::Forward).await, &names[100..103]);
    let inverted = KeyRange { start: key("2"), end: Some(key("1")) };
    assert!(listed(inverted, 9, Direction::Forward).await.is_empty());
    assert!(listed(all(), 0, Direction::Forward).await.is_empty());
}

async fn snapshots(store: Arc<dyn Store>) {
    let first = done(&store, Commit::new().put(key("a"), "1").put(key("b"), "1")).await.lsn;
    let snapshot = store.snapshot().await.expect("snapshots succeed");
    assert_eq!(snapshot.lsn(), first);
    done(&store, Commit::new().put(key("a"), "2").delete(key("b")).put(key("c"), "2")).await;
    let fact = snapshot.get(&key("a")).await.expect("reads succeed").expect("it was there");
    assert_eq!((fact.value.as_ref(), fact.version), (&b"1"[..], first));
    let rows = snapshot.scan(&all(), 10, Direction::Forward).await.expect("scans succeed");
    assert_eq!(rows.iter().map(|row| row.key.clone()).collect::<Vec<_>>(), [key("a"), key("b")]);
    assert_eq!(snapshot.get(&key("c")).await.expect("reads succeed"), None);
    let newer = store.snapshot().await.expect("snapshots succeed");
    assert_eq!(newer.get(&key("b")).await.expect("reads succeed"), None);
}

async fn appends(store: Arc<dyn Store>) {
    let (a, b) = (log(&store).await, log(&store).await);
    assert_ne!(a, b);
    let commit = Commit::new()
        .append(a, batch_for_tests(2, b"1"))
        .append(b, batch_for_tests(3, b"2"))
        .append(a, batch_for_tests(4, b"3"));
    let committed = done(&store, commit).await;
    let places: Vec<_> = committed.appended.iter().map(|at| (at.log, at.base_offset, at.count)).collect();
    assert_eq!(places, [(a, 0, 2), (b, 0, 3), (a, 2, 4)]);
    let bounds = store.bounds(a).await.expect("the log is there");
    assert_eq!((bounds.start, bounds.end, bounds.last_append_time), (0, 6, committed.append_time));
    let racing = (0..40).map(|_| store.commit(Commit::new().append(a, batch_for_tests(2, b"r"))));
    let outcomes = futures::future::join_all(racing).await;
    let mut bases: Vec<i64> = outcomes
        .into_iter()
        .map(|outcome| outcome.expect("appends do not conflict").appended[0].base_offset)
        .collect();
    bases.sort_unstable();
    assert_eq!(bases, (0..40).map(|n| 6 + 2 * n).collect::<Vec<_>>());
}

async fn guarded_appends(store: Arc<dyn Store>) {
    let (log, guard) = (log(&store).await, key("open"));
    let open = done(&store, Commit::new().put(guard.clone(), "open")).await.lsn;
    let append = || Commit::new().append(log, batch_for_tests(1, b"r"));
    done(&store, append().expect(guard.clone(), open)).await;
    done(&store, append().expect_present(guard.clone())).await;
    // Entered one after the other, before the first is published.
    let close = store.commit(Commit::new().delete(guard.clone()));
    let late = [append().expect(guard.clone(), open), append().expect_present(guard.clone())];
    let late = futures::future::join_all(late.map(|commit| store.commit(commit)));
    let (closed, late) = futures::future::join(close, late).await;
    closed.expect("nothing speaks against closing");
    for refused in late {
        assert!(matches!(&refused, Err(CommitError::Conflict(key)) if *key == guard), "{refused:?}");
    }
    assert_eq!(store.bounds(log).await.expect("the log is there").end, 2);
}

async fn reads(store: Arc<dyn Store>) {
    let log = log(&store).await;
    let payload = |n: u32| batch_for_tests(2, &[n as u8; 100]);
    for n in 0..10 {
        done(&store, Commit::new().append(log, payload(n))).await;
    }
    let read = async |offset, bytes| store.read(log, offset, bytes).await.expect("reads succeed");
    let everything = read(0, usize::MAX).await;
    assert_eq!(everything.len(), 10);
    for (n, batch) in everything.iter().enumerate() {
        assert_eq!((batch.base_offset, batch.count), (2 * n as i64, 2));
        assert_eq!(batch.payload, payload(n as u32));
    }
    assert_eq!(read(5, 1).await, &everything[2..3]);
    let two = 2 * payload(0).len();
    assert_eq!(read(4, two).await, &everything[2..4]);
    assert_eq!(read(-7, 1).await, &everything[..1]);
    assert!(read(20, usize::MAX).await.is_empty());
    assert!(read(i64::MAX, usize::MAX).await.is_empty());
    let unknown = store.read(store.new_log_id(), 0, 1).await;
    assert!(matches!(unknown, Err(StoreError::NoSuchLog(_))));
}

async fn log_lives(store: Arc<dyn Store>) {
    let log = log(&store).await;
    for _ in 0..5 {
        done(&store, Commit::new().append(log, batch_for_tests(2, b"x"))).await;
    }
    done(&store, Commit::new().trim(log, 5)).await;
    let bounds = store.bounds(log).await.expect("the log is there");
    assert_eq!((bounds.start, bounds.end), (5, 10));
    // The batch that holds the start is still whole.
    assert_eq!(store.read(log, 0, 1).await.expect("reads succeed")[0].base_offset, 4);
    done(&store, Commit::new().trim(log, 3)).await;
    assert_eq!(store.bounds(log).await.expect("the log is there").start, 5);
    done(&store, Commit::new().trim(log, 99)).await;
    let bounds = store.bounds(log).await.expect("the log is there");
    assert_eq!((bounds.start, bounds.end), (10, 10));
    assert!(store.read(log, 0, 99).await.expect("reads succeed").is_empty());
    assert_eq!(
        done(&store, Commit::new().append(log, batch_for_tests(1, b"x"))).await.appended[0].base_offset,
        10
    );
    assert!(matches!(store.commit(Commit::new().create_log(log)).await, Err(CommitError::Conflict(_))));
    done(&store, Commit::new().drop_log(log)).await;
    assert!(matches!(store.read(log, 0, 1).await, Err(StoreError::NoSuchLog(at)) if at == log));
    let append = Commit::new().append(log, batch_for_tests(1, b"x"));
    assert!(matches!(store.commit(append).await, Err(CommitError::NoSuchLog(at)) if at == log));
    assert!(matches!(store.commit(Commit::new().create_log(log)).await, Err(CommitError::Conflict(_))));
}

async fn malformed(store: Arc<dyn Store>) {
    let log = log(&store).await;
    let mut old = batch_for_tests(1, b"x").to_vec();
    old[16] = 1;
    for bad in [Bytes::from_static(b"short"), batch_for_tests(0, b"x"), old.into()] {
        let refused = store.commit(Commit::new().append(log, bad)).await;
        assert!(matches!(refused, Err(CommitError::Malformed(_))), "{refused:?}");
    }
    assert_eq!(store.bounds(log).await.expect("the log is there").end, 0);
}

async fn once(store: Arc<dyn Store>) {
    let log = log(&store).await;
    let commit = || Commit::new().append(log, batch_for_tests(2, b"x")).once(OnceToken([7; 16]));
    let first = done(&store, commit()).await;
    assert!(!first.duplicate);
    let again = done(&store, commit()).await;
    assert_eq!(again, Committed { duplicate: true, ..first });
    assert_eq!(store.bounds(log).await.expect("the log is there").end, 2);
    let racing = (0..20).map(|_| store.commit(Commit::new().add(key("n"), 1).once(OnceToken([8; 16]))));
    let outcomes = futures::future::join_all(racing).await;
    let fresh =
        outcomes.into_iter().filter(|outcome| !outcome.as_ref().expect("all succeed").duplicate).count();
    assert_eq!(fresh, 1);
    assert_eq!(value(&store, "n").await.as_deref(), Some(&1_i64.to_le_bytes()[..]));
}

async fn times(store: Arc<dyn Store>) {
    let log = log(&store).await;
    let first = done(&store, Commit::new().append(log, batch_for_tests(3, b"x"))).await.append_time;
    let at = async |time| store.offset_at(log, time).await.expect("lookups succeed");
    assert_eq!(at(Timestamp::EPOCH).await, 0);
    assert_eq!(at(first).await, 0);
    assert_eq!(at(Timestamp::from_ms(first.ms() + 3_600_000)).await, 3);
    done(&store, Commit::new().trim(log, 2)).await;
    assert_eq!(at(Timestamp::EPOCH).await, 2);
}

async fn watches(store: Arc<dyn Store>) {
    let log = log(&store).await;
    let mut of_log = store.watch(WatchTarget::Log(log));
    let mut of_facts = store.watch(WatchTarget::Prefix(Key::of(Kind(0x0f01)).str_prefix("a").build()));
    assert_eq!(of_log.changed().now_or_never(), None);
    done(&store, Commit::new().put(key("b"), "elsewhere")).await;
    done(&store, Commit::new().append(log, batch_for_tests(1, b"x"))).await;
    done(&store, Commit::new().append(log, batch_for_tests(1, b"x"))).await;
    // An answer may overtake its wake-up by a moment, never the other way round.
    assert!(of_log.changed().await);
    assert_eq!(of_facts.changed().now_or_never(), None);
    done(&store, Commit::new().put(key("abc"), "here")).await;
    assert!(of_facts.changed().await);
    let late = store.watch(WatchTarget::Log(log));
    done(&store, Commit::new().append(log, batch_for_tests(1, b"x"))).await;
    let mut late = late;
    assert!(late.changed().await);
    store.close().await.expect("closing succeeds");
    while late.changed().await {}
    while of_log.changed().await {}
}

async fn concurrency(store: Arc<dyn Store>) {
    done(&store, Commit::new().put(key("n"), 0_u64.to_be_bytes().to_vec())).await;
    let increment = || async {
        for _ in 0..10 {
            loop {
                let fact = store.get(&key("n")).await.expect("reads succeed").expect("it is there");
                let n = u64::from_be_bytes(fact.value.as_ref().try_into().expect("eight bytes"));
                let commit = Commit::new()
                    .expect(key("n"), fact.version)
                    .put(key("n"), (n + 1).to_be_bytes().to_vec());
                match store.commit(commit).await {
                    Ok(_) => break,
                    Err(CommitError::Conflict(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    };
    futures::future::join_all((0..8).map(|_| increment())).await;
    assert_eq!(value(&store, "n").await.as_deref(), Some(&80_u64.to_be_bytes()[..]));
}

async fn dropped(store: Arc<dyn Store>) {
    let mut watch = store.watch(WatchTarget::Prefix(key("a")));
    let polled_once = store.commit(Commit::new().put(key("a"), "1")).now_or_never();
    drop(polled_once);
    assert!(watch.changed().await);
    assert_eq!(value(&store, "a").await.as_deref(), Some(&b"1"[..]));
}

async fn wipes(store: Arc<dyn Store>) {
    let log = log(&store).await;
    let token = OnceToken([9; 16]);
    let kept = Key::of(Kind(0x0f02)).str("kept").build();
    let commit =
        Commit::new().put(key("a"), "1").put(kept.clone(), "2").append(log, batch_for_tests(1, b"x"));
    let first = done(&store, commit.once(token)).await.lsn;
    let mut watch = store.watch(WatchTarget::Prefix(key("a")));
    let before = store.snapshot().await.expect("snapshots succeed");
    let generation = store.status().generation;
    store.wipe(&[Key::of(Kind(0x0f02)).build()]).await.expect("wipes succeed");
    assert!(watch.changed().await);
    assert_eq!(store.status().generation, generation + 1);
    assert_eq!(value(&store, "a").await, None);
    let fact = store.get(&kept).await.expect("reads succeed").expect("it was kept");
    assert_eq!((fact.value.as_ref(), fact.version), (&b"2"[..], first));
    assert!(matches!(store.bounds(log).await, Err(StoreError::NoSuchLog(_))));
    assert!(matches!(store.commit(Commit::new().create_log(log)).await, Err(CommitError::Conflict(_))));
    assert!(before.get(&key("a")).await.expect("reads succeed").is_some());
    drop(before);
    assert!(!done(&store, Commit::new().put(key("a"), "3").once(token)).await.duplicate);
    done(&store, Commit::new().expect(kept.clone(), first).put(kept.clone(), "4")).await;
    store.wipe(&[]).await.expect("wipes succeed");
    assert_eq!(store.get(&kept).await.expect("reads succeed"), None);
    let again = store.new_log_id();
    done(&store, Commit::new().create_log(again).append(again, batch_for_tests(1, b"x"))).await;
}

async fn limits(store: Arc<dyn Store>) {
    let too_large = |outcome: Result<Committed, CommitError>| {
        assert!(matches!(outcome, Err(CommitError::TooLarge { .. })), "{outcome:?}");
    };
    let value = vec![0; crate::limits::VALUE_BYTES_MAX + 1];
    too_large(store.commit(Commit::new().put(key("a"), value)).await);
    too_large(store.commit(Commit::new().put(key(&"k".repeat(crate::limits::KEY_BYTES_MAX)), "")).await);
    let log = log(&store).await;
    let batch = batch_for_tests(1, &vec![0; crate::limits::COMMIT_BYTES_MAX]);
    too_large(store.commit(Commit::new().put(key("a"), "").append(log, batch.clone())).await);
    too_large(store.commit(Commit::new().append(log, batch).append(log, batch_for_tests(1, b"x"))).await);
    let batch = batch_for_tests(1, &vec![0; crate::limits::APPEND_BYTES_MAX]);
    too_large(store.commit(Commit::new().append(log, batch)).await);
    for size in [crate::limits::COMMIT_BYTES_MAX, crate::limits::APPEND_BYTES_MAX] {
        let batch = batch_for_tests(1, &vec![5; size - 1000]);
        let at = done(&store, Commit::new().append(log, batch.clone())).await.appended[0].base_offset;
        assert_eq!(store.read(log, at, 1).await.expect("reads succeed")[0].payload, batch);
    }
}

async fn closed(store: Arc<dyn Store>) {
    done(&store, Commit::new().put(key("a"), "1")).await;
    store.close().await.expect("closing succeeds");
    assert!(matches!(store.commit(Commit::new().put(key("a"), "2")).await, Err(CommitError::Closed)));
    assert!(matches!(store.get(&key("a")).await, Err(StoreError::Closed)));
    store.close().await.expect("closing twice succeeds");
}
