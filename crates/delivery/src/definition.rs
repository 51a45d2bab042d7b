//! What a delivery is: where records come from, where they go, and in what form.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono_tz::Tz;
use headwater_base::{Arn, ByteSize, InvalidName, Scope, Timestamp};
use headwater_catalog::TableKey;
use headwater_objects::BucketName;
use headwater_store::LogId;
use headwater_streams::StreamKey;
use headwater_tables::decode::JsonOptions;
use headwater_tables::write::ParquetCompression;

use crate::extract::PartitionQuery;
use crate::prefix::Prefix;

/// A delivery's name: 1 to 64 of `A-Z a-z 0-9 _ . -`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct DeliveryName(Arc<str>);

impl DeliveryName {
    /// The name, if it is one.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
        if text.is_empty() || text.len() > 64 || !text.bytes().all(legal) {
            return Err(InvalidName::new("delivery stream name", text, "1 to 64 of A-Z a-z 0-9 _ . -"));
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where a delivery is found: its scope and name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct DeliveryKey {
    /// Account and region.
    pub scope: Scope,
    /// The name.
    pub name: DeliveryName,
}

impl DeliveryKey {
    /// `arn:aws:firehose:…:deliverystream/NAME`.
    pub fn arn(&self) -> Arn {
        Arn::new("firehose", &self.scope, format!("deliverystream/{}", self.name.as_str()))
    }
}

/// A delivery as it is now.
#[derive(Clone, PartialEq, Debug)]
pub struct Delivery {
    /// Where it is found.
    pub key: DeliveryKey,
    /// Distinguishes deliveries that had the same name at different times; never reused.
    pub incarnation: u64,
    /// Where records come from.
    pub source: Source,
    /// Where they go.
    pub destination: Destination,
    /// Begins at 1; raised by each change of the destination.
    pub config_version: u64,
    /// When it was created.
    pub created: Timestamp,
    /// When its destination was last changed.
    pub updated: Option<Timestamp>,
    /// Whether it is being removed: it takes no records any more and delivers none.
    pub deleting: bool,
}

/// Where a delivery's records come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// Records are put to the delivery itself, into a log of its own.
    DirectPut {
        /// The log. Trimmed as far as it is delivered.
        log: LogId,
    },
    /// A stream. The delivery keeps to this incarnation of it.
    Stream {
        /// Where the stream is found.
        key: StreamKey,
        /// Which of the streams that ever had this name.
        incarnation: u64,
    },
}

impl Source {
    /// Sixteen bytes that no other source has or will have: part of every object's name.
    pub(crate) fn identity(&self) -> [u8; 16] {
        let (kind, number) = match self {
            Self::DirectPut { log } => (1u64, log.0),
            Self::Stream { incarnation, .. } => (2u64, *incarnation),
        };
        ((u128::from(kind) << 64) | u128::from(number)).to_be_bytes()
    }
}

/// Where and how records are written.
#[derive(Clone, PartialEq, Debug)]
pub struct Destination {
    /// The bucket; found by name at each plan, so a bucket recreated under it is accepted.
    pub bucket: BucketName,
    /// Where delivered objects go.
    pub prefix: Prefix,
    /// Where records that could not be delivered go; by default under `prefix` and their reason.
    pub error_prefix: Option<Prefix>,
    /// Ends every delivered object's name instead of the form's own ending.
    pub file_extension: Option<String>,
    /// The zone of timestamps in prefixes and names.
    pub zone: Tz,
    /// Whether raw objects and error objects are gzip-compressed.
    pub gzip: bool,
    /// Set: records are converted to the rows of a table. Else they are written as they came.
    pub conversion: Option<Conversion>,
    /// Set: records are partitioned by values found in them.
    pub partition_query: Option<PartitionQuery>,
    /// Follows each raw record.
    pub delimiter: Bytes,
    /// When to deliver.
    pub buffering: Buffering,
    /// The configuration as its client gave it (JSON), kept for whoever asks.
    pub echo: String,
}

/// Conversion of JSON records to the rows of a catalog table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Conversion {
    /// The table; the newest version of its schema counts.
    pub table: TableKey,
    /// Compression inside Parquet.
    pub compression: ParquetCompression,
    /// How keys of the records find their columns.
    pub json: JsonOptions,
    /// The catalog id, region, role and version as given, for error records.
    pub echo: SchemaEcho,
}

/// What error records say about the table they did not fit, besides its name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SchemaEcho {
    /// The catalog's id (an account).
    pub catalog_id: Option<String>,
    /// The role that reads the catalog.
    pub role_arn: String,
    /// `LATEST`.
    pub version_id: String,
}

/// A delivery is due when either bound is reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Buffering {
    /// This many bytes wait.
    pub size: ByteSize,
    /// The oldest waiting record arrived this long ago. Zero: as soon as there is one.
    pub interval: Duration,
}

/// Where a delivery begins to read a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StartAt {
    /// With records that arrive after the delivery's creation, as Firehose does.
    Latest,
    /// With the oldest record the stream still has.
    Oldest,
}

/// Where a new delivery shall take its records from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NewSource {
    /// From those who put to it.
    DirectPut,
    /// From a stream.
    Stream {
        /// Where it is found.
        key: StreamKey,
        /// Where to begin.
        start: StartAt,
    },
}

/// What a new delivery should be.
#[derive(Clone, PartialEq, Debug)]
pub struct NewDelivery {
    /// Where it will be found.
    pub key: DeliveryKey,
    /// Where records come from.
    pub source: NewSource,
    /// Where they go.
    pub destination: Destination,
    /// Tags.
    pub tags: Vec<(String, String)>,
}
