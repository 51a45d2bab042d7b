//! What the crashing process does, and what must be true of whatever is left of it.
//!
//! A few tasks commit concurrently. Commit `n` of task `t` puts `n` under the task's key, appends `n` to
//! the task's log, and adds 1 to a counter shared by all; now and then it also trims the log, drops it
//! and begins another, or puts a large value. Between rounds the store crashes and is opened again, is
//! closed and opened again, or is wiped. So after any crash: key, log and counter agree (no half commit),
//! each task's number is at least what was acknowledged to it, and nothing of before a wipe is left once
//! the wipe was acknowledged.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{LazyLock, Mutex};

use bytes::Bytes;
use headwater_base::{Clock, OnceToken, Seams, Timestamp};
use headwater_store::embedded::{OpenError, StoreOptions};
use headwater_store::{Commit, Key, LogId, StoreError, batch_for_tests};

use crate::harness::{Node, key};

/// Tasks that commit at the same time.
pub const TASKS: usize = 4;
/// How many rounds the recorded process does.
pub const ROUNDS: u64 = 4;
const COUNTER: u32 = 9_000;
/// A task begins a new log with each commit whose number is a multiple of this.
const NEW_LOG: u64 = 25;
/// The first task puts a large value with each commit whose number is a multiple of this.
const LARGE: u64 = 5;
/// What it is at most: more than fits a journal file of this test.
const LARGE_BYTES: usize = 90 << 10;
/// What every other one is: several sectors, and less than the index engine compresses.
const MIDDLING_BYTES: usize = 3 << 10;
/// Says "wiped" in place of a task.
const WIPED: u64 = 0xFFFF;

/// What was promised: the generation, and the newest commit acknowledged to each task in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Acknowledged {
    generation: u64,
    numbers: [u64; TASKS],
}

fn options() -> StoreOptions {
    StoreOptions {
        journal_file: headwater_base::ByteSize::kib(64),
        journal_first_file: headwater_base::ByteSize::kib(64),
        persist_every: std::time::Duration::from_millis(20),
        settle_after: std::time::Duration::from_millis(50),
        ..StoreOptions::small()
    }
}

/// When this process began: tokens are remembered for ten minutes, and looking at every moment takes longer.
pub fn began() -> Timestamp {
    static BEGAN: LazyLock<Timestamp> = LazyLock::new(|| Seams::system().clock.now());
    *BEGAN
}

/// A clock that stands at that time.
fn seams(when: Timestamp) -> Seams {
    Seams { clock: Clock::manual(when), ..Seams::system() }
}

fn payload(n: u64) -> Bytes {
    let body = n.to_le_bytes().repeat(40 + (n as usize * 37) % 90);
    batch_for_tests(1, &body)
}

/// Bytes that do not compress.
fn large(n: u64) -> Bytes {
    let bytes = if n.is_multiple_of(2 * LARGE) { LARGE_BYTES } else { MIDDLING_BYTES };
    (0..bytes as u64).map(|i| ((i * (i + n)) >> 5) as u8).collect()
}

/// Works in `dir/store` for some rounds of `each` commits per task, writing each acknowledgement to
/// `dir/acks`, and stops without closing.
pub async fn run(dir: &Path, each: u64, rounds: u64) -> Acknowledged {
    let store = dir.join("store");
    let mut node = Node::open(&store, options()).unwrap();
    let acks = Mutex::new(File::create(dir.join("acks")).unwrap());
    for round in 0..rounds {
        let generation = node.store.status().generation;
        set_up(&node).await;
        futures::future::join_all((0..TASKS).map(|task| commits(&node, &acks, generation, task, each))).await;
        match round % 3 {
            _ if round + 1 == rounds => {}
            0 => {
                node.crash().await;
                node = Node::open(&store, options()).unwrap();
            }
            1 => {
                node.close().await;
                node = Node::open(&store, options()).unwrap();
            }
            _ => {
                node.store.wipe(&[]).await.unwrap();
                acknowledge(&acks, generation + 1, WIPED, 0);
            }
        }
    }
    let generation = node.store.status().generation;
    let mut acknowledged = Acknowledged { generation, ..Acknowledged::default() };
    for task in 0..TASKS {
        acknowledged.numbers[task] = number(&node, generation, task as u32).await;
    }
    node.crash().await;
    acknowledged
}

