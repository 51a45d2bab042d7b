//! What is there after a reopening, clean or not.

use headwater_base::OnceToken;
use headwater_store::embedded::{OpenError, StoreOptions};
use headwater_store::{Commit, CommitError, StoreError, batch_for_tests};

use crate::harness::{Node, key};

/// Facts, logs, a counter and a token, through several openings and endings.
#[tokio::test]
async fn everything_is_there_after_closing_and_after_crashing() {
    for clean in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let node = Node::small(dir.path());
        assert!(node.recovered.fresh);
        let log = node.log().await;
        let mut last = node.recovered.last;
        let mut node = node;
        for round in 0..5_u32 {
            for n in 0..200 {
                let commit = Commit::new()
                    .put(key(n), vec![round as u8; 300])
                    .add(key(1_000_000), 1)
                    .append(log, batch_for_tests(2, &[n as u8; 500]));
                last = node.store.commit(commit).await.unwrap().lsn;
            }
            let once = Commit::new().add(key(2_000_000), 1).once(OnceToken([3; 16]));
            let once = node.store.commit(once).await.unwrap();
            assert_eq!(once.duplicate, round > 0);
            last = last.max(once.lsn);
            if clean {
                node.close().await
            } else {
                node.crash().await
            }
            node = Node::small(dir.path());
            assert!(node.recovered.last >= last, "{:?}", node.recovered);
            assert_eq!(node.recovered.clean, clean);
            for n in 0..200 {
                assert_eq!(node.get(n).await, Some(vec![round as u8; 300]));
            }
            let sum = i64::from(round + 1) * 200;
            assert_eq!(node.get(1_000_000).await, Some(sum.to_le_bytes().to_vec()));
            assert_eq!(node.get(2_000_000).await, Some(1_i64.to_le_bytes().to_vec()));
            assert_eq!(node.store.bounds(log).await.unwrap().end, sum * 2);
            check_log(&node, log, sum as usize).await;
            assert!(matches!(
                node.store.commit(Commit::new().create_log(log)).await,
                Err(CommitError::Conflict(_))
            ));
        }
        node.close().await;
    }
}

/// Nothing is committed between a clean closing, an opening and a crash; the old journal files are gone by
/// then, so the new one alone must say how far the journal was.
#[tokio::test]
async fn a_crash_before_the_first_commit_after_a_clean_closing_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::small(dir.path());
    let last = node.store.commit(Commit::new().put(key(1), vec![7; 300])).await.unwrap().lsn;
    node.close().await;
    for _ in 0..3 {
        let node = Node::small(dir.path());
        assert_eq!((node.recovered.last, node.get(1).await), (last, Some(vec![7; 300])));
        node.until(|_| journal_files(dir.path()) == 1).await;
        node.crash().await;
        assert!(headwater_store::embedded::verify(dir.path()).unwrap().problems.is_empty());
    }
    let node = Node::small(dir.path());
    assert!(node.store.commit(Commit::new().put(key(1), vec![8; 300])).await.unwrap().lsn > last);
    node.close().await;
    assert_eq!(Node::small(dir.path()).get(1).await, Some(vec![8; 300]));
}

fn journal_files(dir: &std::path::Path) -> usize {
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    std::fs::read_dir(dir).unwrap().map(name).filter(|name| name.ends_with(".hwj")).count()
}

async fn check_log(node: &Node, log: headwater_store::LogId, batches: usize) {
    let mut offset = 0;
    let mut seen = 0;
    loop {
        let read = node.store.read(log, offset, 10_000).await.unwrap();
        let Some(last) = read.last() else { break };
        for batch in &read {
            assert_eq!(batch.base_offset, 2 * seen as i64);
            assert_eq!(batch.payload, batch_for_tests(2, &[(seen % 200) as u8; 500]));
            seen += 1;
        }
        offset = last.next_offset();
    }
    assert_eq!(seen, batches);
}

/// The mark of the first closing knows the logs; only the journal says that they went; the mark of the
/// second closing must say so, too.
#[tokio::test]
async fn a_log_that_went_before_a_crash_stays_gone() {
    for wiped in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        // No marks but those of closing.
        let long = std::time::Duration::from_secs(3600);
        let open =
            || Node::open(dir.path(), StoreOptions { persist_every: long, ..StoreOptions::small() }).unwrap();
        let node = open();
        let (log, kept) = (node.log().await, node.log().await);
        let append = |log| Commit::new().append(log, batch_for_tests(1, b"record"));
        node.store.commit(append(log)).await.unwrap();
        node.store.commit(append(kept)).await.unwrap();
        node.close().await;
        let node = open();
        let brief = node.log().await;
        let drop_both = Commit::new().drop_log(log).drop_log(brief);
        if wiped {
            node.store.wipe(&[]).await.unwrap()
        } else {
            drop(node.store.commit(drop_both).await.unwrap())
        }
        node.crash().await;
        open().close().await;
        let node = open();
        for gone in [log, brief] {
            let bounds = node.store.bounds(gone).await;
            assert!(matches!(bounds, Err(StoreError::NoSuchLog(_))), "wiped {wiped}: {bounds:?}");
            let again = node.store.commit(Commit::new().create_log(gone)).await;
            assert!(matches!(again, Err(CommitError::Conflict(_))), "wiped {wiped}: {again:?}");
        }
        assert_eq!(node.store.bounds(kept).await.is_ok(), !wiped);
        node.close().await;
    }
}

