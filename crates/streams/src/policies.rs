//! Resource policies: kept as they were given, read with the stream. What they mean is for the
//! guard to say.

use headwater_store::Commit;

use crate::records::{PolicyRow, StreamRow};
use crate::{Stream, StreamError, StreamStatus, Streams};

/// The most bytes a policy has.
pub const POLICY_BYTES_MAX: usize = 20 << 10;

impl Streams {
    /// Sets the policy of the stream (`consumer` empty) or of one of its consumers.
    ///
    /// # Errors
    /// [`StreamError::TooMany`] beyond [`POLICY_BYTES_MAX`], [`StreamError::NotActive`] when the stream
    /// changed meanwhile, or why the commit failed.
    pub async fn set_policy(
        &self,
        stream: &Stream,
        consumer: &str,
        policy: String,
    ) -> Result<(), StreamError> {
        if policy.len() > POLICY_BYTES_MAX {
            return Err(StreamError::TooMany { what: "bytes in a resource policy", limit: POLICY_BYTES_MAX });
        }
        let key = PolicyRow::key(stream.incarnation, consumer);
        self.change_policy(stream, |commit| commit.put(key, PolicyRow { text: policy }.encode())).await
    }

    /// Removes the policy of the stream (`consumer` empty) or of one of its consumers.
    ///
    /// # Errors
    /// [`StreamError::NotActive`] when the stream changed meanwhile, or why the commit failed.
    pub async fn remove_policy(&self, stream: &Stream, consumer: &str) -> Result<(), StreamError> {
        let key = PolicyRow::key(stream.incarnation, consumer);
        self.change_policy(stream, |commit| commit.delete(key)).await
    }

    /// Policies are read with the stream, so its fact is written with them: whoever holds it in
    /// memory reads it again.
    async fn change_policy(
        &self,
        stream: &Stream,
        change: impl FnOnce(Commit) -> Commit,
    ) -> Result<(), StreamError> {
        let _change = self.changes.begin(&stream.key, StreamStatus::Updating)?;
        let key = StreamRow::key(&stream.key);
        let commit =
            Commit::new().expect(key.clone(), stream.version).put(key, StreamRow::of(stream).encode());
        self.commit_change(&stream.key, change(commit)).await
    }
}
