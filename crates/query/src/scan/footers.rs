//! Parquet footers, kept between queries: a table that is read again is planned without reading
//! any of its footers. Keyed by URL and LSN, so a replaced object never meets an old footer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use headwater_store::Lsn;
use parquet::file::metadata::ParquetMetaData;

type Identity = (String, Lsn);

/// A bounded cache of footers. When it is full, the older half is dropped.
#[derive(Debug)]
pub struct Footers {
    bytes_max: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<Identity, Entry>,
    bytes: usize,
    tick: u64,
}

#[derive(Debug)]
struct Entry {
    footer: Arc<ParquetMetaData>,
    bytes: usize,
    used: u64,
}

impl Footers {
    /// An empty cache of at most `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, state: Mutex::default() }
    }

    /// The footer, if it is known.
    pub fn get(&self, identity: &Identity) -> Option<Arc<ParquetMetaData>> {
        let mut state = self.state.lock().expect("no holder of this lock panics");
        state.tick += 1;
        let tick = state.tick;
        let entry = state.entries.get_mut(identity)?;
        entry.used = tick;
        Some(Arc::clone(&entry.footer))
    }

    /// Keeps a footer. One larger than the whole cache is not kept.
    pub fn put(&self, identity: Identity, footer: Arc<ParquetMetaData>) {
        let bytes = footer.memory_size() + identity.0.len();
        if bytes > self.bytes_max {
            return;
        }
        let mut state = self.state.lock().expect("no holder of this lock panics");
        if state.bytes + bytes > self.bytes_max {
            state.drop_older_half();
        }
        state.tick += 1;
        let used = state.tick;
        if let Some(old) = state.entries.insert(identity, Entry { footer, bytes, used }) {
            state.bytes -= old.bytes;
        }
        state.bytes += bytes;
    }

    /// How many footers are kept.
    pub fn len(&self) -> usize {
        self.state.lock().expect("no holder of this lock panics").entries.len()
    }
}

impl State {
    fn drop_older_half(&mut self) {
        let mut used: Vec<u64> = self.entries.values().map(|entry| entry.used).collect();
        used.sort_unstable();
        let Some(&middle) = used.get(used.len() / 2) else { return };
        self.entries.retain(|_, entry| entry.used > middle);
        self.bytes = self.entries.values().map(|entry| entry.bytes).sum();
    }
}

#[cfg(test)]
mod tests {
    use parquet::file::metadata::{FileMetaData, ParquetMetaDataBuilder};
    use parquet::schema::types::{SchemaDescriptor, Type};

    use super::*;

    fn footer() -> Arc<ParquetMetaData> {
        let root = Type::group_type_builder("schema").build().unwrap();
        let schema = Arc::new(SchemaDescriptor::new(Arc::new(root)));
        Arc::new(ParquetMetaDataBuilder::new(FileMetaData::new(1, 0, None, None, schema, None)).build())
    }

    #[test]
    fn a_replaced_object_has_another_footer() {
        let cache = Footers::new(1 << 20);
        cache.put(("s3://b/k".into(), Lsn(1)), footer());
        assert!(cache.get(&("s3://b/k".into(), Lsn(1))).is_some());
        assert!(cache.get(&("s3://b/k".into(), Lsn(2))).is_none());
    }

    #[test]
    fn the_cache_stays_within_its_bound() {
        let one = footer().memory_size() + "s3://b/0000".len();
        let cache = Footers::new(one * 10);
        for n in 0..1000 {
            cache.put((format!("s3://b/{n:04}"), Lsn(n)), footer());
            assert!(cache.len() <= 10);
        }
        assert!(cache.get(&("s3://b/0999".into(), Lsn(999))).is_some());
    }
}
