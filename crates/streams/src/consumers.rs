//! Consumers of enhanced fan-out: registered with a stream, listed, tagged, removed.
//!
//! A consumer is a name that subscriptions are made under (see `fanout`). It is active as soon as
//! it is registered, lives until it is deregistered, and goes with its stream.

use std::collections::BTreeMap;

use headwater_base::{Arn, Timestamp};
use headwater_store::{Commit, CommitError, Key, Lsn};

use crate::records::{ConsumersRow, PolicyRow, TagsRow, guard_key};
use crate::{
    CommitmentStatus, ConsumerName, Stream, StreamError, StreamKey, StreamMode, StreamStatus, Streams, tags,
};

/// The most consumers a stream has.
pub const CONSUMERS_MAX: usize = 20;

/// The most consumers of a stream on demand whose account committed itself to a throughput: what AWS
/// calls On-demand Advantage.
pub const ADVANTAGE_CONSUMERS_MAX: usize = 50;

/// How often a change of consumers is tried against concurrent ones.
const ATTEMPTS_MAX: usize = 32;

/// A registered consumer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Consumer {
    /// Distinguishes consumers that had the same name at different times; never reused.
    pub(crate) id: u64,
    /// What it is called.
    pub name: ConsumerName,
    /// When it was registered.
    pub created: Timestamp,
}

impl Consumer {
    /// `arn:aws:kinesis:…:stream/STREAM/consumer/NAME:SECONDS`.
    pub fn arn(&self, stream: &StreamKey) -> Arn {
        consumer_arn(stream, &self.name, self.epoch())
    }

    /// What its resource policy is kept under: `NAME:SECONDS`.
    pub(crate) fn policy_name(&self) -> String {
        format!("{}:{}", self.name.as_str(), self.epoch())
    }

    /// When it was registered, in the seconds that its ARN ends with.
    pub fn epoch(&self) -> i64 {
        self.created.ms().div_euclid(1000)
    }
}

/// The ARN of the consumer of that name that was registered at `epoch`, in seconds.
pub fn consumer_arn(stream: &StreamKey, name: &ConsumerName, epoch: i64) -> Arn {
    let resource = format!("stream/{}/consumer/{}:{epoch}", stream.name.as_str(), name.as_str());
    Arn::new("kinesis", &stream.scope, resource)
}

/// Why something about a consumer did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConsumerError {
    /// There is no such consumer, or not any more.
    #[error("there is no such consumer")]
    NoSuchConsumer,
    /// There is one of that name already.
    #[error("there is a consumer of that name already")]
    Exists,
    /// The stream still has consumers: remove them first.
    #[error("the stream has consumers")]
    HasConsumers,
    /// The consumer is subscribed to the shard by somebody else: wait, or give way.
    #[error("another subscription of the consumer to the shard is active")]
    InUse,
    /// More of something than the engine keeps.
    #[error("at most {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// What went wrong concerns the stream.
    #[error(transparent)]
    Stream(#[from] StreamError),
}

impl Streams {
    /// Registers a consumer. Not safe to repeat: the second call finds the first one's consumer.
    ///
    /// # Errors
    /// [`ConsumerError::Exists`], [`ConsumerError::TooMany`], or the stream's.
    pub async fn register_consumer(
        &self,
        stream: &Stream,
        name: &ConsumerName,
        tags: Vec<(String, String)>,
    ) -> Result<Consumer, ConsumerError> {
        let created = self.seams.clock.now();
        let made = Consumer { id: self.store.new_log_id().0, name: name.clone(), created };
        let tags = tags::merged(TagsRow::default(), tags)?;
        let limit = self.consumers_max(stream, created).await?;
        let registered = |consumers: &mut Vec<Consumer>, commit: Commit| {
            let at = match consumers.binary_search_by(|known| known.name.cmp(name)) {
                Ok(_) => return Err(ConsumerError::Exists),
                Err(_) if consumers.len() >= limit => {
                    return Err(ConsumerError::TooMany { what: "consumers registered with a stream", limit });
                }
                Err(at) => at,
            };
            consumers.insert(at, made.clone());
            Ok(match tags.tags.is_empty() {
                true => commit,
                false => commit.put(ConsumersRow::tags_key(stream.incarnation, &made), tags.encode()),
            })
        };
        self.change_consumers(stream, registered).await?;
        Ok(made)
    }

