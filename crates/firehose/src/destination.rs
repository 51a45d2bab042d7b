//! An S3 destination as configured, checked and translated.
//!
//! What is accepted here works; what this node does not do is refused here, with a sentence that
//! says so.

use std::time::Duration;

use headwater_base::{Arn, ByteSize, Region, Scope};
use headwater_catalog::TableKey;
use headwater_delivery::extract::PartitionQuery;
use headwater_delivery::prefix::{Prefix, Role};
use headwater_delivery::{Buffering, Conversion, Destination, JsonOptions, ParquetCompression, SchemaEcho};
use headwater_objects::BucketName;
use headwater_wire::Fault;

use crate::checks::Checks;
use crate::fault::{invalid, unsupported};
use crate::shapes::{
    DataFormatConversionConfiguration, Deserializer, Processor, S3Configuration, SchemaConfiguration,
    Serializer,
};

/// The name of the member in messages.
const PATH: &str = "extendedS3DestinationConfiguration";
/// The least buffer with conversion or dynamic partitioning, as in AWS.
const LARGE_BUFFER_MIB_MIN: i64 = 64;

/// The destination that `given` describes, in `scope`.
pub(crate) fn destination(
    scope: &Scope,
    given: &S3Configuration,
    echo: String,
) -> Result<Destination, Fault> {
    check_members(given)?;
    refuse_what_is_missing(given)?;
    let conversion = given.data_format_conversion_configuration.as_ref().filter(|c| c.enabled != Some(false));
    let conversion = conversion.map(|c| self::conversion(scope, c)).transpose()?;
    let gzip = compression(given.compression_format.as_deref(), conversion.is_some())?;
    let processors = Processors::of(given)?;
    let prefix =
        Prefix::parse(given.prefix.as_deref().unwrap_or(""), Role::Data).map_err(|e| invalid(e.0))?;
    let error_prefix = given.error_output_prefix.as_deref().filter(|text| !text.is_empty());
    let error_prefix =
        error_prefix.map(|text| Prefix::parse(text, Role::Error)).transpose().map_err(|e| invalid(e.0))?;
    if prefix.has_expressions() && error_prefix.is_none() {
        return Err(invalid("ErrorOutputPrefix must be specified if Prefix contains expressions."));
    }
    let partitioned =
        given.dynamic_partitioning_configuration.as_ref().is_some_and(|d| d.enabled == Some(true));
    check_partitioning(partitioned, &prefix, processors.query.as_ref())?;
    Ok(Destination {
        bucket: bucket(given.bucket_arn.as_deref().unwrap_or(""))?,
        prefix,
        error_prefix,
        file_extension: given.file_extension.clone().filter(|extension| !extension.is_empty()),
        zone: zone(given.custom_time_zone.as_deref())?,
        gzip,
        buffering: buffering(given, conversion.is_some() || partitioned)?,
        conversion,
        partition_query: if partitioned { processors.query } else { None },
        delimiter: processors.delimiter.into(),
        echo,
    })
}

fn check_members(given: &S3Configuration) -> Result<(), Fault> {
    let mut checks = Checks::default();
    let path = |member: &str| format!("{PATH}.{member}");
    checks.present(path("roleARN"), given.role_arn.as_ref());
    checks.present(path("bucketARN"), given.bucket_arn.as_ref());
    let pattern = "arn:.*:iam::\\d{12}:role/[a-zA-Z_0-9+=,.@\\-_/]+";
    checks.pattern(path("roleARN"), given.role_arn.as_deref(), pattern, is_role);
    checks.length(path("prefix"), given.prefix.as_deref(), 0, 1024);
    checks.length(path("errorOutputPrefix"), given.error_output_prefix.as_deref(), 0, 1024);
    checks.length(path("fileExtension"), given.file_extension.as_deref(), 0, 128);
    let pattern = "^$|\\.[0-9a-z!\\-_.*'()]+";
    checks.pattern(path("fileExtension"), given.file_extension.as_deref(), pattern, is_extension);
    let formats = ["UNCOMPRESSED", "GZIP", "ZIP", "Snappy", "HADOOP_SNAPPY"];
    checks.one_of(path("compressionFormat"), given.compression_format.as_deref(), &formats);
    checks.one_of(path("s3BackupMode"), given.s3_backup_mode.as_deref(), &["Disabled", "Enabled"]);
    if let Some(hints) = &given.buffering_hints {
        checks.range(path("bufferingHints.sizeInMBs"), hints.size_in_mbs, 1, 128);
        checks.range(path("bufferingHints.intervalInSeconds"), hints.interval_in_seconds, 0, 900);
    }
    checks.finish()
}

