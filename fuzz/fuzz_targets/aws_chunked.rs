//! The aws-chunked decoder: how the bytes are cut changes nothing, and nothing panics.
#![no_main]

use bytes::Bytes;
use headwater_wire::sigv4::{ChunkDecoder, ChunkError};
use libfuzzer_sys::fuzz_target;

type Decoded = Result<(Vec<u8>, Vec<(String, String)>), ChunkError>;

fn decode(stated: u64, pieces: &[&[u8]]) -> Decoded {
    let mut decoder = ChunkDecoder::new(None, stated, vec!["x-amz-checksum-crc32".to_owned()]);
    let mut data = Vec::new();
    for piece in pieces {
        let mut piece = Bytes::copy_from_slice(piece);
        while let Some(bytes) = decoder.decode(&mut piece)? {
            data.extend_from_slice(&bytes);
        }
    }
    Ok((data, decoder.finish()?))
}

fuzz_target!(|input: (u16, u16, &[u8])| {
    let (stated, cut, body) = input;
    let cut = usize::from(cut).min(body.len());
    let whole = decode(u64::from(stated), &[body]);
    let halves = decode(u64::from(stated), &[&body[..cut], &body[cut..]]);
    match (whole, halves) {
        (Ok(whole), Ok(halves)) => assert_eq!(whole, halves),
        (Err(_), Err(_)) => {}
        (whole, halves) => panic!("{whole:?} is not {halves:?}"),
    }
});
