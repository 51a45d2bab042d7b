//! Round trips, golden bytes, foreign bytes.

use std::io::Write;

use proptest::prelude::*;

use super::write::checksum;
use super::*;

fn any_bytes() -> impl Strategy<Value = Bytes> {
    proptest::collection::vec(any::<u8>(), 0..80).prop_map(Bytes::from)
}

fn any_record() -> impl Strategy<Value = BatchRecord> {
    let headers = proptest::collection::vec((any_bytes(), proptest::option::of(any_bytes())), 0..4);
    (proptest::option::of(any_bytes()), proptest::option::of(any_bytes()), headers, any::<i64>())
        .prop_map(|(key, value, headers, timestamp_ms)| BatchRecord { key, value, headers, timestamp_ms })
}

proptest! {
    #[test]
    fn records_survive_a_round_trip(all in proptest::collection::vec(any_record(), 0..40)) {
        let decoded = decode(&encode(&all)).unwrap();
        prop_assert!(decoded.iter().enumerate().all(|(i, r)| r.offset_delta == i as i32));
        prop_assert_eq!(decoded.into_iter().map(|r| r.record).collect::<Vec<_>>(), all);
    }

    #[test]
    fn compressed_batches_read_as_plain_ones(all in proptest::collection::vec(any_record(), 1..40)) {
        let plain = encode(&all);
        for codec in [1, 2, 4] {
            prop_assert_eq!(decode(&compressed(&plain, codec)).unwrap(), decode(&plain).unwrap());
        }
    }

    #[test]
    fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes.into());
    }

    #[test]
    fn damaged_records_never_panic(
        all in proptest::collection::vec(any_record(), 1..8),
        at: prop::sample::Index,
        byte: u8,
        codec in prop::sample::select(vec![0i16, 1, 2, 3, 4, 5]),
    ) {
        let mut bytes = encode(&all).to_vec();
        let at = CHECKED_FROM + at.index(bytes.len() - CHECKED_FROM);
        bytes[at] = byte;
        bytes[22] = codec as u8;
        let _ = decode(&resealed(bytes));
    }

    #[test]
    fn one_wrong_bit_is_noticed(all in proptest::collection::vec(any_record(), 1..4), at: prop::sample::Index, bit in 0..8u8) {
        let mut bytes = encode(&all).to_vec();
        // The base offset and the leader epoch are outside the checksum on purpose.
        let at = CHECKED_FROM + at.index(bytes.len() - CHECKED_FROM);
        bytes[at] ^= 1 << bit;
        prop_assert!(decode(&bytes.into()).is_err());
    }
}

#[test]
fn the_bytes_are_those_kafka_writes() {
    let record = BatchRecord {
        key: Some(Bytes::from_static(b"k")),
        value: Some(Bytes::from_static(b"v")),
        headers: vec![(Bytes::from_static(EXPLICIT_HASH_KEY), Some(Bytes::from_static(&[7])))],
        timestamp_ms: 1_000,
    };
    let golden = "0000000000000000\
                  00000040\
                  ffffffff\
                  02\
                  7fce5fe6\
                  0000\
                  00000000\
                  00000000000003e8\
                  00000000000003e8\
                  ffffffffffffffff\
                  ffff\
                  ffffffff\
                  00000001\
                  1c00000002\
                  6b0276020665686b0207";
    let batch = encode(std::slice::from_ref(&record));
    assert_eq!(hex::encode(&batch), golden);
    assert_eq!(decode(&batch).unwrap(), [DecodedRecord { offset_delta: 0, record }]);
}

#[test]
fn the_checksum_is_crc_32c() {
    assert_eq!(checksum(b"123456789"), 0xE306_9283);
}

#[test]
fn slices_share_the_batch() {
    let value = Bytes::from(vec![9; 4096]);
    let batch =
        encode(&[BatchRecord { key: None, value: Some(value), headers: Vec::new(), timestamp_ms: 0 }]);
    let record = records(&batch).unwrap().next().unwrap().unwrap();
    let (outer, inner) = (batch.as_ptr_range(), record.value.unwrap());
    assert!(outer.contains(&inner.as_ptr()));
}

#[test]
fn a_count_beyond_the_bytes_is_refused_before_allocating() {
    let mut bytes = encode(&[]).to_vec();
    bytes[57..61].copy_from_slice(&i32::MAX.to_be_bytes());
    bytes[23..27].copy_from_slice(&i32::MAX.to_be_bytes());
    assert_eq!(decode(&resealed(bytes)), Err(BatchError("more records than bytes for them")));
}

#[test]
fn a_bomb_is_refused() {
    let mut bytes = encode(&[]).to_vec();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..65 {
        packer.write_all(&vec![0; 1 << 20]).unwrap();
    }
    bytes.extend(packer.finish().unwrap());
    bytes[22] = 1;
    assert_eq!(decode(&resealed(bytes)), Err(BatchError("the compressed records unfold to too many bytes")));
}

#[test]
fn lz4_is_refused_cleanly() {
    let mut bytes = encode(&[]).to_vec();
    bytes[22] = 3;
    assert_eq!(decode(&resealed(bytes)), Err(BatchError("lz4 compression is not supported")));
}

#[test]
fn xerial_framing_is_understood() {
    let record =
        BatchRecord { key: None, value: Some(vec![b'a'; 500].into()), headers: vec![], timestamp_ms: 5 };
    let plain = encode(std::slice::from_ref(&record));
    let mut bytes = plain[..HEADER_BYTES].to_vec();
    bytes.extend(b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01");
    for piece in plain[HEADER_BYTES..].chunks(100) {
        let packed = snap::raw::Encoder::new().compress_vec(piece).unwrap();
        bytes.extend((packed.len() as u32).to_be_bytes());
        bytes.extend(packed);
    }
    bytes[22] = 2;
    assert_eq!(decode(&resealed(bytes)).unwrap()[0].record, record);
}

/// The batch with its records compressed, as a Kafka producer would send it.
fn compressed(plain: &Bytes, codec: u8) -> Bytes {
    let body = &plain[HEADER_BYTES..];
    let packed = match codec {
        1 => {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packer.write_all(body).unwrap();
            packer.finish().unwrap()
        }
        2 => snap::raw::Encoder::new().compress_vec(body).unwrap(),
        _ => zstd::encode_all(body, 1).unwrap(),
    };
    let mut bytes = plain[..HEADER_BYTES].to_vec();
    bytes.extend(packed);
    bytes[22] = codec;
    resealed(bytes)
}

/// The bytes with their length and checksum made right again.
fn resealed(mut bytes: Vec<u8>) -> Bytes {
    let length = (bytes.len() - 12) as i32;
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    let crc = checksum(&bytes[CHECKED_FROM..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes.into()
}
