//! Room on the disk, throttling, backup, verify and repair.

use std::time::Duration;

use headwater_base::{ByteSize, OnceToken};
use headwater_store::embedded::{self, OpenError, StoreOptions};
use headwater_store::{Commit, CommitError, batch_for_tests};

use crate::harness::{Node, key};

fn batch(n: usize) -> bytes::Bytes {
    batch_for_tests(1, &vec![n as u8; 4000])
}

/// Fills the store until it refuses, frees room, and goes on.
async fn fill_and_free(node: &Node) {
    for round in 0..3 {
        let log = node.log().await;
        let mut appended = 0_usize;
        let refused = loop {
            match node.store.commit(Commit::new().append(log, batch(appended))).await {
                Ok(_) => appended += 1,
                Err(error) => break error,
            }
            assert!(appended < 100_000, "it never refused");
        };
        assert!(matches!(refused, CommitError::Full), "{refused}");
        assert!(node.store.status().full);
        assert!(appended > if round == 0 { 100 } else { 0 }, "round {round}: refused after {appended}");
        // What was acknowledged is there, and reading goes on.
        assert_eq!(node.store.bounds(log).await.unwrap().end, appended as i64);
        assert_eq!(node.store.read(log, 7, 1).await.unwrap()[0].payload, batch(7));
        // Commits that free space are let in, and make it go on.
        node.store
            .commit(Commit::new().put(key(1), "position").trim(log, appended as i64).freeing())
            .await
            .unwrap();
        node.until(|node| !node.store.status().full).await;
        node.store.commit(Commit::new().drop_log(log).freeing()).await.unwrap();
        node.until(|node| node.store.status().segments == 0).await;
    }
}

#[tokio::test]
async fn a_full_quota_refuses_and_recovers_without_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { quota: Some(ByteSize::mib(16)), ..StoreOptions::small() };
    let node = Node::open(dir.path(), options).unwrap();
    fill_and_free(&node).await;
    node.close().await;
}

/// On a small tmpfs, where mounting is allowed; elsewhere the quota above stands in for it.
#[tokio::test]
async fn a_full_disk_refuses_and_recovers_without_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mount = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=20m", "headwater-test"])
        .arg(dir.path())
        .output();
    if !mount.is_ok_and(|output| output.status.success()) {
        eprintln!("mounting is not allowed here; the test with a quota stands in");
        return;
    }
    let node = Node::open(&dir.path().join("store"), StoreOptions::small()).unwrap();
    fill_and_free(&node).await;
    node.close().await;
    let unmounted = std::process::Command::new("umount").arg(dir.path()).status().unwrap();
    assert!(unmounted.success());
}

