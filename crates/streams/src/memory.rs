//! Memory for answers that are on their way to clients: given out before they are read from the log, and kept
//! until their bytes have left. So clients that ask for much and read nothing find a bound: beyond it everybody
//! goes on, in smaller answers.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::StreamRecord;

/// The unit in which it is given out.
pub(crate) const PERMIT_BYTES: usize = 1024;

/// What a record takes in an answer beside its data and its key, at most: names, its number, its time.
const RECORD_FRAME_BYTES: usize = 192;

/// A bounded amount of memory.
#[derive(Clone, Debug)]
pub(crate) struct Memory(Arc<Semaphore>);

/// An answer's share of it: keep it as long as the answer's bytes.
#[derive(Debug)]
pub struct Share(Option<OwnedSemaphorePermit>);

impl Memory {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes / PERMIT_BYTES)))
    }

    /// A share for so many records with so many bytes of data, if there is as much.
    pub(crate) fn take(&self, records: usize, bytes: usize) -> Option<Share> {
        self.permits(base64_bytes(bytes) + records * RECORD_FRAME_BYTES).map(|permits| Share(Some(permits)))
    }

    /// Makes a share as large as its answer turned out: gives back what that does not need, or takes what it needs
    /// beside, if there is as much.
    pub(crate) fn fit(&self, share: &mut Share, records: &[StreamRecord]) {
        let bytes: usize = records.iter().map(sent_bytes).sum();
        let wanted = bytes.div_ceil(PERMIT_BYTES);
        match &mut share.0 {
            None => share.0 = self.permits(bytes),
            Some(permits) => match wanted.checked_sub(permits.num_permits()) {
                None => drop(permits.split(permits.num_permits() - wanted)),
                Some(lacking) => {
                    if let Some(more) = self.permits(lacking * PERMIT_BYTES) {
                        permits.merge(more);
                    }
                }
            },
        }
    }

    fn permits(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let permits = u32::try_from(bytes.div_ceil(PERMIT_BYTES)).ok()?;
        self.0.clone().try_acquire_many_owned(permits).ok()
    }

    #[cfg(test)]
    pub(crate) fn free_bytes(&self) -> usize {
        self.0.available_permits() * PERMIT_BYTES
    }
}

impl Share {
    /// The share of an answer for which there was no memory left.
    pub(crate) fn nothing() -> Self {
        Self(None)
    }
}

/// About how many bytes a record takes in an answer, in the wider of the protocols: JSON.
pub(crate) fn sent_bytes(record: &StreamRecord) -> usize {
    let escaped = |byte: u8| match byte {
        0..0x20 => 6,
        b'"' | b'\\' => 2,
        _ => 1,
    };
    let key: usize = record.partition_key.bytes().map(escaped).sum();
    base64_bytes(record.data.len()) + key + RECORD_FRAME_BYTES
}

fn base64_bytes(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}