/// Opens what a crash left and tells everything it finds, as a reader is told: from then on it is promised.
pub async fn recover(dir: &Path, when: Timestamp) {
    let node = Node::open_with(&dir.join("store"), options(), seams(when)).unwrap();
    let acks = Mutex::new(File::options().append(true).create(true).open(dir.join("acks")).unwrap());
    let generation = node.store.status().generation;
    acknowledge(&acks, generation, WIPED, 0);
    for task in 0..TASKS {
        acknowledge(&acks, generation, task as u64, number(&node, generation, task as u32).await);
    }
    node.crash().await;
}

fn acknowledge(acks: &Mutex<File>, generation: u64, task: u64, n: u64) {
    let line = (generation << 48 | task << 32 | n).to_le_bytes();
    acks.lock().unwrap().write_all(&line).unwrap();
}

/// Gives every task its log, unless they have them.
async fn set_up(node: &Node) {
    let mut commit = Commit::new().expect_absent(log_key(0));
    for task in 0..TASKS {
        let log = node.store.new_log_id();
        commit = commit.create_log(log).put(log_key(task), log.0.to_le_bytes().to_vec());
    }
    if node.store.get(&log_key(0)).await.unwrap().is_none() {
        node.store.commit(commit).await.unwrap();
    }
}

async fn commits(node: &Node, acks: &Mutex<File>, generation: u64, task: usize, each: u64) {
    let mut log = log_of(node, task).await.unwrap();
    let done = number(node, generation, task as u32).await;
    for n in done + 1..=done + each {
        let mut commit = Commit::new();
        if n % NEW_LOG == 0 {
            let new = node.store.new_log_id();
            commit = commit.drop_log(log).create_log(new).put(log_key(task), new.0.to_le_bytes().to_vec());
            log = new;
        }
        commit = commit
            .put(key(task as u32), value(generation, n))
            .append(log, payload(n))
            .add(key(COUNTER), 1)
            .once(token(generation, task, n));
        if n % 10 == 0 {
            commit = commit.trim(log, start_of_log(n));
        }
        if task == 0 && n % LARGE == 0 {
            commit = commit.put(large_key(), large(n));
        }
        node.store.commit(commit).await.unwrap();
        acknowledge(acks, generation, task as u64, n);
    }
}

/// The number of the commit whose batch is the first in the task's log once commit `n` was made.
fn first_of_log(n: u64) -> u64 {
    (n / NEW_LOG * NEW_LOG).max(1)
}

/// Where the task's log starts once commit `n` was made.
fn start_of_log(n: u64) -> i64 {
    let trimmed_by = n / 10 * 10;
    let batches = (trimmed_by + 1).saturating_sub(first_of_log(n));
    (batches / 2) as i64
}

fn value(generation: u64, n: u64) -> Vec<u8> {
    (generation << 48 | n).to_le_bytes().to_vec()
}

fn token(generation: u64, task: usize, n: u64) -> OnceToken {
    let mut token = [task as u8; 16];
    token[1] = generation as u8;
    token[8..].copy_from_slice(&n.to_be_bytes());
    OnceToken(token)
}

fn log_key(task: usize) -> Key {
    key(8_000 + task as u32)
}

fn large_key() -> Key {
    key(7_001)
}

async fn log_of(node: &Node, task: usize) -> Option<LogId> {
    let fact = node.store.get(&log_key(task)).await.unwrap()?;
    Some(LogId(u64::from_le_bytes(fact.value.as_ref().try_into().unwrap())))
}

/// Reads acknowledgements back from the bytes of the file `acks`.
pub fn acknowledged(bytes: &[u8]) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    for line in bytes.chunks_exact(8) {
        let line = u64::from_le_bytes(line.try_into().unwrap());
        let (generation, task, n) = (line >> 48, line >> 32 & 0xFFFF, line & 0xFFFF_FFFF);
        if generation > acknowledged.generation {
            acknowledged = Acknowledged { generation, ..Acknowledged::default() };
        }
        if generation == acknowledged.generation && task != WIPED {
            let number = &mut acknowledged.numbers[task as usize];
            *number = n.max(*number);
        }
    }
    acknowledged
}