fn refuse_what_is_missing(given: &S3Configuration) -> Result<(), Fault> {
    if given.s3_backup_mode.as_deref() == Some("Enabled") {
        return Err(unsupported("S3BackupMode Enabled"));
    }
    if given.encryption_configuration.as_ref().is_some_and(|e| e.kms_encryption_config.is_some()) {
        return Err(unsupported("KMSEncryptionConfig"));
    }
    Ok(())
}

fn buffering(given: &S3Configuration, large: bool) -> Result<Buffering, Fault> {
    let hints = given.buffering_hints.clone().unwrap_or_default();
    let size = hints.size_in_mbs.unwrap_or(if large { 128 } else { 5 });
    if large && size < LARGE_BUFFER_MIB_MIN {
        return Err(invalid(format!(
            "BufferingHints.SizeInMBs must be at least {LARGE_BUFFER_MIB_MIN} when data format conversion or dynamic \
             partitioning is enabled."
        )));
    }
    let interval = hints.interval_in_seconds.unwrap_or(300);
    Ok(Buffering {
        size: ByteSize::mib(u64::try_from(size).unwrap_or(1)),
        interval: Duration::from_secs(u64::try_from(interval).unwrap_or(0)),
    })
}

fn compression(format: Option<&str>, converting: bool) -> Result<bool, Fault> {
    match (format.unwrap_or("UNCOMPRESSED"), converting) {
        ("UNCOMPRESSED", _) => Ok(false),
        (_, true) => {
            Err(invalid("CompressionFormat must be UNCOMPRESSED when data format conversion is enabled."))
        }
        ("GZIP", false) => Ok(true),
        (other, false) => Err(unsupported(&format!("CompressionFormat {other}"))),
    }
}

fn bucket(arn: &str) -> Result<BucketName, Fault> {
    let refuse = || invalid(format!("BucketARN {arn:?} is not the ARN of a bucket."));
    let parsed: Arn = arn.parse().map_err(|_| refuse())?;
    if parsed.service != "s3" {
        return Err(refuse());
    }
    BucketName::new(&parsed.resource).map_err(|_| refuse())
}

fn zone(name: Option<&str>) -> Result<chrono_tz::Tz, Fault> {
    let name = name.filter(|name| !name.is_empty()).unwrap_or("UTC");
    name.parse().map_err(|_| invalid(format!("CustomTimeZone {name:?} is not a known time zone.")))
}

/// What the processors that run here ask for.
struct Processors {
    query: Option<PartitionQuery>,
    delimiter: Vec<u8>,
}

impl Processors {
    fn of(given: &S3Configuration) -> Result<Self, Fault> {
        let mut found = Self { query: None, delimiter: Vec::new() };
        let Some(processing) = given.processing_configuration.as_ref().filter(|p| p.enabled == Some(true))
        else {
            return Ok(found);
        };
        for processor in processing.processors.iter().flatten() {
            match processor.kind.as_str() {
                "MetadataExtraction" => found.query = Some(query(processor)?),
                "AppendDelimiterToRecord" => found.delimiter = delimiter(processor),
                kind @ ("RecordDeAggregation" | "Decompression" | "CloudWatchLogProcessing" | "Lambda") => {
                    return Err(unsupported(&format!("The processor {kind}")));
                }
                kind => return Err(invalid(format!("The processor type {kind:?} does not exist."))),
            }
        }
        Ok(found)
    }
}

fn parameter<'a>(processor: &'a Processor, name: &str) -> Option<&'a str> {
    let parameters = processor.parameters.iter().flatten();
    parameters.filter(|p| p.parameter_name == name).map(|p| p.parameter_value.as_str()).next()
}

