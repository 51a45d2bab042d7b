//! What the engine stores: one file per family of facts. Every value is a version byte and CBOR
//! with numbered fields; keys are listed in `docs/formats/keys.md`. Private to the engine.

pub(crate) mod acl;
pub(crate) mod bucket;
pub(crate) mod encryption;
pub(crate) mod keys;
pub(crate) mod lifecycle;
pub(crate) mod object;
pub(crate) mod outbox;
pub(crate) mod scrub;
pub(crate) mod upload;
pub(crate) mod usage;
pub(crate) mod version;

pub(crate) use headwater_store::record::{decode, encode};