/// Opens the directory and checks everything, then commits once more.
pub async fn check(store: &Path, promised: &Acknowledged, when: &str) {
    let node = Node::open_with(store, options(), seams(began()));
    let node = node.unwrap_or_else(|error| panic!("{when}: {error:?}"));
    let generation = node.store.status().generation;
    assert!(generation >= promised.generation, "{when}: generation {generation}, promised {promised:?}");
    let mut sum = 0;
    for task in 0..TASKS {
        let n = number(&node, generation, task as u32).await;
        let at_least = if generation == promised.generation { promised.numbers[task] } else { 0 };
        assert!(n >= at_least, "{when}: task {task} was promised {at_least} and finds {n}");
        check_log(&node, task, n, when).await.unwrap_or_else(|error| panic!("{when}: {error}"));
        sum += n;
        if n > 0 {
            // A token is as durable as its commit.
            let again = Commit::new().put(key(99), "doubled").once(token(generation, task, n));
            assert!(node.store.commit(again).await.unwrap().duplicate, "{when}: token of task {task}");
        }
    }
    check_large(&node, number(&node, generation, 0).await, when).await;
    assert_eq!(number(&node, 0, COUNTER).await, sum, "{when}: half a commit");
    node.store.commit(Commit::new().put(key(7_000), "it goes on")).await.unwrap();
    node.crash().await;
}

/// The number under a key, which must be of this generation.
async fn number(node: &Node, generation: u64, n: u32) -> u64 {
    let value = node.get(n).await.map(|value| u64::from_le_bytes(value.try_into().unwrap()));
    assert!(
        value.is_none_or(|value| value >> 48 == generation),
        "{value:?} outlived the wipe to {generation}"
    );
    value.map_or(0, |value| value & 0xFFFF_FFFF)
}

async fn check_log(node: &Node, task: usize, n: u64, when: &str) -> Result<(), StoreError> {
    let Some(log) = log_of(node, task).await else {
        assert_eq!(n, 0, "{when}: a key without its log");
        return Ok(());
    };
    let bounds = node.store.bounds(log).await?;
    let first = first_of_log(n);
    assert_eq!(bounds.end, (n + 1 - first) as i64, "{when}: log and key of task {task} disagree");
    assert_eq!(bounds.start, start_of_log(n), "{when}: start of log {task}");
    let mut offset = bounds.start;
    while offset < bounds.end {
        let batches = node.store.read(log, offset, 1000).await?;
        assert!(!batches.is_empty(), "{when}: nothing at {offset} of {bounds:?}");
        for batch in batches {
            assert_eq!(batch.base_offset, offset, "{when}");
            assert_eq!(batch.payload, payload(first + offset as u64), "{when}: wrong bytes were served");
            offset += 1;
        }
    }
    Ok(())
}

async fn check_large(node: &Node, n: u64, when: &str) {
    let found = node.store.get(&large_key()).await.unwrap().map(|fact| fact.value);
    let due = (n >= LARGE).then(|| large(n / LARGE * LARGE));
    assert!(found == due, "{when}: the large value of commit {n} is another");
}

/// Opens a directory with a flipped bit in it: refusing is fine, and so is a reported torn tail; wrong
/// bytes are not, nor is a loss that nobody speaks of.
pub async fn check_damaged(store: &Path, promised: &Acknowledged, when: &str) {
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
    let generation = node.store.status().generation;
    assert!(generation == promised.generation || torn, "{when}: another generation");
    let mut sum = 0;
    for (task, promised) in promised.numbers.iter().enumerate() {
        let n = number(&node, generation, task as u32).await;
        assert!(n == *promised || torn, "{when}: task {task} lost {promised}, has {n}, and nobody said so");
        sum += n;
        match check_log(&node, task, n, when).await {
            Ok(()) | Err(StoreError::Corrupt(_)) => {}
            Err(error) => panic!("{when}: {error}"),
        }
    }
    assert_eq!(number(&node, 0, COUNTER).await, sum, "{when}: half a commit");
    node.crash().await;
}