#[tokio::test]
async fn appends_are_throttled_until_they_are_settled_and_facts_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { unsettled: ByteSize::kib(600), ..StoreOptions::small() };
    let node = Node::open(dir.path(), options).unwrap();
    let log = node.log().await;
    // Far more than the bound, from many callers: all get in, because the settler makes room.
    let appends = (0..1000).map(|n| node.store.commit(Commit::new().append(log, batch(n))));
    for outcome in futures::future::join_all(appends).await {
        match outcome {
            Ok(_) | Err(CommitError::Busy) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert!(node.store.status().segments > 0);
    let end = node.store.bounds(log).await.unwrap().end;
    assert!(end > 300, "{end}");
    node.store.commit(Commit::new().put(key(1), "x")).await.unwrap();
    node.close().await;
}

async fn fill(node: &Node) -> headwater_store::LogId {
    let log = node.log().await;
    for n in 0..600 {
        let commit =
            Commit::new().put(key(n), vec![n as u8; 50]).append(log, batch(n as usize)).add(key(9_999), 1);
        node.store.commit(commit).await.unwrap();
    }
    node.store.commit(Commit::new().trim(log, 10).once(OnceToken([5; 16]))).await.unwrap();
    log
}

#[tokio::test]
async fn a_backup_opens_as_the_store_was_and_the_store_goes_on() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let to = other.path().join("copy");
    let node = Node::small(dir.path());
    let log = fill(&node).await;
    let gone = node.log().await;
    node.store.commit(Commit::new().drop_log(gone)).await.unwrap();
    let (backup, copy_to) = (node.backup.clone(), to.clone());
    let copying = tokio::task::spawn_blocking(move || backup.copy_to(&copy_to));
    let report = copying.await.unwrap().unwrap();
    node.store.commit(Commit::new().put(key(1), "after the backup").append(log, batch(1))).await.unwrap();
    let refused = node.backup.copy_to(&to);
    assert!(refused.is_err(), "a backup never overwrites");
    node.close().await;

    let verified = embedded::verify(&to).unwrap();
    assert_eq!(verified.problems, []);
    let copy = Node::small(&to);
    assert!(copy.recovered.clean);
    assert_eq!(copy.recovered.last, report.lsn);
    assert_eq!(report.batches, 590);
    for n in 0..600 {
        assert_eq!(copy.get(n).await, Some(vec![n as u8; 50]));
    }
    let bounds = copy.store.bounds(log).await.unwrap();
    assert_eq!((bounds.start, bounds.end), (10, 600));
    for n in [10, 300, 599] {
        assert_eq!(copy.store.read(log, n, 1).await.unwrap()[0].payload, batch(n as usize));
    }
    assert!(
        copy.store.commit(Commit::new().put(key(2), "x").once(OnceToken([5; 16]))).await.unwrap().duplicate
    );
    assert!(matches!(copy.store.commit(Commit::new().create_log(gone)).await, Err(CommitError::Conflict(_))));
    assert!(copy.store.new_log_id() > gone);
    let appended = copy.store.commit(Commit::new().append(log, batch(0))).await.unwrap();
    assert_eq!(appended.appended[0].base_offset, 600);
    copy.crash().await;
    let copy = Node::small(&to);
    assert_eq!(copy.store.bounds(log).await.unwrap().end, 601);
    copy.close().await;
}

/// What the index says may be older than the journal: a crash leaves it so.
#[tokio::test]
async fn verify_knows_what_only_the_journal_says() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::small(dir.path());
    let log = fill(&node).await;
    node.close().await;
    let index = tempfile::tempdir().unwrap();
    copy_dir(&dir.path().join("index"), index.path());
    // The index is not persisted any more, and loses what comes now: facts, and that segments went.
    let hour = std::time::Duration::from_secs(3600);
    let large = ByteSize::mib(16);
    let options = StoreOptions {
        journal_first_file: large,
        journal_file: large,
        settle_after: hour,
        persist_every: hour,
        persist_bytes: ByteSize::gib(1),
        ..StoreOptions::small()
    };
    let node = Node::open(dir.path(), options).unwrap();
    assert!(node.store.status().segments > 0);
    node.store.commit(Commit::new().delete(key(3)).put(key(2_000), "new").drop_log(log)).await.unwrap();
    node.until(|node| node.store.status().segments == 0).await;
    node.crash().await;
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    copy_dir(index.path(), &dir.path().join("index"));

    let prefix = headwater_store::Key::of(headwater_store::Kind(0x0f01)).build();
    let report = embedded::verify_also(dir.path(), &[prefix], |keys| {
        assert!(keys.contains(&key(2_000)) && keys.contains(&key(4)) && !keys.contains(&key(3)));
        vec![embedded::Problem { file: "elsewhere".into(), position: 7, what: "is missing".into() }]
    });
    let problems: Vec<_> = report.unwrap().problems.into_iter().map(|problem| problem.what).collect();
    assert_eq!(problems, ["is missing"]);
    Node::small(dir.path()).close().await;
}