fn query(processor: &Processor) -> Result<PartitionQuery, Fault> {
    let text = parameter(processor, "MetadataExtractionQuery").ok_or_else(|| {
        invalid("MetadataExtractionQuery must be specified for the MetadataExtraction processor.")
    })?;
    if parameter(processor, "JsonParsingEngine").is_some_and(|engine| engine != "JQ-1.6") {
        return Err(invalid("JsonParsingEngine must be JQ-1.6."));
    }
    PartitionQuery::parse(text).map_err(|error| invalid(error.to_string()))
}

/// The delimiter; `\n` written as two characters means a line feed, as in AWS.
fn delimiter(processor: &Processor) -> Vec<u8> {
    parameter(processor, "Delimiter").unwrap_or("\\n").replace("\\n", "\n").into_bytes()
}

fn check_partitioning(enabled: bool, prefix: &Prefix, query: Option<&PartitionQuery>) -> Result<(), Fault> {
    let used: Vec<&str> = prefix.partition_keys().collect();
    if !enabled {
        return match used.first() {
            None => Ok(()),
            Some(_) => Err(invalid(
                "Prefix can contain partitionKeyFromQuery expressions only when dynamic partitioning is enabled.",
            )),
        };
    }
    let Some(query) = query else {
        return Err(invalid(
            "MetadataExtraction processor must be enabled when dynamic partitioning is enabled.",
        ));
    };
    if used.is_empty() {
        return Err(invalid(
            "S3 Prefix should contain Dynamic Partitioning namespaces when Dynamic Partitioning is enabled.",
        ));
    }
    match used.iter().find(|key| !query.names().any(|name| name == **key)) {
        None => Ok(()),
        Some(key) => {
            Err(invalid(format!("The partition key {key:?} in Prefix is not in MetadataExtractionQuery.")))
        }
    }
}

fn conversion(scope: &Scope, given: &DataFormatConversionConfiguration) -> Result<Conversion, Fault> {
    let missing =
        |member: &str| invalid(format!("{member} must be specified when data format conversion is enabled."));
    let schema = given.schema_configuration.as_ref().ok_or_else(|| missing("SchemaConfiguration"))?;
    let input = given.input_format_configuration.as_ref().and_then(|input| input.deserializer.as_ref());
    let output = given.output_format_configuration.as_ref().and_then(|output| output.serializer.as_ref());
    let json = json_options(input.ok_or_else(|| missing("InputFormatConfiguration.Deserializer"))?)?;
    let compression = parquet(output.ok_or_else(|| missing("OutputFormatConfiguration.Serializer"))?)?;
    Ok(Conversion { table: table(scope, schema)?, compression, json, echo: schema_echo(schema)? })
}

fn table(scope: &Scope, schema: &SchemaConfiguration) -> Result<TableKey, Fault> {
    let named = |value: &Option<String>, member: &str| {
        let value = value.as_deref().filter(|text| !text.is_empty());
        value
            .map(str::to_lowercase)
            .ok_or_else(|| invalid(format!("SchemaConfiguration.{member} must be specified.")))
    };
    if schema.catalog_id.as_ref().is_some_and(|id| *id != scope.account.to_string()) {
        return Err(invalid("SchemaConfiguration.CatalogId must be the caller's own account."));
    }
    let region: Region = match &schema.region {
        None => scope.region.clone(),
        Some(region) => region.parse().map_err(|_| invalid(format!("Region {region:?} is not a region.")))?,
    };
    Ok(TableKey {
        scope: Scope::new(scope.account, region),
        database: named(&schema.database_name, "DatabaseName")?,
        table: named(&schema.table_name, "TableName")?,
    })
}

fn schema_echo(schema: &SchemaConfiguration) -> Result<SchemaEcho, Fault> {
    let version_id = schema.version_id.clone().unwrap_or_else(|| "LATEST".to_owned());
    if version_id != "LATEST" {
        return Err(unsupported("SchemaConfiguration.VersionId other than LATEST"));
    }
    let role_arn = schema.role_arn.clone().unwrap_or_default();
    Ok(SchemaEcho { catalog_id: schema.catalog_id.clone(), role_arn, version_id })
}

