//! Between shapes and engine types.

use std::collections::BTreeMap;

use headwater_streams::{
    Consumer, Distribution, HashKey, NewRecord, Placed, Pushed, Shard, Share, Stream, StreamKey, StreamMode,
    StreamRecord, StreamStatus,
};
use headwater_wire::{Blob, EpochTime, Fault};

use crate::fault;
use crate::sequence::SequenceNumber;
use crate::shapes::{
    ChildShard, ConsumerDescription, ConsumerOutput, EnhancedMetrics, HashKeyRange, ModeOutput,
    PutRecordOutput, PutRecordsEntry, PutRecordsResult, RecordOutput, SequenceNumberRange, ShardId,
    ShardOutput, StreamSummary, SubscribeToShardEvent, Tag, WarmThroughput,
};

/// A record of a put, whose members were checked before.
pub(crate) fn new_record(entry: PutRecordsEntry) -> Result<NewRecord, Fault> {
    Ok(NewRecord {
        explicit_hash_key: entry.explicit_hash_key.as_deref().map(hash_key).transpose()?,
        partition_key: entry.partition_key.unwrap_or_default(),
        data: entry.data.unwrap_or_default().0,
    })
}

fn hash_key(text: &str) -> Result<HashKey, Fault> {
    let refuse = |_| {
        let range = "ExplicitHashKey must be in the range: [0, 2^128-1].";
        fault::invalid(format!("Invalid ExplicitHashKey. {range} Specified value was {text}"))
    };
    text.parse().map(HashKey).map_err(refuse)
}

pub(crate) fn put_record(stream: &Stream, placed: &Placed) -> PutRecordOutput {
    PutRecordOutput {
        shard_id: ShardId(placed.shard),
        sequence_number: SequenceNumber::of_placed(placed),
        encryption_type: encryption_if_on(stream),
    }
}

/// Puts and records tell the encryption type of an encrypted stream.
pub(crate) fn encryption_if_on(stream: &Stream) -> Option<&'static str> {
    stream.encryption.as_ref().map(|_| "KMS")
}

pub(crate) fn put_result(placed: &Placed) -> PutRecordsResult {
    PutRecordsResult::Put {
        sequence_number: SequenceNumber::of_placed(placed),
        shard_id: ShardId(placed.shard),
    }
}

pub(crate) fn record(
    shard: &Shard,
    record: StreamRecord,
    encryption_type: Option<&'static str>,
) -> RecordOutput {
    RecordOutput {
        encryption_type,
        sequence_number: SequenceNumber::of_record(shard, record.offset, record.append_time),
        approximate_arrival_timestamp: EpochTime(record.append_time),
        data: Blob(record.data),
        partition_key: record.partition_key,
    }
}

pub(crate) fn shard(shard: &Shard) -> ShardOutput {
    ShardOutput {
        shard_id: shard.id(),
        parent_shard_id: shard.parent.map(shard_id),
        adjacent_parent_shard_id: shard.adjacent_parent.map(shard_id),
        hash_key_range: hash_key_range(shard),
        sequence_number_range: SequenceNumberRange {
            starting_sequence_number: SequenceNumber::start_of(shard),
            ending_sequence_number: shard.closed.map(|closed| SequenceNumber::end_of(shard, closed)),
        },
    }
}

/// The shards that a closed shard's records went to afterwards.
pub(crate) fn children(stream: &Stream, parent: u32) -> Vec<ChildShard> {
    let child = |shard: &Shard| ChildShard {
        shard_id: shard.id(),
        parent_shards: shard.parents().map(shard_id).collect(),
        hash_key_range: hash_key_range(shard),
    };
    stream.children(parent).map(child).collect()
}

/// An event of a subscription, and its share of the memory for events.
pub(crate) fn event(pushed: Pushed) -> (SubscribeToShardEvent, Share) {
    let Pushed { stream, shard, read, time, is_last, share } = pushed;
    let shard = stream.shard(shard).expect("records are read from shards of the stream");
    let encryption = encryption_if_on(&stream);
    let event = SubscribeToShardEvent {
        continuation_sequence_number: (!is_last).then(|| SequenceNumber::of_position(shard, read.next, time)),
        millis_behind_latest: u64::try_from(read.behind.as_millis()).unwrap_or(u64::MAX),
        child_shards: is_last.then(|| children(&stream, shard.index)),
        records: read.records.into_iter().map(|found| record(shard, found, encryption)).collect(),
    };
    (event, share)
}

pub(crate) fn consumer(stream: &StreamKey, consumer: &Consumer) -> ConsumerOutput {
    ConsumerOutput {
        consumer_name: consumer.name.as_str().to_owned(),
        consumer_arn: consumer.arn(stream).to_string(),
        consumer_status: "ACTIVE",
        consumer_creation_timestamp: EpochTime(consumer.created),
    }
}

pub(crate) fn consumer_description(stream: &StreamKey, described: &Consumer) -> ConsumerDescription {
    let ConsumerOutput { consumer_name, consumer_arn, consumer_status, consumer_creation_timestamp } =
        consumer(stream, described);
    let stream_arn = stream.arn().to_string();
    ConsumerDescription {
        consumer_name,
        consumer_arn,
        consumer_status,
        consumer_creation_timestamp,
        stream_arn,
    }
}

fn hash_key_range(shard: &Shard) -> HashKeyRange {
    HashKeyRange {
        starting_hash_key: shard.hash_first.0.to_string(),
        ending_hash_key: shard.hash_last.0.to_string(),
    }
}

