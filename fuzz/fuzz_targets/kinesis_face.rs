//! Any bytes as the body of any operation of Kinesis, in JSON and in CBOR, on a stream that is there:
//! an answer or a refusal, never a panic and never a fault of the node.
//!
//! The first byte chooses the operation, its lowest bit the spelling; the rest is the body. The node
//! is a fresh one after every [`CALLS_MAX`] calls.
#![no_main]

use std::cell::RefCell;

use headwater_base::{Seams, Timestamp};
use headwater_kinesis::Kinesis;
use headwater_store::memory;
use headwater_streams::Streams;
use headwater_testkit::context;
use headwater_wire::{Codec, Face, RawBody, VerifiedRequest};
use headwater_work::Work;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};

/// How many calls one node gets.
const CALLS_MAX: u32 = 500;

/// What is there before the first call.
const BEFORE: [(&str, &str); 4] = [
    ("CreateStream", r#"{"StreamName":"s","ShardCount":2}"#),
    ("PutRecord", r#"{"StreamName":"s","Data":"AA==","PartitionKey":"k"}"#),
    (
        "RegisterStreamConsumer",
        r#"{"StreamARN":"arn:aws:kinesis:eu-central-1:111111111111:stream/s","ConsumerName":"c"}"#,
    ),
    ("SplitShard", r#"{"StreamName":"s","ShardToSplit":"shardId-0","NewStartingHashKey":"5"}"#),
];

struct Node {
    runtime: Runtime,
    face: Kinesis,
    operations: Vec<&'static str>,
    calls: u32,
}

impl Node {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let face = runtime.block_on(async {
            let seams = Seams::simulated(Timestamp::from_ms(1_767_225_600_000), 1);
            let store = memory::open(seams.clone());
            Kinesis::new(Streams::new(store, seams.clone(), &Work::new(seams)))
        });
        let operations = face.operations().iter().filter(|row| row.works).map(|row| row.name).collect();
        let mut node = Self { runtime, face, operations, calls: 0 };
        for (operation, body) in BEFORE {
            assert_eq!(node.call(operation, Codec::Json11, body.as_bytes()), 200, "{operation}");
        }
        node
    }

    fn call(&mut self, operation: &str, codec: Codec, body: &[u8]) -> u16 {
        self.calls += 1;
        let (head, ()) = http::Request::post("/")
            .header("content-type", codec.content_type())
            .header("x-amz-target", format!("Kinesis_20131202.{operation}"))
            .body(())
            .expect("a valid request")
            .into_parts();
        let body = RawBody::Whole(body.to_vec().into());
        let request = VerifiedRequest { head, body, context: context() };
        self.runtime.block_on(self.face.handle(request)).status().as_u16()
    }
}

thread_local! {
    static NODE: RefCell<Node> = RefCell::new(Node::new());
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    NODE.with_borrow_mut(|node| {
        if node.calls >= CALLS_MAX {
            *node = Node::new();
        }
        let codec = if choice & 1 == 0 { Codec::Json11 } else { Codec::Cbor };
        let operation = node.operations[usize::from(choice >> 1) % node.operations.len()];
        let status = node.call(operation, codec, body);
        assert!(status < 500, "{operation} answered {status}");
    });
});
