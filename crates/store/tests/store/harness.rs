//! Opens embedded stores for tests and runs their loops.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use headwater_base::{Clock, Seams};
use headwater_store::embedded::{self, Backup, OpenError, Recovered, StoreOptions};
use headwater_store::{Commit, Key, Kind, LogId, Store};

/// An open store whose loops run until it is closed or dropped.
pub struct Node {
    pub store: Arc<dyn Store>,
    pub recovered: Recovered,
    pub backup: Backup,
    clock: Clock,
    loops: Vec<tokio::task::JoinHandle<()>>,
}

impl Node {
    pub fn open(dir: &Path, options: StoreOptions) -> Result<Self, OpenError> {
        Self::open_with(dir, options, Seams::system())
    }

    #[expect(clippy::disallowed_methods, reason = "a test stands in for the crate that runs the loops")]
    pub fn open_with(dir: &Path, options: StoreOptions, seams: Seams) -> Result<Self, OpenError> {
        let clock = seams.clock.clone();
        let opened = embedded::open(dir, options, seams)?;
        let run = |one: embedded::StoreLoop| {
            tokio::spawn(async move { one.run.await.unwrap_or_else(|error| panic!("{}: {error}", one.name)) })
        };
        let loops = opened.loops.into_iter().map(run).collect();
        Ok(Self { store: opened.store, recovered: opened.recovered, backup: opened.backup, clock, loops })
    }

    pub fn small(dir: &Path) -> Self {
        Self::open(dir, StoreOptions::small()).unwrap()
    }

    /// Closes cleanly and waits until nothing holds the directory.
    pub async fn close(self) {
        self.store.close().await.unwrap();
        self.gone().await;
    }

    /// Stops without an end mark, as a crash would.
    pub async fn crash(self) {
        self.gone().await;
    }

    async fn gone(self) {
        let Self { store, loops, backup, clock, .. } = self;
        drop((store, backup));
        for one in loops {
            // A clock that stands still wakes nobody.
            while !one.is_finished() {
                clock.advance(Duration::from_secs(1));
                Seams::system().clock.sleep(Duration::from_millis(1)).await;
            }
            one.await.unwrap();
        }
    }

    pub async fn log(&self) -> LogId {
        let log = self.store.new_log_id();
        self.store.commit(Commit::new().create_log(log)).await.unwrap();
        log
    }

    pub async fn get(&self, n: u32) -> Option<Vec<u8>> {
        self.store.get(&key(n)).await.unwrap().map(|fact| fact.value.to_vec())
    }

    /// Waits until `what` is so; a test that waits forever is stopped by its runner.
    pub async fn until(&self, what: impl Fn(&Self) -> bool) {
        let clock = Seams::system().clock;
        while !what(self) {
            clock.sleep(Duration::from_millis(5)).await;
        }
    }
}

pub fn key(n: u32) -> Key {
    Key::of(Kind(0x0f01)).u32(n).build()
}
