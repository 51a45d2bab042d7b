//! JSON records to Arrow, one bad record never spoiling its neighbours.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;

/// A record that does not fit, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// Its position among the records given.
    pub index: usize,
    /// The reason, fit for a person.
    pub reason: String,
}

/// The result of decoding a run of records.
#[derive(Debug, Clone)]
pub struct Decoded {
    /// One row per JSON object that fits, in order.
    pub batch: RecordBatch,
    /// For each row the index of the record it came from.
    pub origin: Vec<u32>,
    /// The records that do not fit. A record is either wholly in `batch` or here.
    pub misfits: Vec<Misfit>,
}

/// Decodes JSON objects into rows of a schema, with the OpenX SerDe's leniencies: key case is
/// ignored, dots can stand for underscores, numbers and booleans may come as strings, absent is
/// null, unknown keys are skipped.
#[derive(Debug, Clone)]
pub struct JsonDecoder {
    schema: SchemaRef,
}

impl JsonDecoder {
    /// A decoder for `schema`.
    pub fn new(schema: SchemaRef) -> Self {
        Self { schema }
    }

    /// Decodes `records`; each holds one JSON object or several one after another. CPU-bound.
    pub fn decode(&self, records: &[Bytes]) -> Decoded {
        let _ = (Arc::clone(&self.schema), records);
        todo!("tables owner")
    }
}
