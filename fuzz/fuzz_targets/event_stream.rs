//! Event streams: any bytes are messages or a refusal, and what was read is written back alike.
#![no_main]

use bytes::BytesMut;
use headwater_wire::event_stream::Message;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // As they are, and as headers and payload under lengths and checksums put right: no mutation
    // finds those by itself.
    check(data);
    if let Some((cut, rest)) = data.split_first() {
        check(&sealed(rest, usize::from(*cut) % (rest.len() + 1)));
    }
});

fn check(data: &[u8]) {
    let mut buffer = BytesMut::from(data);
    while let Ok(Some(message)) = Message::decode(&mut buffer) {
        // A header's value may be longer than this writer makes them.
        let Ok(written) = message.encode() else { continue };
        let again = Message::decode(&mut BytesMut::from(&written[..]));
        assert_eq!(again, Ok(Some(message)));
    }
}

fn sealed(body: &[u8], headers: usize) -> Vec<u8> {
    let crc = |bytes: &[u8]| crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, bytes) as u32;
    let mut out = ((body.len() + 16) as u32).to_be_bytes().to_vec();
    out.extend_from_slice(&(headers as u32).to_be_bytes());
    out.extend_from_slice(&crc(&out).to_be_bytes());
    out.extend_from_slice(body);
    out.extend_from_slice(&crc(&out).to_be_bytes());
    out
}
