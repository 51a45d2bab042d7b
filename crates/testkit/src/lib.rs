//! Parts for tests: circumstances of a request that need no front door, and golden conversations
//! with a face.

pub mod conversation;
mod events;
pub mod golden;

use std::sync::Arc;

use async_trait::async_trait;
use headwater_base::{AccountId, Caller, Timestamp};
use headwater_wire::{Access, Authority, Context, Fault, Secret};

/// The account of [`context`].
pub const ACCOUNT: &str = "111111111111";
/// The region of [`context`].
pub const REGION: &str = "eu-central-1";

/// An authority that knows nobody and allows everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllowAll;

#[async_trait]
impl Authority for AllowAll {
    async fn secret(&self, _access_key: &str) -> Option<Secret> {
        None
    }

    async fn check(&self, _: &Caller, _: &Access, _: Option<AccountId>) -> Result<(), Fault> {
        Ok(())
    }
}

/// The circumstances of a request by a user of [`ACCOUNT`] in [`REGION`] who may do everything.
pub fn context() -> Context {
    context_of(ACCOUNT.parse().expect("the constant is an account id"))
}

/// The same for another account.
pub fn context_of(account: AccountId) -> Context {
    let caller = Caller {
        account,
        access_key: format!("AKIA{account}"),
        user: "ada".into(),
        canonical_id: format!("{:0>64}", account.to_string()),
    };
    Context {
        caller: Arc::new(caller),
        region: REGION.parse().expect("the constant is a region"),
        request_id: "00000000-0000-4000-8000-000000000001".into(),
        time: Timestamp::from_ms(1_767_225_600_000),
        invocation_id: None,
        body_sha256: [0; 32],
        source_ip: "127.0.0.1".into(),
        tls: None,
        authority: Arc::new(AllowAll),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_has_a_scope() {
        let cx = context();
        assert_eq!((cx.scope().account.to_string().as_str(), cx.scope().region.as_str()), (ACCOUNT, REGION));
        assert_eq!(cx.caller.canonical_id.len(), 64);
    }
}
