//! The Kinesis Data Streams face: `Kinesis_20131202` over JSON 1.1 and CBOR 1.1.
//!
//! Every operation of the service is in [`Kinesis::new`]'s list; those that are not built answer
//! with the service's own error. An operation converts its input, asks `streams`, and converts the
//! answer; what the service remembers is all in the engine.
//!
//! **Invariants.** A record is durable before its sequence number is answered. An SDK's retry of a
//! put gets the first answer again and stores nothing. Iterators are sealed tokens: nothing is kept
//! for them, and they open only in the account and region they were given in.
//!
//! **Failure.** A full disk or a node that is behind refuses records with
//! `ProvisionedThroughputExceededException`, which SDKs retry. See `docs/services/kinesis.md`.

mod checks;
mod convert;
mod cursor;
mod fault;
mod limits;
mod ops;
mod sequence;
mod shapes;
mod start;
mod target;

use std::sync::Arc;

use async_trait::async_trait;
use headwater_base::Timestamp;
use headwater_streams::{Stream, StreamKey, Streams};
use headwater_wire::{Answer, EpochTime, Face, Fault, OperationRow, OperationSet, VerifiedRequest};

use crate::limits::Limits;

/// 10 MiB of records in base64, with 500 keys of 256 characters in UTF-8, and the JSON around them.
const BODY_BYTES_MAX: usize = 16 << 20;

/// What the operations work on.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) streams: Streams,
    pub(crate) limits: Arc<Limits>,
}

impl State {
    /// The stream as it is now.
    pub(crate) async fn stream(&self, key: &StreamKey) -> Result<Arc<Stream>, Fault> {
        self.streams.get(key).await.map_err(|error| fault::of(key, error))
    }

    /// The same, for who means the one of its name that was created in that second.
    pub(crate) async fn stream_created(
        &self,
        key: &StreamKey,
        created: Option<EpochTime>,
    ) -> Result<Arc<Stream>, Fault> {
        let stream = self.stream(key).await?;
        let second = |time: Timestamp| time.ms().div_euclid(1000);
        match created {
            Some(EpochTime(created)) if second(created) != second(stream.created) => {
                Err(fault::no_such_stream(key.name.as_str(), key.scope.account))
            }
            _ => Ok(stream),
        }
    }
}

/// The face.
#[derive(Debug)]
pub struct Kinesis {
    state: State,
    operations: OperationSet<State>,
}

impl Kinesis {
    /// The face over the streams engine.
    pub fn new(streams: Streams) -> Self {
        let operations = OperationSet::new()
            .with::<ops::AddTagsToStream>()
            .with::<ops::CreateStream>()
            .with::<ops::DecreaseStreamRetentionPeriod>()
            .with::<ops::DeleteResourcePolicy>()
            .with::<ops::DeleteStream>()
            .with::<ops::DeregisterStreamConsumer>()
            .with::<ops::DescribeAccountSettings>()
            .with::<ops::DescribeLimits>()
            .with::<ops::DescribeStream>()
            .with::<ops::DescribeStreamConsumer>()
            .with::<ops::DescribeStreamSummary>()
            .with::<ops::DisableEnhancedMonitoring>()
            .with::<ops::EnableEnhancedMonitoring>()
            .with::<ops::GetRecords>()
            .with::<ops::GetResourcePolicy>()
            .with::<ops::GetShardIterator>()
            .with::<ops::IncreaseStreamRetentionPeriod>()
            .with::<ops::ListShards>()
            .with::<ops::ListStreamConsumers>()
            .with::<ops::ListStreams>()
            .with::<ops::ListTagsForResource>()
            .with::<ops::ListTagsForStream>()
            .with::<ops::MergeShards>()
            .with::<ops::PutRecord>()
            .with::<ops::PutRecords>()
            .with::<ops::PutResourcePolicy>()
            .with::<ops::RegisterStreamConsumer>()
            .with::<ops::RemoveTagsFromStream>()
            .with::<ops::SplitShard>()
            .with::<ops::StartStreamEncryption>()
            .with::<ops::StopStreamEncryption>()
            .with_events::<ops::SubscribeToShard>()
            .with::<ops::TagResource>()
            .with::<ops::UntagResource>()
            .with::<ops::UpdateAccountSettings>()
            .with::<ops::UpdateMaxRecordSize>()
            .with::<ops::UpdateShardCount>()
            .with::<ops::UpdateStreamMode>()
            .with::<ops::UpdateStreamRecordDistributionStrategy>()
            .with::<ops::UpdateStreamWarmThroughput>()
            .refusing(REFUSED);
        Self { state: State { streams, limits: Arc::default() }, operations }
    }

    /// The same, with the streams of these names (`*` for all) held to AWS' limits per shard.
    #[must_use]
    pub fn with_limits_for(mut self, names: Vec<String>) -> Self {
        self.state.limits = Arc::new(Limits::of(names));
        self
    }
}

/// For the fuzz target `iterator_token`: reads bytes as what an iterator seals and text as a
/// sequence number, neither of which may panic.
#[doc(hidden)]
pub fn fuzz_iterator(bytes: &[u8]) {
    let _ = cursor::Cursor::decode(bytes);
    if let Some(number) = std::str::from_utf8(bytes).ok().and_then(sequence::SequenceNumber::parse) {
        assert_eq!(number.to_string().as_bytes(), bytes);
    }
}

/// Operations of the service that this node does not do.
const REFUSED: &[&str] = &[
    "AcknowledgeDeadLetterQueueRecords",
    "AcknowledgeQueueRecords",
    "CreateChannel",
    "CreateQueue",
    "DeleteChannel",
    "DeleteQueue",
    "DescribeChannel",
    "DescribeQueue",
    "ListChannels",
    "ListQueues",
    "ReceiveDeadLetterQueueRecords",
    "ReceiveQueueRecords",
    "RestoreDeadLetterQueueRecords",
    "UpdateChannel",
    "UpdateDeadLetterQueueRecordsVisibility",
    "UpdateQueue",
    "UpdateQueueRecordsVisibility",
];

#[async_trait]
impl Face for Kinesis {
    fn signing_name(&self) -> &'static str {
        "kinesis"
    }

    fn target_prefix(&self) -> Option<&'static str> {
        Some("Kinesis_20131202")
    }

    fn body_bytes_max(&self) -> usize {
        BODY_BYTES_MAX
    }

    fn operations(&self) -> Vec<OperationRow> {
        self.operations.rows().to_vec()
    }

    async fn handle(&self, request: VerifiedRequest) -> Answer {
        self.operations.handle(&self.state, request).await
    }
}