    /// How many consumers the stream may have at `now`.
    async fn consumers_max(&self, stream: &Stream, now: Timestamp) -> Result<usize, StreamError> {
        if stream.mode == StreamMode::Provisioned {
            return Ok(CONSUMERS_MAX);
        }
        Ok(match self.commitment(&stream.key.scope).await?.status(now) {
            CommitmentStatus::Enabled | CommitmentStatus::Ending => ADVANTAGE_CONSUMERS_MAX,
            CommitmentStatus::Disabled => CONSUMERS_MAX,
        })
    }

    /// Removes a consumer and ends its subscriptions. Safe to repeat.
    ///
    /// # Errors
    /// [`ConsumerError::NoSuchConsumer`], or the stream's.
    pub async fn deregister_consumer(
        &self,
        stream: &Stream,
        consumer: &Consumer,
    ) -> Result<(), ConsumerError> {
        let removed = |consumers: &mut Vec<Consumer>, commit: Commit| {
            let before = consumers.len();
            consumers.retain(|known| known.id != consumer.id);
            if consumers.len() == before {
                return Err(ConsumerError::NoSuchConsumer);
            }
            let policy = PolicyRow::key(stream.incarnation, &consumer.policy_name());
            Ok(commit.delete(ConsumersRow::tags_key(stream.incarnation, consumer)).delete(policy))
        };
        self.change_consumers(stream, removed).await?;
        // Its policy is known with the stream.
        self.cache.forget();
        self.fanout.end_consumer(consumer.id);
        Ok(())
    }

    /// The stream's consumers, by name: at most [`ADVANTAGE_CONSUMERS_MAX`].
    ///
    /// # Errors
    /// The store's.
    pub async fn consumers(&self, stream: &Stream) -> Result<Vec<Consumer>, StreamError> {
        Ok(self.consumers_row(stream).await?.0)
    }

    /// The stream's consumer of that name.
    ///
    /// # Errors
    /// [`ConsumerError::NoSuchConsumer`], or the stream's.
    pub async fn consumer(&self, stream: &Stream, name: &ConsumerName) -> Result<Consumer, ConsumerError> {
        let consumers = self.consumers(stream).await?;
        consumers.into_iter().find(|known| known.name == *name).ok_or(ConsumerError::NoSuchConsumer)
    }

    /// A consumer's tags, sorted by key.
    ///
    /// # Errors
    /// The store's.
    pub async fn consumer_tags(
        &self,
        stream: &Stream,
        consumer: &Consumer,
    ) -> Result<BTreeMap<String, String>, StreamError> {
        let fact = self.store.get(&ConsumersRow::tags_key(stream.incarnation, consumer)).await?;
        Ok(fact.map_or(Ok(TagsRow::default()), |fact| TagsRow::decode(&fact.value))?.tags)
    }

    /// Adds tags to a consumer, or changes the values of those that are there. Safe to repeat.
    ///
    /// # Errors
    /// [`StreamError::TooMany`], [`ConsumerError::NoSuchConsumer`], or the stream's.
    pub async fn tag_consumer(
        &self,
        stream: &Stream,
        consumer: &Consumer,
        tags: Vec<(String, String)>,
    ) -> Result<(), ConsumerError> {
        self.change_consumer_tags(stream, consumer, |row| tags::merged(row, tags.clone())).await
    }

    /// Removes tags from a consumer; those that are not there do not matter. Safe to repeat.
    ///
    /// # Errors
    /// [`ConsumerError::NoSuchConsumer`], or the stream's.
    pub async fn untag_consumer(
        &self,
        stream: &Stream,
        consumer: &Consumer,
        keys: &[String],
    ) -> Result<(), ConsumerError> {
        self.change_consumer_tags(stream, consumer, |row| Ok(tags::without(row, keys))).await
    }

