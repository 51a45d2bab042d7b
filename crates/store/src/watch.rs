//! Who waits for what: wakes watches when something they watch was published.
//!
//! **Invariants.** A wake-up comes after the change is visible to readers. Wake-ups coalesce; none
//! is lost between creating a watch and waiting on it. The registry holds nothing for targets that
//! nobody watches any more.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use bytes::Bytes;
use tokio::sync::watch::Sender;

use crate::sequencer::Effects;
use crate::{Key, LogId, Watch, WatchTarget};

/// All watches of one store.
#[derive(Debug, Default)]
pub(crate) struct Watches(Mutex<Registry>);

#[derive(Debug, Default)]
struct Registry {
    logs: HashMap<LogId, Sender<u64>>,
    /// By length of the prefix, so that a key is looked up once per distinct length.
    prefixes: BTreeMap<usize, HashMap<Bytes, Sender<u64>>>,
    closed: bool,
}

impl Watches {
    /// Begins to watch.
    pub fn watch(&self, target: WatchTarget) -> Watch {
        let mut registry = self.lock();
        if registry.closed {
            return Watch { receiver: Sender::new(0).subscribe() };
        }
        let sender = match target {
            WatchTarget::Log(log) => {
                prune(&mut registry.logs);
                registry.logs.entry(log).or_insert_with(|| Sender::new(0))
            }
            WatchTarget::Prefix(prefix) => {
                let same_length = registry.prefixes.entry(prefix.len()).or_default();
                prune(same_length);
                same_length.entry(prefix.to_bytes()).or_insert_with(|| Sender::new(0))
            }
        };
        Watch { receiver: sender.subscribe() }
    }

    /// Wakes everybody who watches something these effects changed. Call once they are visible.
    pub fn published(&self, effects: &Effects) {
        let mut registry = self.lock();
        if effects.wiped.is_some() {
            registry.everybody(wake);
            return;
        }
        for effect in &effects.logs {
            if let Some(sender) = registry.logs.get(&effect.log()) {
                wake(sender);
            }
        }
        if !registry.prefixes.is_empty() {
            for fact in &effects.facts {
                registry.changed(&fact.key);
            }
        }
    }

    /// Nothing will ever be published again.
    pub fn close(&self) {
        let mut registry = self.lock();
        *registry = Registry { closed: true, ..Registry::default() };
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Registry> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

impl Registry {
    fn changed(&mut self, key: &Key) {
        let key = key.as_bytes();
        for (length, same_length) in self.prefixes.range(..=key.len()) {
            if let Some(sender) = same_length.get(&key[..*length]) {
                wake(sender);
            }
        }
    }

    fn everybody(&self, act: impl Fn(&Sender<u64>)) {
        self.logs.values().for_each(&act);
        self.prefixes.values().flat_map(HashMap::values).for_each(&act);
    }
}

/// Once a map has doubled since it was last clean, drops the targets nobody watches: amortised O(1).
fn prune<K: std::hash::Hash + Eq>(watched: &mut HashMap<K, Sender<u64>>) {
    if watched.len() >= 64 && watched.len() == watched.capacity() {
        watched.retain(|_, sender| sender.receiver_count() > 0);
    }
}

fn wake(sender: &Sender<u64>) {
    sender.send_modify(|count| *count += 1);
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::Kind;

    fn key(name: &str) -> Key {
        Key::of(Kind(0x0f00)).str(name).build()
    }

    #[test]
    fn the_registry_does_not_grow_with_forgotten_watches() {
        let watches = Watches::default();
        for n in 0..100_000 {
            drop(watches.watch(WatchTarget::Prefix(key(&format!("{n:08}")))));
            drop(watches.watch(WatchTarget::Log(LogId(n))));
        }
        let registry = watches.lock();
        assert!(registry.logs.len() < 1_000);
        assert!(registry.prefixes.values().map(HashMap::len).sum::<usize>() < 1_000);
    }

    #[test]
    fn a_closed_store_ends_every_wait() {
        let watches = Watches::default();
        let mut early = watches.watch(WatchTarget::Log(LogId(1)));
        watches.close();
        let mut late = watches.watch(WatchTarget::Log(LogId(1)));
        assert_eq!(early.changed().now_or_never(), Some(false));
        assert_eq!(late.changed().now_or_never(), Some(false));
    }
}
