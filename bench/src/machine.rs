//! What the machine itself can do, so that a figure can be judged: disk, loopback, digests, JSON.
//!
//! Each measurement takes about a second and uses one thread, except loopback, which needs two.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use headwater_base::Clock;
use md5::Md5;
use sha2::{Digest, Sha256};

use crate::cards::Cards;
use crate::latency::Latencies;

/// How long one measurement runs.
const RUNS: Duration = Duration::from_secs(1);

/// The size of a write in the latency measurement, and in the bandwidth measurement.
const SMALL_WRITE: usize = 4 << 10;
const LARGE_WRITE: usize = 4 << 20;

/// How many large writes fit in the file that is written over and over.
const LARGE_SLOTS: u64 = 64;

/// The machine's limits.
#[derive(Clone, Debug)]
pub struct Machine {
    /// How many processors this process may use.
    pub processors: usize,
    /// A 4 KiB write and its fdatasync.
    pub fdatasync: Latencies,
    /// Bytes a second, 4 MiB writes each followed by fdatasync.
    pub disk_bytes_per_second: f64,
    /// Bytes a second through one loopback connection.
    pub loopback_bytes_per_second: f64,
    /// Bytes a second of SHA-256 on one thread.
    pub sha256_bytes_per_second: f64,
    /// Bytes a second of MD5 on one thread.
    pub md5_bytes_per_second: f64,
    /// Bytes a second of JSON parsed into a tree on one thread.
    pub json_bytes_per_second: f64,
}

/// Measures everything; the disk in `folder`.
pub fn measure(folder: &Path, clock: &Clock) -> anyhow::Result<Machine> {
    let (fdatasync, disk_bytes_per_second) = disk(folder, clock).context("measuring the disk")?;
    Ok(Machine {
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        fdatasync,
        disk_bytes_per_second,
        loopback_bytes_per_second: loopback(clock).context("measuring loopback")?,
        sha256_bytes_per_second: digest::<Sha256>(clock),
        md5_bytes_per_second: digest::<Md5>(clock),
        json_bytes_per_second: json(clock),
    })
}

fn disk(folder: &Path, clock: &Clock) -> anyhow::Result<(Latencies, f64)> {
    let path = folder.join("disk-measurement");
    let file = File::create(&path)?;
    let block = vec![0xA5u8; LARGE_WRITE];
    for slot in 0..LARGE_SLOTS {
        file.write_all_at(&block, slot * LARGE_WRITE as u64)?;
    }
    file.sync_all()?;
    let mut small = Latencies::default();
    let start = clock.monotonic();
    while clock.monotonic() - start < RUNS {
        let begun = clock.monotonic();
        file.write_all_at(&block[..SMALL_WRITE], (small.count() * SMALL_WRITE) as u64)?;
        file.sync_data()?;
        small.record(clock.monotonic() - begun);
    }
    let (mut written, start) = (0u64, clock.monotonic());
    while clock.monotonic() - start < RUNS {
        file.write_all_at(&block, written % (LARGE_SLOTS * LARGE_WRITE as u64))?;
        file.sync_data()?;
        written += LARGE_WRITE as u64;
    }
    let per_second = written as f64 / (clock.monotonic() - start).as_secs_f64();
    drop(file);
    std::fs::remove_file(path)?;
    Ok((small, per_second))
}

fn loopback(clock: &Clock) -> anyhow::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut out = TcpStream::connect(listener.local_addr()?)?;
    let (mut incoming, _) = listener.accept()?;
    let reader = std::thread::spawn(move || {
        let mut buffer = vec![0u8; 1 << 20];
        let mut total = 0u64;
        while let Ok(count) = incoming.read(&mut buffer) {
            if count == 0 {
                break;
            }
            total += count as u64;
        }
        total
    });
    let block = vec![0u8; 1 << 20];
    let start = clock.monotonic();
    while clock.monotonic() - start < RUNS {
        out.write_all(&block)?;
    }
    drop(out);
    let total = reader.join().unwrap_or_default();
    Ok(total as f64 / (clock.monotonic() - start).as_secs_f64())
}

fn digest<D: Digest>(clock: &Clock) -> f64 {
    let block = vec![0x5Au8; 1 << 20];
    let (mut hashed, start) = (0u64, clock.monotonic());
    while clock.monotonic() - start < RUNS {
        std::hint::black_box(D::digest(&block));
        hashed += block.len() as u64;
    }
    hashed as f64 / (clock.monotonic() - start).as_secs_f64()
}

fn json(clock: &Clock) -> f64 {
    let cards = Cards::new(1);
    let mut records: Vec<Vec<u8>> = Vec::new();
    for id in 0..1000 {
        let (mut record, mut key) = (Vec::new(), Vec::new());
        cards.write(id, &mut record, &mut key);
        records.push(record);
    }
    let (mut parsed, start) = (0u64, clock.monotonic());
    while clock.monotonic() - start < RUNS {
        for record in &records {
            // Malformed ones, one in a thousand, cost what it takes to find out.
            let _ = std::hint::black_box(sonic_rs::from_slice::<sonic_rs::Value>(record));
            parsed += record.len() as u64;
        }
    }
    parsed as f64 / (clock.monotonic() - start).as_secs_f64()
}
