//! What the face stores: one file per family of facts. Every value is a version byte and CBOR with
//! numbered fields; keys are listed in `docs/formats/keys.md`.

pub(crate) mod crawler;
pub(crate) mod job;
pub(crate) mod keys;
pub(crate) mod tags;

pub(crate) use headwater_store::record::{decode, encode};