fn json_options(deserializer: &Deserializer) -> Result<JsonOptions, Fault> {
    match (&deserializer.open_x_json_ser_de, &deserializer.hive_json_ser_de) {
        (Some(open_x), None) => Ok(JsonOptions {
            ignore_case: open_x.case_insensitive != Some(false),
            dots_to_underscores: open_x.convert_dots_in_json_keys_to_underscores == Some(true),
            keys: open_x.column_to_json_key_mappings.clone().unwrap_or_default(),
        }),
        (None, Some(hive)) => {
            match hive.timestamp_formats.iter().flatten().find(|format| *format != "millis") {
                Some(_) => Err(unsupported("TimestampFormats other than millis")),
                None => Ok(JsonOptions {
                    ignore_case: true,
                    dots_to_underscores: false,
                    ..JsonOptions::default()
                }),
            }
        }
        _ => Err(invalid("Exactly one of OpenXJsonSerDe and HiveJsonSerDe must be specified.")),
    }
}

fn parquet(serializer: &Serializer) -> Result<ParquetCompression, Fault> {
    if serializer.orc_ser_de.is_some() {
        return Err(unsupported("OrcSerDe"));
    }
    let parquet =
        serializer.parquet_ser_de.as_ref().ok_or_else(|| invalid("ParquetSerDe must be specified."))?;
    match parquet.compression.as_deref() {
        None | Some("SNAPPY") => Ok(ParquetCompression::Snappy),
        Some("GZIP") => Ok(ParquetCompression::Gzip),
        Some("UNCOMPRESSED") => Ok(ParquetCompression::None),
        // Not in AWS: the same speed as Snappy and a third smaller.
        Some("ZSTD") => Ok(ParquetCompression::Zstd),
        Some(other) => Err(invalid(format!("Parquet compression {other:?} does not exist."))),
    }
}

fn is_role(arn: &str) -> bool {
    let Ok(arn) = arn.parse::<Arn>() else { return false };
    let legal = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-/".contains(c);
    let role = arn.resource_after("role/").is_some_and(|name| !name.is_empty() && name.chars().all(legal));
    arn.service == "iam" && arn.account.is_some() && role
}

