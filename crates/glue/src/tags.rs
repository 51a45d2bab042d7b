//! Tags, kept by the ARN of what they are on.

use std::collections::BTreeMap;

use headwater_base::Arn;
use headwater_store::{Commit, CommitError};
use headwater_wire::Fault;

use crate::records::tags::TagsRecord;
use crate::records::{decode, encode, keys};
use crate::{State, fault};

/// The most tags a resource has.
const TAGS_MAX: usize = 50;
/// How often a change that lost a race is tried again.
const RACES_MAX: usize = 16;

/// The tags of a resource.
pub(crate) async fn get(state: &State, arn: &Arn) -> Result<BTreeMap<String, String>, Fault> {
    let key = keys::tags(arn);
    match state.ground.store.get(&key).await.map_err(fault::of_store)? {
        Some(fact) => Ok(decode::<TagsRecord>(&key, &fact.value).map_err(fault::of_store)?.tags),
        None => Ok(BTreeMap::new()),
    }
}

/// Changes the tags of a resource.
pub(crate) async fn change(
    state: &State,
    arn: &Arn,
    edit: impl Fn(&mut BTreeMap<String, String>),
) -> Result<(), Fault> {
    let key = keys::tags(arn);
    let store = &state.ground.store;
    for _ in 0..RACES_MAX {
        let fact = store.get(&key).await.map_err(fault::of_store)?;
        let (mut tags, commit) = match &fact {
            Some(fact) => {
                let tags = decode::<TagsRecord>(&key, &fact.value).map_err(fault::of_store)?.tags;
                (tags, Commit::new().expect(key.clone(), fact.version))
            }
            None => (BTreeMap::new(), Commit::new().expect_absent(key.clone())),
        };
        edit(&mut tags);
        if tags.len() > TAGS_MAX {
            return Err(fault::invalid(format!("A resource has at most {TAGS_MAX} tags.")));
        }
        let commit = if tags.is_empty() {
            commit.delete(key.clone())
        } else {
            commit.put(key.clone(), encode(&TagsRecord { tags }))
        };
        match store.commit(commit).await {
            Ok(_) => return Ok(()),
            Err(CommitError::Conflict(_)) => {}
            Err(error) => return Err(fault::of_commit(error, "Tags")),
        }
    }
    Err(fault::of_commit(CommitError::Busy, "Tags"))
}

/// Sets the tags something is created with.
pub(crate) async fn set(
    state: &State,
    arn: &Arn,
    tags: Option<BTreeMap<String, String>>,
) -> Result<(), Fault> {
    let tags = tags.unwrap_or_default();
    if tags.is_empty() {
        return Ok(());
    }
    change(state, arn, |present| present.clone_from(&tags)).await
}

/// Forgets the tags of what was deleted.
pub(crate) async fn clear(state: &State, arn: &Arn) -> Result<(), Fault> {
    let commit = Commit::new().delete(keys::tags(arn)).freeing();
    state.ground.store.commit(commit).await.map_err(|error| fault::of_commit(error, "Tags"))?;
    Ok(())
}