pub(crate) fn shard_id(index: u32) -> String {
    format!("shardId-{index:012}")
}

/// The index in a shard's id: the digits after its last dash, as the service reads it. So
/// `shardId-1` and `shardId-000000000001` are the same shard.
pub(crate) fn shard_index(id: &str) -> Option<u32> {
    let digits = id.rsplit('-').next()?;
    let index: u32 = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())??;
    i32::try_from(index).is_ok().then_some(index)
}

pub(crate) fn summary(stream: &Stream, now: StreamStatus) -> StreamSummary {
    StreamSummary {
        stream_name: stream.key.name.as_str().to_owned(),
        stream_arn: stream.key.arn().to_string(),
        stream_status: status(now),
        stream_mode_details: mode(stream.mode),
        stream_creation_timestamp: EpochTime(stream.created),
    }
}

pub(crate) fn status(status: StreamStatus) -> &'static str {
    match status {
        StreamStatus::Creating => "CREATING",
        StreamStatus::Active => "ACTIVE",
        StreamStatus::Updating => "UPDATING",
        StreamStatus::Deleting => "DELETING",
    }
}

pub(crate) fn mode(mode: StreamMode) -> ModeOutput {
    let stream_mode = match mode {
        StreamMode::Provisioned => "PROVISIONED",
        StreamMode::OnDemand => "ON_DEMAND",
    };
    ModeOutput { stream_mode }
}

pub(crate) fn monitoring(stream: &Stream) -> [EnhancedMetrics; 1] {
    [EnhancedMetrics { shard_level_metrics: stream.monitoring.names().collect() }]
}

pub(crate) fn distribution(distribution: Distribution) -> &'static str {
    match distribution {
        Distribution::PartitionKey => "USER_PARTITION_KEY",
        Distribution::Auto => "AUTO",
    }
}

/// Warm at once: this node's disk is the capacity.
pub(crate) fn warm_throughput(stream: &Stream) -> Option<WarmThroughput> {
    stream.warm_mib.map(|mib| WarmThroughput { target_mibps: mib, current_mibps: mib })
}

/// The encryption type and key of a stream.
pub(crate) fn encryption(stream: &Stream) -> (&'static str, Option<String>) {
    match &stream.encryption {
        None => ("NONE", None),
        Some(encryption) => ("KMS", Some(encryption.key_id.clone())),
    }
}

pub(crate) fn retention_hours(stream: &Stream) -> u64 {
    stream.retention.as_secs() / 3600
}

/// Tags whose number and lengths were checked before.
pub(crate) fn tags(tags: Option<BTreeMap<String, Option<String>>>) -> Result<Vec<(String, String)>, Fault> {
    let tags = tags.unwrap_or_default().into_iter();
    let tags: Vec<_> = tags.map(|(key, value)| (key, value.unwrap_or_default())).collect();
    let legal = |c: char| c.is_alphanumeric() || c.is_whitespace() || TAG_SYMBOLS.contains(c);
    if tags.iter().all(|(key, value)| key.chars().all(legal) && value.chars().all(legal)) {
        return Ok(tags);
    }
    Err(fault::invalid(
        "Some tags contain invalid characters. Valid characters: Unicode letters, digits, white space, \
         _ . / = + - % @.",
    ))
}

/// What a tag may have beside letters, digits and white space. The service does not tell of the colon.
const TAG_SYMBOLS: &str = "_./=+-%@:";

pub(crate) fn tag((key, value): (String, String)) -> Tag {
    Tag { key, value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shard_ids_read_as_their_index() {
        assert_eq!(shard_index("shardId-000000000007"), Some(7));
        assert_eq!(shard_index("shardId-7"), Some(7));
        assert_eq!(shard_index("2147483647"), Some(2_147_483_647));
        for bad in ["shardId-", "shardId-+7", "shard7", "shardId-2147483648", "shardId-99999999999", ""] {
            assert_eq!(shard_index(bad), None, "{bad}");
        }
        assert_eq!(shard_id(7), "shardId-000000000007");
    }

    #[test]
    fn tags_are_of_letters_digits_space_and_a_few_symbols() {
        let tagged =
            |key: &str, value: &str| tags(Some(BTreeMap::from([(key.to_owned(), Some(value.to_owned()))])));
        for good in ["", "Straße 7", "日本", "a_b.c/d=e+f-g%h@i:j"] {
            assert_eq!(tagged("k", good).unwrap(), [("k".to_owned(), good.to_owned())]);
            assert!(tagged(good, "v").is_ok(), "{good}");
        }
        for bad in ["a*b", "a,b", "<a>", "a?b", "a#b", "\u{1}"] {
            for fault in [tagged("k", bad).unwrap_err(), tagged(bad, "v").unwrap_err()] {
                assert_eq!(fault.code, "InvalidArgumentException", "{bad}");
                assert!(fault.message.ends_with("white space, _ . / = + - % @."), "{}", fault.message);
            }
        }
        assert_eq!(tags(None).unwrap(), []);
    }

    #[test]
    fn hash_keys_end_at_two_to_the_128() {
        assert_eq!(hash_key("340282366920938463463374607431768211455").unwrap(), HashKey(u128::MAX));
        let fault = hash_key("340282366920938463463374607431768211456").unwrap_err();
        assert_eq!(fault.code, "InvalidArgumentException");
        assert!(fault.message.ends_with("Specified value was 340282366920938463463374607431768211456"));
    }
}
