//! The face over the in-memory store, without a front door: golden conversations.

mod stage;

use headwater_testkit::golden;
use headwater_wire::Face;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");

#[tokio::test]
async fn every_golden_conversation_goes_as_written() {
    golden::play_all(GOLDEN, stage::play).await;
}

#[tokio::test]
async fn every_operation_has_a_golden() {
    golden::assert_complete(GOLDEN, &stage::face().operations());
}

/// Each of the service's operations is either done or refused by name.
#[tokio::test]
async fn every_operation_of_the_service_is_known() {
    assert_eq!(golden::known(&stage::face().operations()), 57);
}
