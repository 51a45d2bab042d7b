//! The spike behind `docs/decisions/0001-index-engine.md`: fjall 3 against redb 4, used as our index
//! uses an engine: batches without an fsync of their own, point gets, ordered pages, a persist now
//! and then.
//!
//! `cargo run -p headwater-store --example index_spike [keys]`

use std::path::Path;
use std::time::Duration;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable};
use headwater_base::{Chance, Seams};
use redb::{Durability, ReadableDatabase, TableDefinition};

const BATCH: u64 = 100;
const PERSIST_EVERY: u64 = 50_000;
const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("facts");

fn main() {
    let keys: u64 = std::env::args().nth(1).map_or(300_000, |text| text.parse().expect("keys are a number"));
    println!(
        "{:<8} {:>12} {:>12} {:>14} {:>12} {:>12}",
        "", "writes/s", "gets/s", "page keys/s", "MB on disk", "reopen ms"
    );
    fjall_run(keys);
    redb_run(keys);
}

/// Sixty-odd bytes that do not arrive in order, as bucket and key names do not.
fn key(n: u64) -> Vec<u8> {
    format!("bucket-{:02}/prefix/{:016x}/part-{n:020}", n % 7, n.wrapping_mul(0x9E37_79B9_7F4A_7C15))
        .into_bytes()
}

fn clock() -> Duration {
    Seams::system().clock.monotonic()
}

fn report(name: &str, keys: u64, write: Duration, gets: f64, pages: f64, dir: &Path, reopen: Duration) {
    let writes = keys as f64 / write.as_secs_f64();
    let mb = du(dir) as f64 / 1e6;
    println!(
        "{name:<8} {writes:>12.0} {gets:>12.0} {pages:>14.0} {mb:>12.1} {:>12.1}",
        reopen.as_secs_f64() * 1e3
    );
}

fn fjall_run(keys: u64) {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let open = || -> (Database, Keyspace) {
        let db = Database::builder(dir.path()).cache_size(64 << 20).open().expect("fjall opens");
        let facts = db.keyspace("facts", KeyspaceCreateOptions::default).expect("the keyspace opens");
        (db, facts)
    };
    let (db, facts) = open();
    let began = clock();
    for first in (0..keys).step_by(BATCH as usize) {
        let mut batch = db.batch();
        for n in first..(first + BATCH).min(keys) {
            batch.insert(&facts, key(n), vec![7; 200]);
        }
        batch.commit().expect("batches commit");
        if first % PERSIST_EVERY == 0 {
            db.persist(PersistMode::SyncData).expect("fjall persists");
        }
    }
    db.persist(PersistMode::SyncData).expect("fjall persists");
    let write = clock() - began;
    let chance = Chance::seeded(1);
    let gets = rate(|| {
        let snapshot = db.snapshot();
        (0..100).for_each(|_| {
            assert!(snapshot.get(&facts, key(chance.below(keys))).expect("gets succeed").is_some())
        });
        100
    });
    let pages = rate(|| {
        let from = key(chance.below(keys));
        db.snapshot().range(&facts, from..).take(1000).fold(0, |n, row| {
            row.into_inner().expect("rows read");
            n + 1
        })
    });
    drop((facts, db));
    let began = clock();
    drop(open());
    report("fjall", keys, write, gets, pages, dir.path(), clock() - began);
}

fn redb_run(keys: u64) {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let path = dir.path().join("redb");
    let open = || redb::Builder::new().set_cache_size(64 << 20).create(&path).expect("redb opens");
    let db = open();
    let began = clock();
    for first in (0..keys).step_by(BATCH as usize) {
        let mut transaction = db.begin_write().expect("redb begins");
        let durable = first % PERSIST_EVERY == 0 || first + BATCH >= keys;
        let durability = if durable { Durability::Immediate } else { Durability::None };
        transaction.set_durability(durability).expect("durability can be chosen");
        {
            let mut table = transaction.open_table(TABLE).expect("the table opens");
            for n in first..(first + BATCH).min(keys) {
                table.insert(key(n).as_slice(), &[7_u8; 200][..]).expect("inserts succeed");
            }
        }
        transaction.commit().expect("redb commits");
    }
    let write = clock() - began;
    let chance = Chance::seeded(1);
    let gets = rate(|| {
        let table = db.begin_read().expect("redb reads").open_table(TABLE).expect("the table opens");
        (0..100).for_each(|_| {
            assert!(table.get(key(chance.below(keys)).as_slice()).expect("gets succeed").is_some())
        });
        100
    });
    let pages = rate(|| {
        let table = db.begin_read().expect("redb reads").open_table(TABLE).expect("the table opens");
        let from = key(chance.below(keys));
        table.range(from.as_slice()..).expect("ranges succeed").take(1000).fold(0, |n, row| {
            row.expect("rows read");
            n + 1
        })
    });
    drop(db);
    let began = clock();
    drop(open());
    report("redb", keys, write, gets, pages, dir.path(), clock() - began);
}

/// How many of what `work` counts happen per second, over about two seconds.
fn rate(mut work: impl FnMut() -> usize) -> f64 {
    let began = clock();
    let mut done = 0;
    while clock() - began < Duration::from_secs(2) {
        done += work();
    }
    done as f64 / (clock() - began).as_secs_f64()
}

fn du(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).expect("directories can be listed").flatten();
    let sizes = entries.map(|entry| {
        let meta = entry.metadata().expect("files have metadata");
        if meta.is_dir() { du(&entry.path()) } else { std::os::unix::fs::MetadataExt::blocks(&meta) * 512 }
    });
    sizes.sum()
}
