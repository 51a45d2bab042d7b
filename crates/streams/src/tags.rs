//! Tags of streams.

use std::collections::BTreeMap;

use headwater_store::{Commit, CommitError, Lsn};

use crate::records::{TagsRow, guard_key};
use crate::{Stream, StreamError, StreamStatus, Streams, TAGS_MAX};

/// How often a change of tags is tried against concurrent ones.
const ATTEMPTS_MAX: usize = 16;

impl Streams {
    /// The stream's tags, sorted by key.
    ///
    /// # Errors
    /// The store's.
    pub async fn tags(&self, stream: &Stream) -> Result<BTreeMap<String, String>, StreamError> {
        Ok(self.tags_row(stream).await?.0.tags)
    }

    /// Adds tags, or changes the values of those that are there. Safe to repeat.
    ///
    /// # Errors
    /// [`StreamError::TooMany`], [`StreamError::NoSuchStream`], or why the commit failed.
    pub async fn tag(&self, stream: &Stream, tags: Vec<(String, String)>) -> Result<(), StreamError> {
        self.change_tags(stream, |row| merged(row, tags.clone())).await
    }

    /// Removes tags; those that are not there do not matter. Safe to repeat.
    ///
    /// # Errors
    /// [`StreamError::NoSuchStream`], or why the commit failed.
    pub async fn untag(&self, stream: &Stream, keys: &[String]) -> Result<(), StreamError> {
        self.change_tags(stream, |row| Ok(without(row, keys))).await
    }

    async fn change_tags(
        &self,
        stream: &Stream,
        change: impl Fn(TagsRow) -> Result<TagsRow, StreamError>,
    ) -> Result<(), StreamError> {
        let key = TagsRow::key(stream.incarnation);
        let guard = guard_key(&stream.key, stream.incarnation);
        for _ in 0..ATTEMPTS_MAX {
            let (row, version) = self.tags_row(stream).await?;
            let commit = Commit::new().expect_present(guard.clone()).put(key.clone(), change(row)?.encode());
            let commit = match version {
                Some(version) => commit.expect(key.clone(), version),
                None => commit.expect_absent(key.clone()),
            };
            match self.store.commit(commit).await {
                Ok(_) => return Ok(()),
                Err(CommitError::Conflict(at)) if at == guard => {
                    return Err(StreamError::NoSuchStream(stream.key.clone()));
                }
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(StreamError::of_commit(&stream.key, error)),
            }
        }
        Err(StreamError::NotActive(stream.key.clone(), StreamStatus::Updating))
    }

    async fn tags_row(&self, stream: &Stream) -> Result<(TagsRow, Option<Lsn>), StreamError> {
        match self.store.get(&TagsRow::key(stream.incarnation)).await? {
            Some(fact) => Ok((TagsRow::decode(&fact.value)?, Some(fact.version))),
            None => Ok((TagsRow::default(), None)),
        }
    }
}

/// The row without the tags of these keys.
pub(crate) fn without(mut row: TagsRow, keys: &[String]) -> TagsRow {
    row.tags.retain(|key, _| !keys.contains(key));
    row
}

/// The row with `tags` added, if they are not too many.
pub(crate) fn merged(mut row: TagsRow, tags: Vec<(String, String)>) -> Result<TagsRow, StreamError> {
    row.tags.extend(tags);
    if row.tags.len() > TAGS_MAX {
        return Err(StreamError::TooMany { what: "tags on a stream", limit: TAGS_MAX });
    }
    Ok(row)
}