fn copy_dir(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_dir(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[tokio::test]
async fn verify_reads_everything_and_repair_says_what_it_costs() {
    let dir = tempfile::tempdir().unwrap();
    // Large files that stay open for long, so that the damage lies in the middle of one that nothing has
    // settled, however slow the disk is.
    let node = Node::open(
        dir.path(),
        StoreOptions {
            journal_first_file: ByteSize::mib(4),
            journal_file: ByteSize::mib(4),
            journal_file_batches: 10_000,
            settle_after: Duration::from_secs(600),
            ..StoreOptions::small()
        },
    )
    .unwrap();
    let log = fill(&node).await;
    node.crash().await;
    let report = embedded::verify(dir.path()).unwrap();
    assert_eq!(report.problems, []);
    assert!(report.journal_groups > 0 && report.facts > 0 && report.batches > 0);

    let journal = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let journal = journal.filter(|path| path.extension().is_some_and(|end| end == "hwj")).min().unwrap();
    let mut bytes = std::fs::read(&journal).unwrap();
    bytes[1_000_000] ^= 0x10;
    std::fs::write(&journal, bytes).unwrap();
    let refused = Node::open(dir.path(), StoreOptions::small());
    assert!(matches!(refused.as_ref().err(), Some(OpenError::Corrupt { .. })), "{:?}", refused.err());
    assert!(!embedded::verify(dir.path()).unwrap().problems.is_empty());
    let plan = embedded::plan_repair(dir.path()).unwrap();
    assert!(plan.lost_commits > 0 && plan.first_lost.is_some() && plan.losses.len() == 1, "{plan:?}");
    let planned_again = embedded::plan_repair(dir.path()).unwrap();
    assert_eq!(plan, planned_again, "planning changes nothing");
    assert_eq!(embedded::repair(dir.path()).unwrap(), plan);
    let node = Node::small(dir.path());
    assert_eq!(node.store.bounds(log).await.unwrap().end, 600);
    // The index had taken in the facts before the damage: they are not given up.
    for n in 0..600 {
        assert_eq!(node.get(n).await, Some(vec![n as u8; 50]), "{n}");
    }
    assert_eq!(node.store.read(log, 599, 1).await.unwrap()[0].payload, batch(599));
    assert_eq!(node.store.read(log, 20, 1).await.unwrap()[0].payload, batch(20));
    node.close().await;
    assert_eq!(embedded::plan_repair(dir.path()).unwrap(), embedded::RepairPlan::default());
    assert!(dir.path().join("damaged").join(journal.file_name().unwrap()).exists());
}

/// A repair gives up what the journal can't tell any more, and not what the index holds of it.
#[tokio::test]
async fn a_repair_keeps_the_facts_that_the_index_holds() {
    let dir = tempfile::tempdir().unwrap();
    let file = ByteSize::mib(64);
    let options = StoreOptions { journal_first_file: file, journal_file: file, ..StoreOptions::small() };
    let node = Node::open(dir.path(), options).unwrap();
    let put = async |n: u32| node.store.commit(Commit::new().put(key(n), vec![n as u8; 300])).await.unwrap();
    let (flushed, clock, mut n) =
        (dir.path().join("index/FLUSHED"), headwater_base::Seams::system().clock, 0);
    while !flushed.exists() {
        assert!(n < 10_000, "the index was never flushed");
        put(n).await;
        n += 1;
        clock.sleep(Duration::from_millis(1)).await;
    }
    for more in n..n + 20 {
        put(more).await;
    }
    node.crash().await;
    let journal = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let journal = journal.filter(|path| path.extension().is_some_and(|end| end == "hwj")).min().unwrap();
    let mut bytes = std::fs::read(&journal).unwrap();
    let damaged = [(n + 10) as u8; 300];
    let at = bytes.windows(300).rposition(|window| window == damaged).unwrap();
    bytes[at] ^= 0x10;
    std::fs::write(&journal, bytes).unwrap();
    assert!(matches!(Node::open(dir.path(), StoreOptions::small()), Err(OpenError::Corrupt { .. })));
    assert_eq!(embedded::repair(dir.path()).unwrap().lost_commits, 1);
    let node = Node::small(dir.path());
    for n in 0..n + 20 {
        assert_eq!(node.get(n).await, Some(vec![n as u8; 300]), "{n}");
    }
    node.close().await;
}
