//! What the engine stores. Every value is a version byte and CBOR with numbered fields; keys are
//! listed in `docs/formats/keys.md`. Private to the engine.

pub(crate) mod keys;
pub(crate) mod queued;
pub(crate) mod rules;

pub(crate) use headwater_store::record::{decode, encode};
