//! Measures the embedded store beside the raw disk, and prints a table.
//!
//! `cargo run -p headwater-store --example store_bench [directory] [seconds per row]`

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use headwater_base::{Clock, Seams};
use headwater_store::embedded::{self, StoreOptions};
use headwater_store::{Commit, Key, Kind, LogId, Store, batch_for_tests};

struct Row {
    what: String,
    per_second: f64,
    mb_per_second: f64,
    p50: Duration,
    p99: Duration,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let given = arguments.next();
    let seconds: f64 = arguments.next().map_or(1.5, |text| text.parse().expect("seconds are a number"));
    let temporary = tempfile::tempdir().expect("a temporary directory can be made");
    let dir = given.as_deref().map_or(temporary.path(), Path::new);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime can be built").block_on(run(dir, Duration::from_secs_f64(seconds)));
}

async fn run(dir: &Path, each: Duration) {
    println!("{:<44} {:>10} {:>9} {:>9} {:>9}", "", "per s", "MB/s", "p50 ms", "p99 ms");
    raw_disk(dir, 512, each);
    raw_disk(dir, 1 << 20, each);
    let clock = Seams::system().clock;
    let began = clock.monotonic();
    let store_dir = dir.join("bench-store");
    let node = open(&store_dir);
    println!("open an empty directory: {:?}", clock.monotonic() - began);
    for (callers, bytes, logs, records) in [
        (1, 200, 1, 1),
        (16, 200, 16, 1),
        (32, 200, 16, 1),
        (256, 200, 16, 1),
        (32, 200 * 500, 16, 500),
        (16, 1 << 20, 16, 1000),
        (32, 200, 1000, 1),
        (32, 200, 10_000, 1),
    ] {
        let ids = create_logs(&node, logs).await;
        let what =
            format!("append {records} x {} B, {callers} callers, {logs} logs", bytes / records as usize);
        let payload = batch_for_tests(records, &vec![7; bytes]);
        let store = Arc::clone(&node);
        let make = move |n: u64| Commit::new().append(ids[n as usize % ids.len()], payload.clone());
        measure(store, what, callers, bytes, each, Arc::new(make)).await.print();
    }
    for callers in [1, 32, 256] {
        let make = |n: u64| {
            Commit::new().put(Key::of(Kind(0x0f01)).u64(n.wrapping_mul(0x9E37_79B9)).build(), vec![1; 200])
        };
        let what = format!("put 200 B fact, {callers} callers");
        measure(Arc::clone(&node), what, callers, 200, each, Arc::new(make)).await.print();
    }
    reads(&node, each).await;
    println!("status: {:?}", node.status());
    drop(node);
    let began = clock.monotonic();
    let node = open(&store_dir);
    println!("reopen without an end mark: {:?}; memory {} MiB", clock.monotonic() - began, resident_mib());
    node.close().await.expect("closing succeeds");
    let _ = std::fs::remove_dir_all(&store_dir);
}

#[expect(clippy::disallowed_methods, reason = "a benchmark stands in for the crate that runs the loops")]
fn open(dir: &Path) -> Arc<dyn Store> {
    let opened = embedded::open(dir, StoreOptions::default(), Seams::system()).expect("the store opens");
    for one in opened.loops {
        tokio::spawn(one.run);
    }
    opened.store
}

async fn create_logs(store: &Arc<dyn Store>, count: usize) -> Vec<LogId> {
    let ids: Vec<LogId> = (0..count).map(|_| store.new_log_id()).collect();
    let commit = ids.iter().fold(Commit::new(), |commit, id| commit.create_log(*id));
    store.commit(commit).await.expect("logs can be created");
    ids
}

#[expect(clippy::disallowed_methods, reason = "a benchmark's callers are tasks of its own")]
async fn measure(
    store: Arc<dyn Store>,
    what: String,
    callers: u64,
    bytes: usize,
    each: Duration,
    make: Arc<dyn Fn(u64) -> Commit + Send + Sync>,
) -> Row {
    let clock = Seams::system().clock;
    let began = clock.monotonic();
    let caller = |c: u64| {
        let (store, make, clock) = (Arc::clone(&store), Arc::clone(&make), clock.clone());
        tokio::spawn(async move {
            let mut latencies = Vec::new();
            let mut n = c;
            while clock.monotonic() - began < each {
                let at = clock.monotonic();
                store.commit(make(n)).await.expect("commits succeed");
                latencies.push(clock.monotonic() - at);
                n += callers;
            }
            latencies
        })
    };
    let tasks: Vec<_> = (0..callers).map(caller).collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.expect("callers do not panic"));
    }
    Row::of(what, latencies, bytes, clock.monotonic() - began)
}

async fn reads(store: &Arc<dyn Store>, each: Duration) {
    let clock = Seams::system().clock;
    let began = clock.monotonic();
    let mut latencies = Vec::new();
    let mut n = 0_u64;
    while clock.monotonic() - began < each {
        let key = Key::of(Kind(0x0f01)).u64((n % 10_000).wrapping_mul(0x9E37_79B9)).build();
        let at = clock.monotonic();
        store.get(&key).await.expect("reads succeed");
        latencies.push(clock.monotonic() - at);
        n += 1;
    }
    Row::of("get a fact, 1 caller".into(), latencies, 200, clock.monotonic() - began).print();
}

fn raw_disk(dir: &Path, bytes: usize, each: Duration) {
    let clock: Clock = Seams::system().clock;
    let path = dir.join("raw");
    let file = std::fs::File::create(&path).expect("a file can be made");
    let block = vec![1; bytes];
    let blocks = (32 << 20) / bytes as u64;
    for n in 0..blocks {
        file.write_all_at(&block, n * bytes as u64).expect("the disk takes writes");
    }
    file.sync_all().expect("the disk syncs");
    let began = clock.monotonic();
    let mut latencies = Vec::new();
    let mut n = 0;
    while clock.monotonic() - began < each {
        let at = clock.monotonic();
        file.write_all_at(&block, (n % blocks) * bytes as u64).expect("the disk takes writes");
        file.sync_data().expect("the disk syncs");
        latencies.push(clock.monotonic() - at);
        n += 1;
    }
    let what = format!("raw pwrite + fdatasync of {bytes} B");
    Row::of(what, latencies, bytes, clock.monotonic() - began).print();
    let _ = std::fs::remove_file(path);
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or("0");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}

impl Row {
    fn of(what: String, mut latencies: Vec<Duration>, bytes: usize, took: Duration) -> Self {
        latencies.sort_unstable();
        let at = |part: usize| latencies.get(latencies.len() * part / 100).copied().unwrap_or_default();
        let per_second = latencies.len() as f64 / took.as_secs_f64();
        Self { what, per_second, mb_per_second: per_second * bytes as f64 / 1e6, p50: at(50), p99: at(99) }
    }

    fn print(&self) {
        let ms = |d: Duration| d.as_secs_f64() * 1000.0;
        let Self { what, per_second, mb_per_second, p50, p99 } = self;
        println!("{what:<44} {per_second:>10.0} {mb_per_second:>9.1} {:>9.3} {:>9.3}", ms(*p50), ms(*p99));
    }
}
