//! Reading batches.

use bytes::Bytes;

use super::{BatchError, CHECKED_FROM, HEADER_BYTES, compression, varint, write::checksum};

/// The smallest record: seven numbers of one byte each.
const RECORD_BYTES_MIN: usize = 7;
const COMPRESSION: i16 = 0b111;

/// One record of a batch: slices, no copies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Offset minus the batch's base offset.
    pub offset_delta: i32,
    /// Milliseconds since the epoch, as the producer said.
    pub timestamp_ms: i64,
    /// The key.
    pub key: Option<Bytes>,
    /// The data.
    pub value: Option<Bytes>,
    /// The headers, not yet taken apart.
    pub headers: Headers,
}

/// A record's headers, still encoded.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Headers {
    count: u32,
    bytes: Bytes,
}

/// One header of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: Bytes,
    /// Its value.
    pub value: Option<Bytes>,
}

impl Headers {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The headers in order.
    pub fn iter(&self) -> impl Iterator<Item = Header> + '_ {
        let mut at = 0;
        (0..self.count).map_while(move |_| {
            let name = slice(&self.bytes, &mut at).ok()??;
            let value = slice(&self.bytes, &mut at).ok()?;
            Some(Header { name, value })
        })
    }

    /// The value of the first header of that name.
    pub fn get(&self, name: &[u8]) -> Option<Bytes> {
        self.iter().find(|header| header.name == name)?.value
    }

    fn parse(bytes: Bytes, count: i32) -> Result<Self, BatchError> {
        let count = u32::try_from(count).map_err(|_| BatchError("a negative number of headers"))?;
        let mut at = 0;
        for _ in 0..count {
            skip(&bytes, &mut at)?.ok_or(BatchError("a header without a name"))?;
            skip(&bytes, &mut at)?;
        }
        if at != bytes.len() {
            return Err(BatchError("a record's length is not that of its fields"));
        }
        Ok(Self { count, bytes })
    }
}

/// The records of one batch, in order. Stops after the first error.
#[derive(Clone, Debug)]
pub struct Records {
    bytes: Bytes,
    at: usize,
    remaining: u32,
    base_timestamp_ms: i64,
    last_offset_delta: i32,
}

/// Opens a batch for reading: verifies its header and CRC, unfolds it if it is compressed.
///
/// # Errors
/// When the bytes are not exactly one RecordBatch v2.
pub fn records(batch: &Bytes) -> Result<Records, BatchError> {
    if batch.len() < HEADER_BYTES {
        return Err(BatchError("shorter than a batch header"));
    }
    if batch[16] != 2 {
        return Err(BatchError("not version 2"));
    }
    if i64::from(i32_at(batch, 8)) != batch.len() as i64 - 12 {
        return Err(BatchError("the length is not that of the bytes"));
    }
    if checksum(&batch[CHECKED_FROM..]) != i32_at(batch, 17) as u32 {
        return Err(BatchError("the checksum is wrong"));
    }
    let attributes = i16::from_be_bytes([batch[21], batch[22]]);
    let last_offset_delta = i32_at(batch, 23);
    let body = batch.slice(HEADER_BYTES..);
    let bytes = match attributes & COMPRESSION {
        0 => body,
        codec => compression::unfold(codec, &body)?.into(),
    };
    let count = u32::try_from(i32_at(batch, 57)).map_err(|_| BatchError("a negative number of records"))?;
    if count as usize > bytes.len() / RECORD_BYTES_MIN {
        return Err(BatchError("more records than bytes for them"));
    }
    if i64::from(count) > i64::from(last_offset_delta) + 1 {
        return Err(BatchError("more records than offsets"));
    }
    let base_timestamp_ms = i64::from_be_bytes(batch[27..35].try_into().expect("eight bytes"));
    Ok(Records { bytes, at: 0, remaining: count, base_timestamp_ms, last_offset_delta })
}

impl Iterator for Records {
    type Item = Result<Record, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.remaining == 0 {
            if self.at == self.bytes.len() {
                return None;
            }
            self.at = self.bytes.len();
            return Some(Err(BatchError("bytes after the last record")));
        }
        self.remaining -= 1;
        let record = self.parse();
        if record.is_err() {
            self.remaining = 0;
            self.at = self.bytes.len();
        }
        Some(record)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.remaining as usize + 1))
    }
}

impl Records {
    fn parse(&mut self) -> Result<Record, BatchError> {
        let bytes = &self.bytes;
        let at = &mut self.at;
        let len = varint::get_i32(bytes, at)?;
        let len = usize::try_from(len).map_err(|_| BatchError("a negative record length"))?;
        let end =
            at.checked_add(len).filter(|end| *end <= bytes.len()).ok_or(BatchError("a record is cut off"))?;
        if len < RECORD_BYTES_MIN - 1 {
            return Err(BatchError("a record is too short"));
        }
        *at += 1; // the attributes of a record have no meaning yet
        let timestamp_delta = varint::get(bytes, at)?;
        let offset_delta = varint::get_i32(bytes, at)?;
        if offset_delta < 0 || offset_delta > self.last_offset_delta {
            return Err(BatchError("an offset outside the batch"));
        }
        let key = slice(bytes, at)?;
        let value = slice(bytes, at)?;
        let headers_count = varint::get_i32(bytes, at)?;
        if *at > end {
            return Err(BatchError("a record's length is not that of its fields"));
        }
        let headers = match headers_count {
            0 if *at == end => Headers::default(),
            count => Headers::parse(bytes.slice(*at..end), count)?,
        };
        *at = end;
        let timestamp_ms = self.base_timestamp_ms.wrapping_add(timestamp_delta);
        Ok(Record { offset_delta, timestamp_ms, key, value, headers })
    }
}

/// Reads a length and the bytes it counts, which are absent when it is -1.
fn slice(bytes: &Bytes, at: &mut usize) -> Result<Option<Bytes>, BatchError> {
    Ok(skip(bytes, at)?.map(|range| bytes.slice(range)))
}

fn skip(bytes: &[u8], at: &mut usize) -> Result<Option<std::ops::Range<usize>>, BatchError> {
    let len = varint::get_i32(bytes, at)?;
    if len == -1 {
        return Ok(None);
    }
    let len = usize::try_from(len).map_err(|_| BatchError("a negative length"))?;
    let end =
        at.checked_add(len).filter(|end| *end <= bytes.len()).ok_or(BatchError("a field is cut off"))?;
    let range = *at..end;
    *at = end;
    Ok(Some(range))
}

fn i32_at(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes of a header whose length was checked"))
}
