//! A delivery's definition.

use std::time::Duration;

use bytes::Bytes;
use headwater_base::{AccountId, ByteSize, Scope, Timestamp};
use headwater_catalog::TableKey;
use headwater_objects::BucketName;
use headwater_store::LogId;
use headwater_streams::{StreamKey, StreamName};
use headwater_tables::decode::JsonOptions;
use headwater_tables::write::ParquetCompression;
use minicbor::{Decode, Encode};

use super::{BadRecord, Record};
use crate::definition::{
    Buffering, Conversion, Delivery, DeliveryKey, DeliveryName, Destination, SchemaEcho, Source,
};
use crate::extract::PartitionQuery;
use crate::prefix::{Prefix, Role};

/// The stored form of [`Delivery`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct DefinitionRecord {
    #[n(0)]
    incarnation: u64,
    #[n(1)]
    account: u64,
    #[n(2)]
    region: String,
    #[n(3)]
    name: String,
    #[n(4)]
    source: SourceRecord,
    #[n(5)]
    destination: DestinationRecord,
    #[n(6)]
    config_version: u64,
    #[n(7)]
    created_ms: i64,
    #[n(8)]
    updated_ms: Option<i64>,
    #[n(9)]
    deleting: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
enum SourceRecord {
    #[n(0)]
    DirectPut(#[n(0)] u64),
    #[n(1)]
    Stream {
        #[n(0)]
        account: u64,
        #[n(1)]
        region: String,
        #[n(2)]
        name: String,
        #[n(3)]
        incarnation: u64,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct DestinationRecord {
    #[n(0)]
    bucket: String,
    #[n(1)]
    prefix: String,
    #[n(2)]
    error_prefix: Option<String>,
    #[n(3)]
    file_extension: Option<String>,
    #[n(4)]
    zone: String,
    #[n(5)]
    gzip: bool,
    #[n(6)]
    conversion: Option<ConversionRecord>,
    #[n(7)]
    partition_query: Option<String>,
    #[cbor(n(8), with = "minicbor::bytes")]
    delimiter: Vec<u8>,
    #[n(9)]
    buffer_bytes: u64,
    #[n(10)]
    interval_ms: u64,
    #[n(11)]
    echo: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct ConversionRecord {
    #[n(0)]
    account: u64,
    #[n(1)]
    region: String,
    #[n(2)]
    database: String,
    #[n(3)]
    table: String,
    /// 0 zstd, 1 snappy, 2 gzip, 3 none.
    #[n(4)]
    compression: u8,
    #[n(5)]
    catalog_id: Option<String>,
    #[n(6)]
    role_arn: String,
    #[n(7)]
    version_id: String,
    #[n(8)]
    ignore_case: bool,
    #[n(9)]
    dots_to_underscores: bool,
    #[n(10)]
    keys: Vec<(String, String)>,
}

impl Record for DefinitionRecord {
    const KIND: &'static str = "delivery definition";
}

impl From<&Delivery> for DefinitionRecord {
    fn from(delivery: &Delivery) -> Self {
        Self {
            incarnation: delivery.incarnation,
            account: delivery.key.scope.account.number(),
            region: delivery.key.scope.region.to_string(),
            name: delivery.key.name.as_str().to_owned(),
            source: SourceRecord::from(&delivery.source),
            destination: DestinationRecord::from(&delivery.destination),
            config_version: delivery.config_version,
            created_ms: delivery.created.ms(),
            updated_ms: delivery.updated.map(Timestamp::ms),
            deleting: delivery.deleting,
        }
    }
}

impl From<&Source> for SourceRecord {
    fn from(source: &Source) -> Self {
        match source {
            Source::DirectPut { log } => Self::DirectPut(log.0),
            Source::Stream { key, incarnation } => Self::Stream {
                account: key.scope.account.number(),
                region: key.scope.region.to_string(),
                name: key.name.as_str().to_owned(),
                incarnation: *incarnation,
            },
        }
    }
}

impl From<&Destination> for DestinationRecord {
    fn from(destination: &Destination) -> Self {
        Self {
            bucket: destination.bucket.as_str().to_owned(),
            prefix: destination.prefix.text().to_owned(),
            error_prefix: destination.error_prefix.as_ref().map(|prefix| prefix.text().to_owned()),
            file_extension: destination.file_extension.clone(),
            zone: destination.zone.name().to_owned(),
            gzip: destination.gzip,
            conversion: destination.conversion.as_ref().map(ConversionRecord::from),
            partition_query: destination.partition_query.as_ref().map(|query| query.text().to_owned()),
            delimiter: destination.delimiter.to_vec(),
            buffer_bytes: destination.buffering.size.bytes(),
            interval_ms: destination.buffering.interval.as_millis() as u64,
            echo: destination.echo.clone(),
        }
    }
}

impl From<&Conversion> for ConversionRecord {
    fn from(conversion: &Conversion) -> Self {
        Self {
            account: conversion.table.scope.account.number(),
            region: conversion.table.scope.region.to_string(),
            database: conversion.table.database.clone(),
            table: conversion.table.table.clone(),
            compression: match conversion.compression {
                ParquetCompression::Zstd => 0,
                ParquetCompression::Snappy => 1,
                ParquetCompression::Gzip => 2,
                ParquetCompression::None => 3,
            },
            catalog_id: conversion.echo.catalog_id.clone(),
            role_arn: conversion.echo.role_arn.clone(),
            version_id: conversion.echo.version_id.clone(),
            ignore_case: conversion.json.ignore_case,
            dots_to_underscores: conversion.json.dots_to_underscores,
            keys: conversion.json.keys.iter().map(|(column, key)| (column.clone(), key.clone())).collect(),
        }
    }
}

impl TryFrom<DefinitionRecord> for Delivery {
    type Error = BadRecord;

    fn try_from(record: DefinitionRecord) -> Result<Self, BadRecord> {
        Ok(Self {
            key: DeliveryKey {
                scope: scope(record.account, &record.region)?,
                name: DeliveryName::new(&record.name).map_err(bad)?,
            },
            incarnation: record.incarnation,
            source: record.source.try_into()?,
            destination: record.destination.try_into()?,
            config_version: record.config_version,
            created: Timestamp::from_ms(record.created_ms),
            updated: record.updated_ms.map(Timestamp::from_ms),
            deleting: record.deleting,
        })
    }
}

impl TryFrom<SourceRecord> for Source {
    type Error = BadRecord;

    fn try_from(record: SourceRecord) -> Result<Self, BadRecord> {
        Ok(match record {
            SourceRecord::DirectPut(log) => Self::DirectPut { log: LogId(log) },
            SourceRecord::Stream { account, region, name, incarnation } => Self::Stream {
                key: StreamKey {
                    scope: scope(account, &region)?,
                    name: StreamName::new(&name).map_err(bad)?,
                },
                incarnation,
            },
        })
    }
}

impl TryFrom<DestinationRecord> for Destination {
    type Error = BadRecord;

    fn try_from(record: DestinationRecord) -> Result<Self, BadRecord> {
        Ok(Self {
            bucket: BucketName::new(&record.bucket).map_err(bad)?,
            prefix: Prefix::parse(&record.prefix, Role::Data).map_err(bad)?,
            error_prefix: record
                .error_prefix
                .map(|prefix| Prefix::parse(&prefix, Role::Error))
                .transpose()
                .map_err(bad)?,
            file_extension: record.file_extension,
            zone: record.zone.parse().map_err(bad)?,
            gzip: record.gzip,
            conversion: record.conversion.map(Conversion::try_from).transpose()?,
            partition_query: record
                .partition_query
                .map(|query| PartitionQuery::parse(&query))
                .transpose()
                .map_err(bad)?,
            delimiter: Bytes::from(record.delimiter),
            buffering: Buffering {
                size: ByteSize(record.buffer_bytes),
                interval: Duration::from_millis(record.interval_ms),
            },
            echo: record.echo,
        })
    }
}

impl TryFrom<ConversionRecord> for Conversion {
    type Error = BadRecord;

    fn try_from(record: ConversionRecord) -> Result<Self, BadRecord> {
        Ok(Self {
            table: TableKey {
                scope: scope(record.account, &record.region)?,
                database: record.database,
                table: record.table,
            },
            compression: match record.compression {
                0 => ParquetCompression::Zstd,
                1 => ParquetCompression::Snappy,
                2 => ParquetCompression::Gzip,
                3 => ParquetCompression::None,
                other => return Err(bad(format!("compression {other} is unknown"))),
            },
            json: JsonOptions {
                ignore_case: record.ignore_case,
                dots_to_underscores: record.dots_to_underscores,
                keys: record.keys.into_iter().collect(),
            },
            echo: SchemaEcho {
                catalog_id: record.catalog_id,
                role_arn: record.role_arn,
                version_id: record.version_id,
            },
        })
    }
}

fn scope(account: u64, region: &str) -> Result<Scope, BadRecord> {
    let account = AccountId::from_number(account).map_err(bad)?;
    Ok(Scope::new(account, region.parse().map_err(bad)?))
}

fn bad(error: impl ToString) -> BadRecord {
    BadRecord { kind: DefinitionRecord::KIND, why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn delivery(name: &str, stream: bool, convert: bool, size: u64, interval: u64) -> Delivery {
        let scope = scope(1, "eu-west-1").unwrap();
        let conversion = Conversion {
            table: TableKey { scope: scope.clone(), database: "db".into(), table: "t".into() },
            compression: ParquetCompression::Snappy,
            json: JsonOptions::default(),
            echo: SchemaEcho { catalog_id: None, role_arn: "arn".into(), version_id: "LATEST".into() },
        };
        let source = if stream {
            let key = StreamKey { scope: scope.clone(), name: StreamName::new("s").unwrap() };
            Source::Stream { key, incarnation: 9 }
        } else {
            Source::DirectPut { log: LogId(5) }
        };
        Delivery {
            key: DeliveryKey { scope, name: DeliveryName::new(name).unwrap() },
            incarnation: 7,
            source,
            destination: Destination {
                bucket: BucketName::new("bucket").unwrap(),
                prefix: Prefix::parse("d=!{partitionKeyFromQuery:d}/", Role::Data).unwrap(),
                error_prefix: Some(Prefix::parse("err/", Role::Error).unwrap()),
                file_extension: None,
                zone: chrono_tz::Tz::UTC,
                gzip: !convert,
                conversion: convert.then_some(conversion),
                partition_query: Some(PartitionQuery::parse("{d: .d}").unwrap()),
                delimiter: Bytes::from_static(b"\n"),
                buffering: Buffering { size: ByteSize(size), interval: Duration::from_millis(interval) },
                echo: "{}".into(),
            },
            config_version: 1,
            created: Timestamp::from_ms(1000),
            updated: None,
            deleting: false,
        }
    }

    #[test]
    fn bytes_are_as_released() {
        let value = DefinitionRecord::from(&delivery("d", true, true, 5, 6)).to_value();
        assert_eq!(hex::encode(&value), GOLDEN);
        assert_eq!(
            Delivery::try_from(DefinitionRecord::from_value(&value).unwrap()).unwrap(),
            delivery("d", true, true, 5, 6)
        );
    }

    const GOLDEN: &str = concat!(
        "018a07016965752d776573742d316164820184016965752d776573742d316173098c666275636b6574781d643d",
        "217b706172746974696f6e4b657946726f6d51756572793a647d2f646572722ff663555443f48b016965752d77",
        "6573742d31626462617401f66361726e664c4154455354f5f580677b643a202e647d410a0506627b7d011903e8",
        "f6f4",
    );

    proptest! {
        #[test]
        fn definitions_read_back(name in "[a-zA-Z0-9_.-]{1,64}", stream: bool, convert: bool, size: u64, interval in 0u64..1 << 50) {
            let delivery = delivery(&name, stream, convert, size, interval);
            let record = DefinitionRecord::from_value(&DefinitionRecord::from(&delivery).to_value()).unwrap();
            prop_assert_eq!(Delivery::try_from(record).unwrap(), delivery);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = DefinitionRecord::from_value(&bytes).and_then(Delivery::try_from);
        }
    }
}
