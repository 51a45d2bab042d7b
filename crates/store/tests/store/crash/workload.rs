//! What the crashing process does, and what must be true of whatever is left of it.
//!
//! A few tasks commit concurrently. Commit `n` of task `t` puts `n` under the task's key, appends `n`
//! to the task's log, and adds 1 to a counter shared by all. So after any crash: key, log and counter
//! agree (no half commit), and each task's number is at least what was acknowledged to it.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use headwater_base::OnceToken;
use headwater_store::embedded::{OpenError, StoreOptions};
use headwater_store::{Commit, LogId, StoreError, batch_for_tests};

use crate::harness::{Node, key};

/// Tasks that commit at the same time.
pub const TASKS: usize = 4;
const COUNTER: u32 = 9_000;

/// The newest commit acknowledged to each task.
pub type Acknowledged = [u64; TASKS];

fn options() -> StoreOptions {
    StoreOptions {
        journal_file: headwater_base::ByteSize::kib(64),
        journal_first_file: headwater_base::ByteSize::kib(64),
        persist_every: std::time::Duration::from_millis(20),
        ..StoreOptions::small()
    }
}

fn payload(n: u64) -> bytes::Bytes {
    let body = n.to_le_bytes().repeat(40 + (n as usize * 37) % 90);
    batch_for_tests(1, &body)
}

/// Commits `each` times per task in `dir/store`, writing each acknowledgement to `dir/acks`, and stops without closing.
pub async fn run(dir: &Path, each: u64) -> Acknowledged {
    let node = Node::open(&dir.join("store"), options()).unwrap();
    let acks = Arc::new(Mutex::new(std::fs::File::create(dir.join("acks")).unwrap()));
    let mut setup = Commit::new();
    for task in 0..TASKS {
        let log = node.store.new_log_id();
        setup = setup.create_log(log).put(log_key(task), log.0.to_le_bytes().to_vec());
    }
    node.store.commit(setup).await.unwrap();
    let node = Arc::new(node);
    futures::future::join_all((0..TASKS).map(|task| commits(&node, &acks, task, each))).await;
    Arc::into_inner(node).unwrap().crash().await;
    [each; TASKS]
}

async fn commits(node: &Node, acks: &Mutex<std::fs::File>, task: usize, each: u64) {
    let log = log_of(node, task).await.unwrap();
    for n in 1..=each {
        let mut commit = Commit::new()
            .put(key(task as u32), n.to_le_bytes().to_vec())
            .append(log, payload(n))
            .add(key(COUNTER), 1)
            .once(token(task, n));
        if n % 10 == 0 {
            commit = commit.trim(log, (n / 2) as i64);
        }
        node.store.commit(commit).await.unwrap();
        let line = ((task as u64) << 32 | n).to_le_bytes();
        acks.lock().unwrap().write_all(&line).unwrap();
    }
}

fn token(task: usize, n: u64) -> OnceToken {
    let mut token = [task as u8; 16];
    token[8..].copy_from_slice(&n.to_be_bytes());
    OnceToken(token)
}

fn log_key(task: usize) -> headwater_store::Key {
    key(8_000 + task as u32)
}

async fn log_of(node: &Node, task: usize) -> Option<LogId> {
    let fact = node.store.get(&log_key(task)).await.unwrap()?;
    Some(LogId(u64::from_le_bytes(fact.value.as_ref().try_into().unwrap())))
}

/// Reads acknowledgements back from the bytes of the file `acks`.
pub fn acknowledged(bytes: &[u8]) -> Acknowledged {
    let mut acknowledged = [0; TASKS];
    for line in bytes.chunks_exact(8) {
        let line = u64::from_le_bytes(line.try_into().unwrap());
        acknowledged[(line >> 32) as usize] = line & 0xFFFF_FFFF;
    }
    acknowledged
}

/// Opens the directory and checks everything, then commits once more.
pub async fn check(store: &Path, acknowledged: &Acknowledged, when: &str) {
    let node = Node::open(store, options()).unwrap_or_else(|error| panic!("{when}: {error:?}"));
    let mut sum = 0;
    for (task, at_least) in acknowledged.iter().enumerate() {
        let n = number(&node, task as u32).await;
        assert!(n >= *at_least, "{when}: task {task} was promised {at_least} and finds {n}");
        check_log(&node, task, n, when).await.unwrap_or_else(|error| panic!("{when}: {error}"));
        sum += n;
        if n > 0 {
            // A token is as durable as its commit.
            let again = Commit::new().put(key(99), "doubled").once(token(task, n));
            assert!(node.store.commit(again).await.unwrap().duplicate, "{when}: token of task {task}");
        }
    }
    assert_eq!(number(&node, COUNTER).await, sum, "{when}: half a commit");
    node.store.commit(Commit::new().put(key(7_000), "it goes on")).await.unwrap();
    node.crash().await;
}

async fn number(node: &Node, n: u32) -> u64 {
    node.get(n).await.map_or(0, |value| u64::from_le_bytes(value.try_into().unwrap()))
}

async fn check_log(node: &Node, task: usize, n: u64, when: &str) -> Result<(), StoreError> {
    let Some(log) = log_of(node, task).await else {
        assert_eq!(n, 0, "{when}: a key without its log");
        return Ok(());
    };
    let bounds = node.store.bounds(log).await?;
    assert_eq!(bounds.end, n as i64, "{when}: log and key of task {task} disagree");
    assert_eq!(bounds.start, (n / 10 * 10 / 2) as i64, "{when}: start of log {task}");
    let mut offset = bounds.start;
    while offset < bounds.end {
        let batches = node.store.read(log, offset, 1000).await?;
        assert!(!batches.is_empty(), "{when}: nothing at {offset} of {bounds:?}");
        for batch in batches {
            assert_eq!(batch.base_offset, offset, "{when}");
            assert_eq!(batch.payload, payload(offset as u64 + 1), "{when}: wrong bytes were served");
            offset += 1;
        }
    }
    Ok(())
}

/// Opens a directory with a flipped bit in it: refusing is fine, and so is a reported torn tail; wrong
/// bytes are not, nor is a loss that nobody speaks of.
pub async fn check_damaged(store: &Path, acknowledged: &Acknowledged, when: &str) {
    let node = match Node::open(store, options()) {
        Ok(node) => node,
        Err(OpenError::Corrupt { .. } | OpenError::Format { .. }) => {
            headwater_store::embedded::verify(store).map_or_else(
                |error| {
                    assert!(
                        matches!(error, OpenError::Corrupt { .. } | OpenError::Format { .. }),
                        "{when}: {error}"
                    )
                },
                |report| {
                    assert!(!report.problems.is_empty(), "{when}: opening refuses, verify finds nothing")
                },
            );
            return;
        }
        Err(error) => panic!("{when}: {error:?}"),
    };
    let torn = node.recovered.torn_tail_bytes > 0;
    let mut sum = 0;
    for (task, promised) in acknowledged.iter().enumerate() {
        let n = number(&node, task as u32).await;
        assert!(n == *promised || torn, "{when}: task {task} lost {promised}, has {n}, and nobody said so");
        sum += n;
        match check_log(&node, task, n, when).await {
            Ok(()) | Err(StoreError::Corrupt(_)) => {}
            Err(error) => panic!("{when}: {error}"),
        }
    }
    assert_eq!(number(&node, COUNTER).await, sum, "{when}: half a commit");
    node.crash().await;
}
