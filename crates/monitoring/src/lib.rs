//! As much of CloudWatch as the consumer and producer libraries of Kinesis need: PutMetricData, in
//! each of the protocols that SDKs speak it in. What is put becomes metrics of the node.
//!
//! ```text
//! Query form ────────┐
//! JSON 1.0 ──────────┼─► request ─► Datum ─► series ─► the node's metrics page
//! RPC v2 CBOR ───────┘   (gzip undone)       bounded
//! ```
//!
//! **Invariants.** What a client publishes can make at most `series::SERIES_MAX` series; further ones
//! are counted and not kept. A request is taken whole or refused whole.
//!
//! **Failure.** Series live in memory, as all metrics do: a restart begins them again. See
//! `docs/services/monitoring.md`.

mod datum;
mod form;
mod protocol;
mod refused;
mod series;
mod shapes;

use async_trait::async_trait;
use headwater_wire::{Access, Answer, Face, Fault, OperationRow, Outcome, VerifiedRequest};

use crate::protocol::{Call, Spoken};
use crate::series::SeriesSet;

/// The service's own limit of a request, compressed or not.
const BODY_BYTES_MAX: usize = 1 << 20;
const PUT_METRIC_DATA: &str = "PutMetricData";

/// The face.
#[derive(Debug, Default)]
pub struct Monitoring {
    series: SeriesSet,
}

impl Monitoring {
    /// The face, which has seen nothing so far.
    pub fn new() -> Self {
        Self::default()
    }

    async fn put(&self, call: Call) -> Result<(), Fault> {
        let cx = &call.context;
        let access = Access { action: "cloudwatch:PutMetricData", resource: None };
        cx.authority.check(&cx.caller, &access, None).await?;
        let input = call.input()?;
        let (namespace, data) = datum::read(input)?;
        for datum in &data {
            self.series.note(&cx.scope(), &namespace, datum);
        }
        Ok(())
    }
}

#[async_trait]
impl Face for Monitoring {
    fn signing_name(&self) -> &'static str {
        "monitoring"
    }

    fn target_prefix(&self) -> Option<&'static str> {
        Some("GraniteServiceVersion20100801")
    }

    fn needs_target(&self) -> bool {
        false
    }

    fn body_bytes_max(&self) -> usize {
        BODY_BYTES_MAX
    }

    fn operations(&self) -> Vec<OperationRow> {
        let works = OperationRow { name: PUT_METRIC_DATA, works: true };
        let refused = refused::REFUSED.iter().map(|name| OperationRow { name, works: false });
        std::iter::once(works).chain(refused).collect()
    }

    async fn handle(&self, request: VerifiedRequest) -> Answer {
        let id = request.context.request_id.clone();
        let spoken = Spoken::of(&request);
        let call = Call::of(spoken, request);
        let name = call.as_ref().map(|call| call.operation.clone()).unwrap_or_default();
        let known =
            std::iter::once(&PUT_METRIC_DATA).chain(refused::REFUSED).copied().find(|known| *known == name);
        let result = match (call, known) {
            (Err(fault), _) => Err(fault),
            (Ok(call), Some(PUT_METRIC_DATA)) => self.put(call).await,
            (Ok(_), Some(name)) => {
                Err(Fault::client(spoken.unknown(), format!("{name} is not supported by this endpoint")))
            }
            (Ok(_), None) => Err(Fault::client(spoken.unknown(), "there is no such operation")),
        };
        let fault = result.as_ref().err().map(|fault| fault.code.clone());
        let mut response = match result {
            Ok(()) => spoken.done(PUT_METRIC_DATA, &id),
            Err(fault) => spoken.fault(&fault, &id),
        };
        response.extensions_mut().insert(Outcome { operation: known.unwrap_or("Unknown"), fault });
        response
    }
}

/// For the fuzz target `metric_form`: reads bytes as a form and as what the form says.
#[doc(hidden)]
pub fn fuzz_form(bytes: &[u8]) {
    if let Ok(input) = form::read(bytes) {
        let _ = datum::read(input);
    }
}