    /// Adds to the commit that deletes a stream the removal of its consumers, and the check that
    /// they are still those.
    pub(crate) async fn stage_forget_consumers(
        &self,
        stream: &Stream,
        commit: Commit,
    ) -> Result<Commit, StreamError> {
        let (consumers, version) = self.consumers_row(stream).await?;
        let key = ConsumersRow::key(stream.incarnation);
        let commit = expecting(commit, &key, version);
        let tags = consumers.iter().map(|consumer| ConsumersRow::tags_key(stream.incarnation, consumer));
        Ok(tags.fold(commit, Commit::delete).delete(key))
    }

    async fn change_consumers(
        &self,
        stream: &Stream,
        change: impl Fn(&mut Vec<Consumer>, Commit) -> Result<Commit, ConsumerError>,
    ) -> Result<(), ConsumerError> {
        let key = ConsumersRow::key(stream.incarnation);
        for _ in 0..ATTEMPTS_MAX {
            let (mut consumers, version) = self.consumers_row(stream).await?;
            let commit = change(&mut consumers, self.consumers_commit(stream, version))?;
            let commit = match consumers.is_empty() {
                true => commit.delete(key.clone()),
                false => commit.put(key.clone(), ConsumersRow::encode(&consumers)),
            };
            if self.commit_unless_changed(stream, commit).await? {
                return Ok(());
            }
        }
        Err(StreamError::NotActive(stream.key.clone(), StreamStatus::Updating).into())
    }

    async fn change_consumer_tags(
        &self,
        stream: &Stream,
        consumer: &Consumer,
        change: impl Fn(TagsRow) -> Result<TagsRow, StreamError>,
    ) -> Result<(), ConsumerError> {
        let key = ConsumersRow::tags_key(stream.incarnation, consumer);
        for _ in 0..ATTEMPTS_MAX {
            let (consumers, version) = self.consumers_row(stream).await?;
            if !consumers.iter().any(|known| known.id == consumer.id) {
                return Err(ConsumerError::NoSuchConsumer);
            }
            let fact = self.store.get(&key).await.map_err(StreamError::from)?;
            let row = fact.as_ref().map_or(Ok(TagsRow::default()), |fact| TagsRow::decode(&fact.value));
            let row = change(row.map_err(StreamError::from)?)?;
            let commit = self.consumers_commit(stream, version);
            let commit = expecting(commit, &key, fact.map(|fact| fact.version));
            if self.commit_unless_changed(stream, commit.put(key.clone(), row.encode())).await? {
                return Ok(());
            }
        }
        Err(StreamError::NotActive(stream.key.clone(), StreamStatus::Updating).into())
    }

    /// A commit that happens only if the stream is there and its consumers are as they were read.
    fn consumers_commit(&self, stream: &Stream, version: Option<Lsn>) -> Commit {
        let commit = Commit::new().expect_present(guard_key(&stream.key, stream.incarnation));
        expecting(commit, &ConsumersRow::key(stream.incarnation), version)
    }

    /// Commits; `false` when somebody else was faster and it is worth another try.
    async fn commit_unless_changed(&self, stream: &Stream, commit: Commit) -> Result<bool, StreamError> {
        match self.store.commit(commit).await {
            Ok(_) => Ok(true),
            Err(CommitError::Conflict(at)) if at == guard_key(&stream.key, stream.incarnation) => {
                Err(StreamError::NoSuchStream(stream.key.clone()))
            }
            Err(CommitError::Conflict(_)) => Ok(false),
            Err(error) => Err(StreamError::of_commit(&stream.key, error)),
        }
    }

    async fn consumers_row(&self, stream: &Stream) -> Result<(Vec<Consumer>, Option<Lsn>), StreamError> {
        match self.store.get(&ConsumersRow::key(stream.incarnation)).await? {
            Some(fact) => Ok((ConsumersRow::decode(&fact.value)?, Some(fact.version))),
            None => Ok((Vec::new(), None)),
        }
    }
}

fn expecting(commit: Commit, key: &Key, version: Option<Lsn>) -> Commit {
    match version {
        Some(version) => commit.expect(key.clone(), version),
        None => commit.expect_absent(key.clone()),
    }
}
