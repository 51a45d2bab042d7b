//! Any bytes as a record batch: an error or records, never a panic, never an allocation that the bytes do not justify.
#![no_main]

use bytes::Bytes;
use headwater_streams::batch;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let batch = Bytes::copy_from_slice(bytes);
    let _ = batch::decode(&batch);
    // Almost no random bytes have the right length and checksum: put them right to get past.
    if bytes.len() >= 61 {
        let mut sealed = bytes.to_vec();
        sealed[16] = 2;
        let length = (sealed.len() - 12) as i32;
        sealed[8..12].copy_from_slice(&length.to_be_bytes());
        let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &sealed[21..]) as u32;
        sealed[17..21].copy_from_slice(&crc.to_be_bytes());
        let sealed = Bytes::from(sealed);
        if let Ok(records) = batch::decode(&sealed) {
            let again = batch::encode(&records.into_iter().map(|r| r.record).collect::<Vec<_>>());
            batch::decode(&again).expect("what was read can be written and read again");
        }
    }
});
