//! Enhanced fan-out over the wire: pushed events, HTTP/1.1 and HTTP/2, slow and vanished subscribers.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use headwater_base::Clock;
use headwater_wire::client::{Client, Events};
use headwater_wire::event_stream::Message;
use headwater_wire::sigv4::{Credentials, SignedPayload, Signer};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fixture::{ALICE, Fixture, REGION, unique};

const SUBSCRIBE: &str = "Kinesis_20131202.SubscribeToShard";
const SHARD: &str = "shardId-000000000000";

/// How long something that happens soon may take.
const SOON: Duration = Duration::from_secs(20);

async fn call(on: &Fixture, operation: &str, input: Value) -> Value {
    on.call(&format!("Kinesis_20131202.{operation}"), input).await
}

/// A stream of one shard with consumers; gives its name and the consumers' ARNs.
async fn consumed<const N: usize>(on: &Fixture) -> (String, [String; N]) {
    let stream = unique("stream");
    call(on, "CreateStream", json!({"StreamName": stream, "ShardCount": 1})).await;
    let arn = format!("arn:aws:kinesis:{REGION}:{}:stream/{stream}", ALICE.2);
    let mut consumers = Vec::new();
    for n in 0..N {
        let input = json!({"StreamARN": arn, "ConsumerName": format!("consumer-{n}")});
        let made = call(on, "RegisterStreamConsumer", input).await;
        consumers.push(made["Consumer"]["ConsumerARN"].as_str().unwrap().to_owned());
    }
    (stream, consumers.try_into().unwrap())
}

fn subscription(consumer: &str, kind: &str) -> Value {
    json!({"ConsumerARN": consumer, "ShardId": SHARD, "StartingPosition": {"Type": kind}})
}

/// Subscribes over HTTP/1.1 and reads the initial response.
async fn subscribe(client: &Client, input: Value) -> Events {
    let mut events = client.events("kinesis", SUBSCRIBE, input.to_string().into()).await.unwrap();
    let initial = events.next().await.unwrap().unwrap();
    assert_eq!(initial.header(":event-type"), Some("initial-response"));
    events
}

async fn next(events: &mut Events) -> Value {
    let message = events.next().await.unwrap().expect("the subscription goes on");
    assert_eq!(message.header(":event-type"), Some("SubscribeToShardEvent"));
    serde_json::from_slice(&message.payload).unwrap()
}

async fn put(on: &Fixture, stream: &str, data: &[u8]) {
    let input = json!({"StreamName": stream, "PartitionKey": "k", "Data": STANDARD.encode(data)});
    call(on, "PutRecord", input).await;
}

fn data(event: &Value) -> Vec<Vec<u8>> {
    let records = event["Records"].as_array().unwrap();
    records.iter().map(|record| STANDARD.decode(record["Data"].as_str().unwrap()).unwrap()).collect()
}

