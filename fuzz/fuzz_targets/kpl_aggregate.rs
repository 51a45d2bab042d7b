//! Aggregated records come from producers: splitting never panics, and gives parts of the record alone.
//! The digest is put right, so that what follows it is reached.
#![no_main]

use bytes::Bytes;
use headwater_streams::aggregate::split;
use libfuzzer_sys::fuzz_target;
use md5::{Digest, Md5};

fuzz_target!(|message: &[u8]| {
    let _ = split(&Bytes::copy_from_slice(message));
    let framed = [&[0xF3, 0x89, 0x9A, 0xC2], message, &Md5::digest(message)].concat();
    for record in split(&framed.into()).into_iter().flatten() {
        assert!(record.data.len() <= message.len());
    }
});
