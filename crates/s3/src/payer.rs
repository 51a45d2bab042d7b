//! Buckets whose requesters pay: who asks must say that it knows.

use http::{HeaderMap, HeaderValue, Uri};

use crate::arrival::Arrival;
use crate::fault::Refusal;
use crate::keys;
use crate::standing::Standing;

const PAYER: &str = "x-amz-request-payer";

/// Refuses other accounts that do not say they pay, and answers those that do that they were charged.
/// The bucket's own account never pays; nobody in particular cannot.
pub(crate) fn check(
    standing: &Standing,
    arrival: &Arrival,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<(), Refusal> {
    if !standing.bucket().access.requester_pays || !standing.is_foreign() {
        return Ok(());
    }
    let in_header = headers.get(PAYER).is_some_and(|value| value.as_bytes() == b"requester");
    let says = in_header || keys::query(uri, PAYER).as_deref() == Some("requester");
    if arrival.context.caller.is_anonymous() || !says {
        return Err(Refusal::access_denied());
    }
    arrival.add_header("x-amz-request-charged", HeaderValue::from_static("requester"));
    Ok(())
}