fn is_extension(extension: &str) -> bool {
    let legal = |c: char| c.is_ascii_digit() || c.is_ascii_lowercase() || "!-_.*'()".contains(c);
    extension.is_empty()
        || (extension.len() > 1 && extension.starts_with('.') && extension.chars().all(legal))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn scope() -> Scope {
        Scope::new("000000000001".parse().unwrap(), "eu-west-1".parse().unwrap())
    }

    fn plain() -> Value {
        json!({"RoleARN": "arn:aws:iam::000000000001:role/r", "BucketARN": "arn:aws:s3:::bucket"})
    }

    fn converting() -> Value {
        let mut config = plain();
        config["DataFormatConversionConfiguration"] = json!({
            "SchemaConfiguration": {"DatabaseName": "DB", "TableName": "T", "RoleARN": "r"},
            "InputFormatConfiguration": {"Deserializer": {"OpenXJsonSerDe": {}}},
            "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": {}}},
        });
        config
    }

    fn partitioned() -> Value {
        let mut config = converting();
        config["Prefix"] = json!("d=!{partitionKeyFromQuery:d}/");
        config["ErrorOutputPrefix"] = json!("err/");
        config["DynamicPartitioningConfiguration"] = json!({"Enabled": true});
        config["ProcessingConfiguration"] = json!({"Enabled": true, "Processors": [{
            "Type": "MetadataExtraction",
            "Parameters": [
                {"ParameterName": "MetadataExtractionQuery", "ParameterValue": "{d: .day}"},
                {"ParameterName": "JsonParsingEngine", "ParameterValue": "JQ-1.6"},
            ],
        }]});
        config
    }

    fn translate(config: Value) -> Result<Destination, Fault> {
        destination(&scope(), &serde_json::from_value(config).unwrap(), String::new())
    }

    #[test]
    fn defaults_are_those_of_the_service() {
        let plain = translate(plain()).unwrap();
        assert_eq!(plain.buffering, Buffering { size: ByteSize::mib(5), interval: Duration::from_secs(300) });
        assert!(!plain.gzip && plain.delimiter.is_empty() && plain.conversion.is_none());
        let converting = translate(converting()).unwrap();
        assert_eq!(converting.buffering.size, ByteSize::mib(128));
        let conversion = converting.conversion.unwrap();
        assert_eq!(conversion.compression, ParquetCompression::Snappy);
        assert_eq!((conversion.table.database.as_str(), conversion.table.table.as_str()), ("db", "t"));
        assert_eq!(translate(partitioned()).unwrap().partition_query.unwrap().text(), "{d: .day}");
    }

    #[test]
    fn an_interval_of_zero_is_accepted_with_conversion() {
        let mut config = converting();
        config["BufferingHints"] = json!({"SizeInMBs": 64, "IntervalInSeconds": 0});
        assert_eq!(translate(config).unwrap().buffering.interval, Duration::ZERO);
    }

    #[track_caller]
    fn refused(base: Value, member: &str, value: Value, code: &str, part: &str) {
        let mut config = base;
        config[member] = value;
        let fault = translate(config).unwrap_err();
        assert!(fault.code == code && fault.message.contains(part), "{member}: {fault}");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let (validation, invalid) = ("ValidationException", "InvalidArgumentException");
        refused(plain(), "RoleARN", json!("arn:aws:iam::1:user/x"), validation, "regular expression");
        refused(plain(), "RoleARN", json!(null), validation, "must not be null");
        refused(plain(), "BucketARN", json!("arn:aws:sqs:::bucket"), invalid, "BucketARN");
        refused(
            plain(),
            "BufferingHints",
            json!({"SizeInMBs": 129}),
            validation,
            "less than or equal to 128",
        );
        refused(plain(), "BufferingHints", json!({"IntervalInSeconds": 901}), validation, "900");
        refused(converting(), "BufferingHints", json!({"SizeInMBs": 5}), invalid, "at least 64");
        refused(converting(), "CompressionFormat", json!("GZIP"), invalid, "UNCOMPRESSED");
        refused(plain(), "Prefix", json!("!{timestamp:yyyy}/"), invalid, "ErrorOutputPrefix");
        refused(plain(), "CompressionFormat", json!("BROTLI"), validation, "enum value set");
        refused(partitioned(), "Prefix", json!("x/"), invalid, "Dynamic Partitioning namespaces");
        refused(
            partitioned(),
            "Prefix",
            json!("!{partitionKeyFromQuery:x}/"),
            invalid,
            "not in MetadataExtractionQuery",
        );
        refused(
            partitioned(),
            "DynamicPartitioningConfiguration",
            json!({"Enabled": false}),
            invalid,
            "only when",
        );
        refused(
            partitioned(),
            "ProcessingConfiguration",
            json!({"Enabled": false}),
            invalid,
            "MetadataExtraction",
        );
        refused(plain(), "CustomTimeZone", json!("Mars/Olympus"), invalid, "time zone");
    }

    #[test]
    fn what_this_node_does_not_do_is_refused() {
        let code = "InvalidArgumentException";
        refused(plain(), "CompressionFormat", json!("Snappy"), code, "not supported");
        refused(plain(), "S3BackupMode", json!("Enabled"), code, "not supported");
        refused(
            plain(),
            "EncryptionConfiguration",
            json!({"KMSEncryptionConfig": {"AWSKMSKeyARN": "a"}}),
            code,
            "not supported",
        );
        let lambda = json!({"Enabled": true, "Processors": [{"Type": "Lambda", "Parameters": []}]});
        refused(plain(), "ProcessingConfiguration", lambda, code, "Lambda is not supported");
        let mut orc = converting()["DataFormatConversionConfiguration"].clone();
        orc["OutputFormatConfiguration"] = json!({"Serializer": {"OrcSerDe": {}}});
        refused(converting(), "DataFormatConversionConfiguration", orc, code, "OrcSerDe");
    }
}
