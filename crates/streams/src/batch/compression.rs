//! Unfolding what Kafka producers compressed. Our own batches are not compressed.

use std::io::Read;

use super::{BatchError, DECOMPRESSED_BYTES_MAX};

/// What snappy-java (and with it every Kafka client) puts before framed snappy data.
const XERIAL_MAGIC: &[u8] = b"\x82SNAPPY\0";
const XERIAL_HEADER_BYTES: usize = 16;

/// Unfolds a batch's records. `codec` is the low three bits of the batch's attributes.
pub(super) fn unfold(codec: i16, packed: &[u8]) -> Result<Vec<u8>, BatchError> {
    match codec {
        1 => read_bounded(flate2::read::MultiGzDecoder::new(packed)),
        2 => unfold_snappy(packed),
        3 => Err(BatchError("lz4 compression is not supported")),
        4 => {
            let reader = zstd::stream::read::Decoder::with_buffer(packed)
                .map_err(|_| BatchError("the compressed records are damaged"))?;
            read_bounded(reader)
        }
        _ => Err(BatchError("unknown compression")),
    }
}

fn read_bounded(reader: impl Read) -> Result<Vec<u8>, BatchError> {
    let mut out = Vec::new();
    reader
        .take(DECOMPRESSED_BYTES_MAX as u64 + 1)
        .read_to_end(&mut out)
        .map_err(|_| BatchError("the compressed records are damaged"))?;
    if out.len() > DECOMPRESSED_BYTES_MAX {
        return Err(TOO_LARGE);
    }
    Ok(out)
}

fn unfold_snappy(packed: &[u8]) -> Result<Vec<u8>, BatchError> {
    if !packed.starts_with(XERIAL_MAGIC) {
        let mut out = Vec::new();
        unfold_snappy_block(packed, &mut out)?;
        return Ok(out);
    }
    let mut rest = packed.get(XERIAL_HEADER_BYTES..).ok_or(BatchError("the snappy header is cut off"))?;
    let mut out = Vec::new();
    while !rest.is_empty() {
        let (len, tail) = rest.split_first_chunk::<4>().ok_or(BatchError("a snappy block is cut off"))?;
        let len = u32::from_be_bytes(*len) as usize;
        let (block, tail) = tail.split_at_checked(len).ok_or(BatchError("a snappy block is cut off"))?;
        unfold_snappy_block(block, &mut out)?;
        rest = tail;
    }
    Ok(out)
}

fn unfold_snappy_block(block: &[u8], out: &mut Vec<u8>) -> Result<(), BatchError> {
    let damaged = |_| BatchError("the compressed records are damaged");
    let len = snap::raw::decompress_len(block).map_err(damaged)?;
    // A snappy element of three bytes unfolds to at most 64.
    if len > block.len().saturating_mul(22) || len > DECOMPRESSED_BYTES_MAX - out.len() {
        return Err(TOO_LARGE);
    }
    let start = out.len();
    out.resize(start + len, 0);
    let written = snap::raw::Decoder::new().decompress(block, &mut out[start..]).map_err(damaged)?;
    out.truncate(start + written);
    Ok(())
}

const TOO_LARGE: BatchError = BatchError("the compressed records unfold to too many bytes");
