//! Operations over an empty store in memory, where a golden conversation would not tell enough: what
//! the guard is asked, what a limit admits, how much a list holds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use headwater_base::{AccountId, Caller};
use headwater_store::memory;
use headwater_streams::{ConsumerName, Distribution, NewStream, StreamKey, StreamMode, StreamName, Streams};
use headwater_testkit::{context, conversation};
use headwater_wire::{Access, Authority, Context, Fault, Operation, Secret};
use headwater_work::Work;
use serde_json::{Value, json};

use super::*;
use crate::State;
use crate::limits::Limits;
use crate::shapes::PutRecordsResult;

/// An authority that allows everything and remembers what it was asked.
#[derive(Debug, Default)]
struct Remembering(Mutex<Vec<String>>);

impl Remembering {
    /// The resources that were asked about since, where there were any.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[async_trait]
impl Authority for Remembering {
    async fn secret(&self, _access_key: &str) -> Option<Secret> {
        None
    }

    async fn check(&self, _: &Caller, access: &Access, _: Option<AccountId>) -> Result<(), Fault> {
        let asked = access.resource.as_ref().map(|arn| format!("{} {arn}", access.action));
        self.0.lock().unwrap().extend(asked);
        Ok(())
    }
}

struct Bed {
    state: State,
    cx: Context,
    authority: Arc<Remembering>,
}

fn bed() -> Bed {
    let seams = conversation::seams();
    let streams = Streams::new(memory::open(seams.clone()), seams.clone(), &Work::new(seams));
    let state = State { streams, limits: Arc::new(Limits::of(vec!["slow".to_owned()])) };
    let authority = Arc::new(Remembering::default());
    Bed { state, cx: Context { authority: authority.clone(), ..context() }, authority }
}

impl Bed {
    fn key(&self, name: &str) -> StreamKey {
        StreamKey { scope: self.cx.scope(), name: StreamName::new(name).unwrap() }
    }

    /// Does what a request asks for, as the face does it.
    async fn run<O: Operation<State>>(&self, input: Value) -> Result<O::Output, Fault> {
        let input = serde_json::from_value(input).unwrap();
        let access = O::access(&self.state, &self.cx, &input)?;
        self.cx.authority.check(&self.cx.caller, &access, None).await?;
        O::call(&self.state, &self.cx, input).await
    }
}

const ARN: &str = "arn:aws:kinesis:eu-central-1:111111111111:stream/orders";

#[tokio::test]
async fn the_guard_is_asked_about_a_consumer_however_it_is_named() {
    let bed = bed();
    let stream = bed.state.streams.create(&bed.key("orders"), NewStream::of_shards(1)).await.unwrap();
    let name = ConsumerName::new("risk").unwrap();
    let consumer = bed.state.streams.register_consumer(&stream, &name, Vec::new()).await.unwrap();
    let arn = consumer.arn(&stream.key).to_string();
    let by_arn = json!({"ConsumerARN": arn});
    let by_name = json!({"StreamARN": ARN, "ConsumerName": "risk"});
    for input in [by_arn, by_name.clone()] {
        bed.run::<DescribeStreamConsumer>(input).await.unwrap();
        assert_eq!(bed.authority.asked(), [format!("kinesis:DescribeStreamConsumer {arn}")]);
    }
    bed.run::<DeregisterStreamConsumer>(by_name.clone()).await.unwrap();
    assert_eq!(bed.authority.asked(), [format!("kinesis:DeregisterStreamConsumer {arn}")]);
    bed.run::<DescribeStreamConsumer>(by_name).await.err().unwrap();
    assert_eq!(bed.authority.asked(), [format!("kinesis:DescribeStreamConsumer {ARN}")], "it is gone");
}

#[tokio::test]
async fn the_guard_is_asked_about_the_stream_in_a_token() {
    let bed = bed();
    bed.state.streams.create(&bed.key("orders"), NewStream::of_shards(2)).await.unwrap();
    let asked = [format!("kinesis:ListShards {ARN}")];
    let page = bed.run::<ListShards>(json!({"StreamARN": ARN, "MaxResults": 1})).await.unwrap();
    assert_eq!(bed.authority.asked(), asked);
    bed.run::<ListShards>(json!({"NextToken": page.next_token})).await.unwrap();
    assert_eq!(bed.authority.asked(), asked);
}

/// Every record has the same key, which even distribution does not heed: four shards take four times
/// what one does.
#[tokio::test]
async fn limits_hold_the_shards_that_records_go_to() {
    let bed = bed();
    let even =
        NewStream { mode: StreamMode::OnDemand, distribution: Distribution::Auto, ..NewStream::of_shards(4) };
    bed.state.streams.create(&bed.key("slow"), even).await.unwrap();
    let records: Vec<Value> = (0..500).map(|_| json!({"Data": "eA==", "PartitionKey": "k"})).collect();
    let (mut put, mut refused) = (BTreeMap::<String, u32>::new(), 0);
    for _ in 0..9 {
        let input = json!({"StreamName": "slow", "Records": records});
        for record in bed.run::<PutRecords>(input).await.unwrap().records {
            match record {
                PutRecordsResult::Put { shard_id, .. } => {
                    *put.entry(serde_json::to_string(&shard_id).unwrap()).or_default() += 1;
                }
                PutRecordsResult::Refused { .. } => refused += 1,
            }
        }
    }
    assert_eq!(put.into_values().collect::<Vec<_>>(), [1000; 4]);
    assert_eq!(refused, 500);
}

#[tokio::test]
async fn the_largest_page_of_streams_is_not_the_last() {
    let bed = bed();
    for n in 0..10_001 {
        bed.state.streams.create(&bed.key(&format!("s{n}")), NewStream::of_shards(1)).await.unwrap();
    }
    let page = bed.run::<ListStreams>(json!({"Limit": 10_000})).await.unwrap();
    assert_eq!((page.stream_names.len(), page.has_more_streams), (10_000, true));
    let rest = bed.run::<ListStreams>(json!({"Limit": 10_000, "NextToken": page.next_token})).await.unwrap();
    assert_eq!((rest.stream_names.len(), rest.has_more_streams, rest.next_token), (1, false, None));
    assert_eq!(bed.run::<DescribeLimits>(json!({})).await.unwrap().open_shard_count, 10_001);
    assert_eq!(bed.state.streams.all().await.unwrap().len(), 10_001);
}
