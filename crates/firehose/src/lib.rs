//! The Firehose face: `Firehose_20150804` over JSON 1.1.
//!
//! A delivery stream is a delivery of the engine below: this crate checks and translates what
//! clients configure, accepts their records, and answers in AWS' shapes. Delivering is the
//! engine's affair and goes on whether or not anyone calls.
//!
//! **Invariants.** A record is durable before its id is answered. An SDK's retry of a put gets the
//! first answer again and stores nothing. What this node does not do is refused when the delivery
//! stream is created, never skipped in silence.
//!
//! **Failure.** A full disk or a node that is behind refuses records with
//! `ServiceUnavailableException`, which SDKs retry. See `docs/services/firehose.md`.

mod checks;
mod convert;
mod destination;
mod fault;
mod ops;
mod shapes;

use async_trait::async_trait;
use headwater_delivery::Deliveries;
use headwater_wire::{Answer, Face, OperationRow, OperationSet, VerifiedRequest};

/// 4 MiB of records in base64 and the JSON around them.
const BODY_BYTES_MAX: usize = 8 << 20;

/// What the operations work on.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) deliveries: Deliveries,
}

/// The face.
#[derive(Debug)]
pub struct Firehose {
    state: State,
    operations: OperationSet<State>,
}

impl Firehose {
    /// The face over the deliveries engine.
    pub fn new(deliveries: Deliveries) -> Self {
        let operations = OperationSet::new()
            .with::<ops::CreateDeliveryStream>()
            .with::<ops::DeleteDeliveryStream>()
            .with::<ops::DescribeDeliveryStream>()
            .with::<ops::ListDeliveryStreams>()
            .with::<ops::ListTagsForDeliveryStream>()
            .with::<ops::PutRecord>()
            .with::<ops::PutRecordBatch>()
            .with::<ops::TagDeliveryStream>()
            .with::<ops::UntagDeliveryStream>()
            .with::<ops::UpdateDestination>()
            .refusing(&["StartDeliveryStreamEncryption", "StopDeliveryStreamEncryption"]);
        Self { state: State { deliveries }, operations }
    }
}

#[async_trait]
impl Face for Firehose {
    fn signing_name(&self) -> &'static str {
        "firehose"
    }

    fn target_prefix(&self) -> Option<&'static str> {
        Some("Firehose_20150804")
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