/// What the index's engine keeps of its own to replay is not even read where our journal will do.
#[tokio::test]
async fn a_start_does_without_the_engines_journals() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::small(dir.path());
    let put = async |n: u32| node.store.commit(Commit::new().put(key(n), vec![n as u8; 300])).await.unwrap();
    let flushed = dir.path().join("index/FLUSHED");
    let (clock, mut n) = (headwater_base::Seams::system().clock, 0);
    while !flushed.exists() {
        assert!(n < 10_000, "the index was never flushed");
        put(n).await;
        n += 1;
        clock.sleep(std::time::Duration::from_millis(1)).await;
    }
    for more in n..n + 20 {
        put(more).await;
    }
    node.crash().await;
    let mut garbled = 0;
    for entry in std::fs::read_dir(dir.path().join("index")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "jnl") {
            std::fs::write(&path, [0xff; 100]).unwrap();
            garbled += 1;
        }
    }
    assert!(garbled > 0);
    for _ in 0..2 {
        let node = Node::small(dir.path());
        for n in 0..n + 20 {
            assert_eq!(node.get(n).await, Some(vec![n as u8; 300]), "{n}");
        }
        node.crash().await;
    }
}

/// A torn end is told also when a journal file that was prepared and never used comes after it.
#[tokio::test]
async fn a_torn_end_is_told() {
    let dir = tempfile::tempdir().unwrap();
    // Nothing rolls the file, and no mark tells the index what the journal then lacks.
    let long = std::time::Duration::from_secs(3600);
    let options = StoreOptions { settle_after: long, persist_every: long, ..StoreOptions::small() };
    let node = Node::open(dir.path(), options.clone()).unwrap();
    let log = node.log().await;
    for n in 0..12 {
        node.store.commit(Commit::new().append(log, batch_for_tests(1, &[100 + n; 3000]))).await.unwrap();
    }
    let journals = || {
        let files = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|end| end == "hwj")).collect::<Vec<_>>()
    };
    node.until(|_| journals().len() > 1).await;
    node.crash().await;
    let begun = journals().into_iter().min().unwrap();
    let mut bytes = std::fs::read(&begun).unwrap();
    let at = bytes.windows(3000).rposition(|window| window == [111; 3000]).unwrap();
    bytes[at] ^= 1;
    std::fs::write(&begun, bytes).unwrap();
    let node = Node::open(dir.path(), options).unwrap();
    assert!(node.recovered.torn_tail_bytes > 0, "{:?}", node.recovered);
    assert_eq!(node.store.bounds(log).await.unwrap().end, 11);
    node.close().await;
}

#[tokio::test]
async fn batches_settle_into_segments_and_files_are_recycled() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::small(dir.path());
    let (log, other) = (node.log().await, node.log().await);
    for n in 0..4000_u32 {
        let commit = Commit::new()
            .append(log, batch_for_tests(2, &[(n % 200) as u8; 500]))
            .append(other, batch_for_tests(1, b"quiet"));
        node.store.commit(commit).await.unwrap();
    }
    node.until(|node| node.store.status().segments > 0 && node.store.status().unsettled_bytes < 600_000)
        .await;
    check_log(&node, log, 4000).await;
    let journal_files = || {
        let names = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with("journal-")).count()
    };
    node.until(|_| journal_files() <= 4).await;
    // Trimming frees segments.
    node.store.commit(Commit::new().trim(log, 8000).drop_log(other).freeing()).await.unwrap();
    node.until(|node| node.store.status().segments == 0).await;
    node.crash().await;
    let node = Node::small(dir.path());
    let bounds = node.store.bounds(log).await.unwrap();
    assert_eq!((bounds.start, bounds.end), (8000, 8000));
    assert!(matches!(node.store.bounds(other).await, Err(StoreError::NoSuchLog(_))));
    node.close().await;
}

#[tokio::test]
async fn a_wipe_survives_reopening() {
    for clean in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let node = Node::small(dir.path());
        let log = node.log().await;
        node.store
            .commit(Commit::new().put(key(1), "gone").put(key(2), "kept").once(OnceToken([1; 16])))
            .await
            .unwrap();
        node.store.commit(Commit::new().append(log, batch_for_tests(1, b"x"))).await.unwrap();
        node.store.wipe(&[key(2)]).await.unwrap();
        node.store.commit(Commit::new().put(key(3), "new")).await.unwrap();
        if clean {
            node.close().await
        } else {
            node.crash().await
        }
        let node = Node::small(dir.path());
        assert_eq!(node.store.status().generation, 1);
        assert_eq!(node.get(1).await, None);
        assert_eq!(node.get(2).await.as_deref(), Some(&b"kept"[..]));
        assert_eq!(node.get(3).await.as_deref(), Some(&b"new"[..]));
        assert!(matches!(node.store.bounds(log).await, Err(StoreError::NoSuchLog(_))));
        let again = Commit::new().put(key(1), "again").once(OnceToken([1; 16]));
        assert!(!node.store.commit(again).await.unwrap().duplicate);
        node.close().await;
    }
}

#[tokio::test]
async fn a_directory_serves_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::small(dir.path());
    let second = Node::open(dir.path(), StoreOptions::small());
    assert!(matches!(second.err(), Some(OpenError::InUse(_))));
    node.close().await;
    Node::small(dir.path()).close().await;
}

#[tokio::test]
async fn log_ids_are_new_after_every_opening() {
    let dir = tempfile::tempdir().unwrap();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..4 {
        let node = Node::small(dir.path());
        for _ in 0..10 {
            assert!(seen.insert(node.store.new_log_id()));
        }
        node.crash().await;
    }
}
