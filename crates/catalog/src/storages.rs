//! Storage descriptors that partitions share, named by their content.
//!
//! A descriptor without its location is hashed; the hash names a fact of the table. Facts named by
//! content never change, so they may be remembered here without asking again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use headwater_base::OnceToken;
use headwater_store::StoreError;

use crate::records::table::StorageRecord;
use crate::records::{decode, encode, keys};
use crate::{Catalog, CatalogError, StorageDescriptor};

/// How many descriptors are remembered; then all are forgotten.
const CACHED_MAX: usize = 4096;

/// Descriptors by table incarnation and content.
pub(crate) type StorageCache = Mutex<HashMap<(u64, [u8; 16]), Arc<StorageDescriptor>>>;

/// A descriptor without its location, and the name of its content.
pub(crate) fn shared_part(storage: &StorageDescriptor) -> ([u8; 16], bytes::Bytes) {
    let shared = StorageRecord { location: String::new(), ..StorageRecord::of(storage) };
    let bytes = encode(&shared);
    (OnceToken::derive(&[&bytes]).0, bytes)
}

impl Catalog {
    /// The descriptor a partition names, with the partition's location.
    pub(crate) async fn storage(
        &self,
        table: u64,
        content: [u8; 16],
        location: String,
    ) -> Result<StorageDescriptor, CatalogError> {
        let known = self.cached(table, content);
        let shared = match known {
            Some(shared) => shared,
            None => self.read_storage(table, content).await?,
        };
        Ok(StorageDescriptor { location, ..shared.as_ref().clone() })
    }

    fn cached(&self, table: u64, content: [u8; 16]) -> Option<Arc<StorageDescriptor>> {
        self.storages.lock().expect("no holder of this lock panics").get(&(table, content)).cloned()
    }

    async fn read_storage(
        &self,
        table: u64,
        content: [u8; 16],
    ) -> Result<Arc<StorageDescriptor>, CatalogError> {
        let key = keys::storage(table, content);
        let Some(fact) = self.store.get(&key).await? else {
            return Err(StoreError::Corrupt(format!("{key:?} is missing")).into());
        };
        let storage = Arc::new(decode::<StorageRecord>(&key, &fact.value)?.into_storage());
        let mut cache = self.storages.lock().expect("no holder of this lock panics");
        if cache.len() >= CACHED_MAX {
            cache.clear();
        }
        cache.insert((table, content), Arc::clone(&storage));
        Ok(storage)
    }
}
