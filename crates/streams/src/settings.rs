//! Settings of a stream that stand in its own fact: retention, mode, encryption, the largest
//! record, distribution, monitoring, warm throughput.
//!
//! **Invariants.** A setting is changed as it was read or not at all. Settings never conflict with
//! puts or deliveries, which expect the guard.

use std::time::Duration;

use headwater_store::Commit;

use crate::records::{StreamRow, record_size};
use crate::{
    Distribution, Encryption, Monitoring, RECORD_BYTES, RECORD_BYTES_MAX, RETENTION_MAX, RETENTION_MIN,
    Stream, StreamError, StreamMode, StreamStatus, Streams,
};

impl Streams {
    /// Sets how long the stream's records are kept, if it is still as `stream` says. Records that
    /// are older than that go within a minute or so.
    ///
    /// # Errors
    /// [`StreamError::Invalid`] outside 24 h to 8760 h, [`StreamError::NotActive`] when the stream
    /// changed meanwhile, or why the commit failed.
    pub async fn set_retention(&self, stream: &Stream, retention: Duration) -> Result<(), StreamError> {
        let hours = hours(retention)?;
        self.set(stream, |row| row.retention_hours = hours).await?;
        self.trimmer.signal.notify();
        Ok(())
    }

    /// Sets how capacity is managed.
    ///
    /// # Errors
    /// [`StreamError::NotActive`] when the stream changed meanwhile, or why the commit failed.
    pub async fn set_mode(&self, stream: &Stream, mode: StreamMode) -> Result<(), StreamError> {
        let set = |row: &mut StreamRow| {
            row.on_demand = mode == StreamMode::OnDemand;
            if mode == StreamMode::Provisioned {
                // Both belong to streams on demand alone.
                (row.auto, row.warm_mib) = (None, None);
            }
        };
        self.set(stream, set).await
    }

    /// Sets or removes the encryption flags.
    ///
    /// # Errors
    /// [`StreamError::NotActive`] when the stream changed meanwhile, or why the commit failed.
    pub async fn set_encryption(
        &self,
        stream: &Stream,
        encryption: Option<Encryption>,
    ) -> Result<(), StreamError> {
        self.set(stream, |row| row.key_id = encryption.map(|encryption| encryption.key_id)).await
    }

    /// Sets the largest record the stream takes.
    ///
    /// # Errors
    /// [`StreamError::Invalid`] outside 1 MiB to 10 MiB, [`StreamError::NotActive`] when the stream
    /// changed meanwhile, or why the commit failed.
    pub async fn set_record_bytes_max(&self, stream: &Stream, bytes: usize) -> Result<(), StreamError> {
        check_record_size(bytes)?;
        self.set(stream, |row| row.record_bytes_max = record_size(bytes)).await
    }

    /// Sets how records find their shard.
    ///
    /// # Errors
    /// [`StreamError::NotActive`] when the stream changed meanwhile, or why the commit failed.
    pub async fn set_distribution(&self, stream: &Stream, to: Distribution) -> Result<(), StreamError> {
        self.set(stream, |row| row.auto = Some(to == Distribution::Auto).filter(|auto| *auto)).await
    }

    /// Sets which shard-level metrics are on.
    ///
    /// # Errors
    /// [`StreamError::NotActive`] when the stream changed meanwhile, or why the commit failed.
    pub async fn set_monitoring(&self, stream: &Stream, monitoring: Monitoring) -> Result<(), StreamError> {
        self.set(stream, |row| row.monitoring = Some(monitoring.0).filter(|bits| *bits != 0)).await
    }

    /// Sets the writes per second the stream shall be ready for.
    ///
    /// # Errors
    /// [`StreamError::NotActive`] when the stream changed meanwhile, or why the commit failed.
    pub async fn set_warm_throughput(&self, stream: &Stream, mib: u32) -> Result<(), StreamError> {
        self.set(stream, |row| row.warm_mib = Some(mib)).await
    }

    async fn set(&self, stream: &Stream, change: impl FnOnce(&mut StreamRow)) -> Result<(), StreamError> {
        let _change = self.changes.begin(&stream.key, StreamStatus::Updating)?;
        let mut row = StreamRow::of(stream);
        change(&mut row);
        let key = StreamRow::key(&stream.key);
        let commit = Commit::new().expect(key.clone(), stream.version).put(key, row.encode());
        self.commit_change(&stream.key, commit).await
    }
}

pub(crate) fn check_record_size(bytes: usize) -> Result<(), StreamError> {
    if (RECORD_BYTES..=RECORD_BYTES_MAX).contains(&bytes) {
        return Ok(());
    }
    Err(StreamError::Invalid("the largest record is of 1024 to 10240 KiB".to_owned()))
}

pub(crate) fn hours(retention: Duration) -> Result<u32, StreamError> {
    if !(RETENTION_MIN..=RETENTION_MAX).contains(&retention) {
        return Err(StreamError::Invalid("records are kept for 24 to 8760 hours".to_owned()));
    }
    Ok(u32::try_from(retention.as_secs() / 3600).expect("at most 8760"))
}