/// Waits until the node has this many subscriptions.
async fn until_subscriptions(on: &Fixture, wanted: usize) {
    let streams = &on.node.engines().streams;
    let reached = async {
        while streams.subscriptions() != wanted {
            tokio::task::yield_now().await;
        }
    };
    let done = Clock::system().timeout(SOON, reached).await;
    assert!(done.is_some(), "{} subscriptions, not {wanted}", streams.subscriptions());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_pushed_as_they_are_put() {
    let on = Fixture::start_in_memory().await;
    let (stream, [consumer]) = consumed(&on).await;
    put(&on, &stream, b"before").await;
    let mut events = subscribe(&on.alice, subscription(&consumer, "TRIM_HORIZON")).await;
    let first = next(&mut events).await;
    assert_eq!(data(&first), [b"before"]);
    assert_eq!(first["MillisBehindLatest"], 0);
    for n in 0..50 {
        put(&on, &stream, n.to_string().as_bytes()).await;
        let event = next(&mut events).await;
        assert_eq!(data(&event), [n.to_string().as_bytes()]);
        assert!(event["ContinuationSequenceNumber"].is_string());
    }
    drop(events);
    until_subscriptions(&on, 0).await;
    on.node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_continuation_misses_and_repeats_nothing() {
    let on = Fixture::start_in_memory().await;
    let (stream, [first, second]) = consumed(&on).await;
    for n in 0..100 {
        put(&on, &stream, &[n]).await;
    }
    let mut events = subscribe(&on.alice, subscription(&first, "TRIM_HORIZON")).await;
    let (mut seen, mut at) = (Vec::new(), Value::Null);
    while seen.len() < 100 {
        let event = next(&mut events).await;
        seen.extend(data(&event));
        at = event["ContinuationSequenceNumber"].clone();
    }
    put(&on, &stream, b"last").await;
    for (consumer, kind) in [(&first, "AT_SEQUENCE_NUMBER"), (&second, "AFTER_SEQUENCE_NUMBER")] {
        let mut input = subscription(consumer, kind);
        input["StartingPosition"]["SequenceNumber"] = at.clone();
        let body = Bytes::from(input.to_string());
        let subscribed = async {
            loop {
                // Another five seconds after the first subscription.
                if let Ok(events) = on.alice.events("kinesis", SUBSCRIBE, body.clone()).await {
                    return events;
                }
                Clock::system().sleep(Duration::from_millis(50)).await;
            }
        };
        let mut events = Clock::system().timeout(SOON, subscribed).await.unwrap();
        events.next().await.unwrap().unwrap();
        assert_eq!(data(&next(&mut events).await), [b"last"], "{kind}");
    }
    on.node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_an_ordinary_answer() {
    let on = Fixture::start_in_memory().await;
    let (stream, [consumer]) = consumed(&on).await;
    let _events = subscribe(&on.alice, subscription(&consumer, "LATEST")).await;
    let again = subscription(&consumer, "LATEST");
    assert_eq!(on.refusal(SUBSCRIBE, again.clone()).await, "ResourceInUseException");
    let foreign = on.try_call(&on.bob, SUBSCRIBE, again).await.unwrap_err();
    assert_eq!(foreign.code(), Some("AccessDeniedException"));
    let kept = on.refusal("Kinesis_20131202.DeleteStream", json!({"StreamName": stream})).await;
    assert_eq!(kept, "ResourceInUseException");
    on.node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_the_stream_ends_its_subscriptions_with_an_exception() {
    let on = Fixture::start_in_memory().await;
    let (stream, [consumer]) = consumed(&on).await;
    let mut events = subscribe(&on.alice, subscription(&consumer, "LATEST")).await;
    next(&mut events).await;
    call(&on, "DeleteStream", json!({"StreamName": stream, "EnforceConsumerDeletion": true})).await;
    let ended = events.next().await.unwrap_err();
    assert_eq!(ended.code(), Some("ResourceNotFoundException"));
    assert!(events.next().await.unwrap().is_none());
    on.node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_of_the_node_ends_subscriptions_promptly_and_in_order() {
    let on = Fixture::start_in_memory().await;
    let (_, [consumer]) = consumed(&on).await;
    let mut events = subscribe(&on.alice, subscription(&consumer, "LATEST")).await;
    next(&mut events).await;
    let clock = Clock::system();
    let begun = clock.monotonic();
    let (ended, ()) = tokio::join!(events.next(), on.node.stop());
    assert!(ended.unwrap().is_none(), "the answer ends as it should");
    assert!(clock.monotonic() - begun < Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumers_records_survive_a_restart_of_the_node() {
    let on = Fixture::start().await;
    let (stream, [consumer]) = consumed(&on).await;
    put(&on, &stream, b"kept").await;
    let on = on.restart().await;
    let described = call(&on, "DescribeStreamConsumer", json!({"ConsumerARN": consumer})).await;
    assert_eq!(described["ConsumerDescription"]["ConsumerStatus"], "ACTIVE");
    let mut events = subscribe(&on.alice, subscription(&consumer, "TRIM_HORIZON")).await;
    assert_eq!(data(&next(&mut events).await), [b"kept"]);
    on.node.stop().await;
}

/// Puts go on while the shard is split; the subscription gets every record, then the children, which
/// have the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_split_ends_the_subscription_with_the_children() {
    let on = Fixture::start_in_memory().await;
    let (stream, [consumer]) = consumed(&on).await;
    let mut events = subscribe(&on.alice, subscription(&consumer, "TRIM_HORIZON")).await;
    next(&mut events).await;
    let putting = async {
        for n in 0..60u8 {
            if n == 30 {
                let half = (1u128 << 127).to_string();
                let split = json!({"StreamName": stream, "ShardToSplit": SHARD, "NewStartingHashKey": half});
                call(&on, "SplitShard", split).await;
            }
            let input =
                json!({"StreamName": stream, "PartitionKey": n.to_string(), "Data": STANDARD.encode([n])});
            call(&on, "PutRecord", input).await;
        }
    };
    let receiving = async {
        let mut seen = Vec::new();
        loop {
            let event = next(&mut events).await;
            seen.extend(data(&event).iter().map(|data| data[0]));
            if event["ContinuationSequenceNumber"].is_null() {
                return (seen, event["ChildShards"].as_array().unwrap().clone());
            }
            assert!(event.get("ChildShards").is_none());
        }
    };
    let ((), (mut seen, children)) = tokio::join!(putting, receiving);
    assert!(events.next().await.unwrap().is_none(), "nothing follows");
    assert_eq!(seen, (0..30).collect::<Vec<u8>>());
    assert_eq!(children.len(), 2);
    for child in &children {
        assert_eq!(child["ParentShards"], json!([SHARD]));
        let mut input = subscription(&consumer, "TRIM_HORIZON");
        input["ShardId"] = child["ShardId"].clone();
        let mut events = subscribe(&on.alice, input).await;
        seen.extend(data(&next(&mut events).await).iter().map(|data| data[0]));
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..60).collect::<Vec<u8>>(), "each record once");
    on.node.stop().await;
}

/// A subscriber that never reads, and one that vanishes without a word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_harms_nobody() {
    let on = Fixture::start_in_memory().await;
    let (stream, [slow, quick]) = consumed(&on).await;
    let mut deaf = raw_subscription(&on, &slow).await;
    until_subscriptions(&on, 1).await;
    let mut events = subscribe(&on.alice, subscription(&quick, "TRIM_HORIZON")).await;
    let mut seen = BTreeSet::new();
    for n in 0..64u8 {
        put(&on, &stream, &[vec![n], vec![7; 500_000]].concat()).await;
        while !seen.contains(&n) {
            seen.extend(data(&next(&mut events).await).iter().map(|data| data[0]));
        }
    }
    // 32 MB were put; the deaf one's socket has taken what fits into it.
    assert_eq!(on.node.engines().streams.subscriptions(), 2);
    let mut taken = vec![0; 4096];
    deaf.read_exact(&mut taken).await.unwrap();
    assert!(taken.starts_with(b"HTTP/1.1 200 OK"));
    drop(deaf);
    put(&on, &stream, b"and on").await;
    until_subscriptions(&on, 1).await;
    drop(events);
    until_subscriptions(&on, 0).await;
    on.node.stop().await;
}

/// Sends a subscription over a connection of its own and reads nothing.
async fn raw_subscription(on: &Fixture, consumer: &str) -> TcpStream {
    let (head, body) = signed(
        on,
        SUBSCRIBE,
        "application/x-amz-json-1.1",
        subscription(consumer, "TRIM_HORIZON").to_string().into(),
    );
    let mut text = "POST / HTTP/1.1\r\n".to_owned();
    for (name, value) in &head.headers {
        text.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
    }
    text.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    let mut stream = TcpStream::connect(on.node.addr()).await.unwrap();
    stream.write_all(&[text.as_bytes(), &body].concat()).await.unwrap();
    stream
}

/// A request signed as Alice.
fn signed(on: &Fixture, target: &str, content_type: &str, body: Bytes) -> (http::request::Parts, Bytes) {
    let host = on.node.addr().to_string();
    let request = http::Request::post(format!("http://{host}/"))
        .header("host", &host)
        .header("x-amz-target", target)
        .header("content-type", content_type);
    let (mut head, ()) = request.body(()).unwrap().into_parts();
    let signer = Signer::new(Credentials::new(ALICE.0, ALICE.1), REGION, "kinesis");
    signer.sign(&mut head, SignedPayload::Whole(&body), Clock::system().now());
    (head, body)
}

type Http2 =
    hyper_util::client::legacy::Client<hyper_util::client::legacy::connect::HttpConnector, Full<Bytes>>;

/// A client that speaks HTTP/2 with prior knowledge, over one connection.
fn http2() -> Http2 {
    hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .http2_only(true)
        .build_http()
}

async fn ask(
    client: &Http2,
    on: &Fixture,
    operation: &str,
    content_type: &str,
    body: Bytes,
) -> http::Response<Incoming> {
    let (mut head, body) = signed(on, &format!("Kinesis_20131202.{operation}"), content_type, body);
    // HTTP/2 sends the host as :authority.
    head.headers.remove("host");
    let answer = client.request(http::Request::from_parts(head, Full::new(body))).await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    answer
}

async fn next_message(body: &mut Incoming, buffer: &mut BytesMut) -> Message {
    loop {
        if let Some(message) = Message::decode(buffer).unwrap() {
            return message;
        }
        let frame = body.frame().await.expect("the subscription goes on").unwrap();
        buffer.extend_from_slice(frame.data_ref().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_carries_many_subscriptions_and_puts_on_one_connection() {
    const JSON: &str = "application/x-amz-json-1.1";
    let on = Fixture::start_in_memory().await;
    let (stream, consumers) = consumed::<5>(&on).await;
    let client = http2();
    let mut open = Vec::new();
    for consumer in &consumers {
        let input = subscription(consumer, "TRIM_HORIZON").to_string();
        let answer = ask(&client, &on, "SubscribeToShard", JSON, input.into()).await;
        assert_eq!(answer.headers()["content-type"], "application/vnd.amazon.eventstream");
        open.push((answer.into_body(), BytesMut::new(), 0));
    }
    // All together less than the client's window of the connection, so that those it has not read yet
    // stop nobody else.
    for n in 0..10u8 {
        let data = STANDARD.encode([vec![n], vec![7; 40_000]].concat());
        let input = json!({"StreamName": stream, "PartitionKey": "k", "Data": data}).to_string();
        ask(&client, &on, "PutRecord", JSON, input.into()).await.into_body().collect().await.unwrap();
    }
    for (body, buffer, seen) in open.iter_mut().rev() {
        while *seen < 10 {
            let message = next_message(body, buffer).await;
            let event: Value = serde_json::from_slice(&message.payload).unwrap();
            for record in event.get("Records").and_then(Value::as_array).into_iter().flatten() {
                let data = STANDARD.decode(record["Data"].as_str().unwrap()).unwrap();
                assert_eq!(data[0], *seen);
                *seen += 1;
            }
        }
    }
    assert_eq!(on.node.engines().streams.subscriptions(), 5);
    drop(open);
    until_subscriptions(&on, 0).await;
    on.node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cbor_clients_get_events_in_cbor() {
    let on = Fixture::start_in_memory().await;
    let (stream, [consumer]) = consumed(&on).await;
    put(&on, &stream, &[0, 255, 7]).await;
    let mut input = Vec::new();
    let mut encoder = minicbor::Encoder::new(&mut input);
    encoder.map(3).unwrap().str("ConsumerARN").unwrap().str(&consumer).unwrap();
    encoder.str("ShardId").unwrap().str(SHARD).unwrap().str("StartingPosition").unwrap();
    encoder.map(1).unwrap().str("Type").unwrap().str("TRIM_HORIZON").unwrap();
    let answer = ask(&http2(), &on, "SubscribeToShard", "application/x-amz-cbor-1.1", input.into()).await;
    let (mut body, mut buffer) = (answer.into_body(), BytesMut::new());
    let initial = next_message(&mut body, &mut buffer).await;
    assert_eq!(&initial.payload[..], [0xA0]);
    let event = next_message(&mut body, &mut buffer).await;
    assert_eq!(event.header(":content-type"), Some("application/cbor"));
    let mut tokens = minicbor::decode::Tokenizer::new(&event.payload).flatten();
    assert!(tokens.any(|token| token == minicbor::data::Token::Bytes(&[0, 255, 7])));
    drop(body);
    on.node.stop().await;
}
