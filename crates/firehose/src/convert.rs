//! Between shapes and the engine's types.

use headwater_base::{Arn, Scope};
use headwater_delivery::{
    Deliveries, Delivery, DeliveryKey, DeliveryName, Destination, NewSource, Source, StartAt,
};
use headwater_streams::{StreamKey, StreamName};
use headwater_wire::{Context, EpochTime, Fault};
use serde::{Deserialize, Serialize};

use crate::checks::Checks;
use crate::destination::destination;
use crate::fault::{invalid, unsupported};
use crate::shapes::{
    BufferingHints, CreateDeliveryStreamInput, DeliveryStreamDescription, DestinationDescription,
    EncryptionConfiguration, EncryptionStatus, FailureDescription, KinesisStreamSourceConfiguration,
    KinesisStreamSourceDescription, S3Configuration, SourceDescription, Tag,
};

/// A delivery stream has one destination.
pub(crate) const DESTINATION_ID: &str = "destinationId-000000000001";

/// What the engine keeps for Describe: the configuration as it was given.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Echo {
    pub(crate) s3: S3Configuration,
    pub(crate) source_role: Option<String>,
}

/// The caller's delivery stream of this name.
pub(crate) fn key(cx: &Context, name: Option<&str>) -> Result<DeliveryKey, Fault> {
    let mut checks = Checks::default();
    checks.name(name);
    checks.finish()?;
    let name = DeliveryName::new(name.unwrap_or("")).map_err(|error| invalid(error.to_string()))?;
    Ok(DeliveryKey { scope: cx.scope(), name })
}

/// The one destination of a new delivery stream.
pub(crate) fn new_destination(
    scope: &Scope,
    input: &CreateDeliveryStreamInput,
) -> Result<Destination, Fault> {
    let others = [
        ("RedshiftDestinationConfiguration", &input.redshift_destination_configuration),
        ("ElasticsearchDestinationConfiguration", &input.elasticsearch_destination_configuration),
        (
            "AmazonopensearchserviceDestinationConfiguration",
            &input.amazonopensearchservice_destination_configuration,
        ),
        ("SplunkDestinationConfiguration", &input.splunk_destination_configuration),
        ("HttpEndpointDestinationConfiguration", &input.http_endpoint_destination_configuration),
        (
            "AmazonOpenSearchServerlessDestinationConfiguration",
            &input.amazon_open_search_serverless_destination_configuration,
        ),
        ("SnowflakeDestinationConfiguration", &input.snowflake_destination_configuration),
        ("IcebergDestinationConfiguration", &input.iceberg_destination_configuration),
    ];
    if let Some((name, _)) = others.iter().find(|(_, value)| value.is_some()) {
        return Err(unsupported(name));
    }
    if input.delivery_stream_encryption_configuration_input.is_some() {
        return Err(unsupported("DeliveryStreamEncryptionConfigurationInput"));
    }
    let s3 = match (&input.extended_s3_destination_configuration, &input.s3_destination_configuration) {
        (Some(s3), None) | (None, Some(s3)) => s3.clone(),
        _ => return Err(invalid("Exactly one destination configuration is supported for a Firehose")),
    };
    let source_role =
        input.kinesis_stream_source_configuration.as_ref().and_then(|source| source.role_arn.clone());
    echoed(scope, Echo { s3, source_role })
}

/// The destination of a delivery stream after an update: members that are given replace those
/// that were there.
pub(crate) fn updated_destination(
    scope: &Scope,
    now: &Delivery,
    update: &S3Configuration,
) -> Result<Destination, Fault> {
    let mut echo = echo_of(now);
    let base = to_json(&echo.s3);
    let (serde_json::Value::Object(mut members), serde_json::Value::Object(changes)) =
        (base, to_json(update))
    else {
        return Err(invalid("The update is not an object."));
    };
    members.extend(changes);
    echo.s3 = serde_json::from_value(serde_json::Value::Object(members))
        .map_err(|error| invalid(error.to_string()))?;
    let next = echoed(scope, echo)?;
    if now.destination.partition_query.is_some() != next.partition_query.is_some() {
        return Err(invalid(
            "Dynamic partitioning can be enabled only when a delivery stream is created, and not disabled.",
        ));
    }
    Ok(next)
}

/// Where a new delivery stream takes its records from.
pub(crate) fn new_source(cx: &Context, input: &CreateDeliveryStreamInput) -> Result<NewSource, Fault> {
    match input.delivery_stream_type.as_deref() {
        None | Some("DirectPut") => match &input.kinesis_stream_source_configuration {
            None => Ok(NewSource::DirectPut),
            Some(_) => Err(invalid(
                "KinesisStreamSourceConfiguration is only applicable for KinesisStreamAsSource type.",
            )),
        },
        Some("KinesisStreamAsSource") => {
            let source = input.kinesis_stream_source_configuration.as_ref().ok_or_else(|| {
                invalid("KinesisStreamSourceConfiguration is required for KinesisStreamAsSource type.")
            })?;
            Ok(NewSource::Stream { key: stream_key(cx, source)?, start: StartAt::Latest })
        }
        Some(other @ ("MSKAsSource" | "DatabaseAsSource")) => {
            Err(unsupported(&format!("DeliveryStreamType {other}")))
        }
        Some(other) => {
            let mut checks = Checks::default();
            let known = ["DirectPut", "KinesisStreamAsSource", "MSKAsSource", "DatabaseAsSource"];
            checks.one_of("deliveryStreamType", Some(other), &known);
            checks.finish().and(Ok(NewSource::DirectPut))
        }
    }
}

fn stream_key(cx: &Context, source: &KinesisStreamSourceConfiguration) -> Result<StreamKey, Fault> {
    let text = source.kinesis_stream_arn.as_deref().unwrap_or("");
    let refuse = || invalid(format!("KinesisStreamARN {text:?} is not the ARN of a stream."));
    let arn: Arn = text.parse().map_err(|_| refuse())?;
    let name =
        arn.resource_after("stream/").and_then(|name| StreamName::new(name).ok()).ok_or_else(refuse)?;
    let (Some(account), Some(region)) = (arn.account, arn.region.clone()) else { return Err(refuse()) };
    if arn.service != "kinesis" {
        return Err(refuse());
    }
    if account != cx.caller.account {
        return Err(invalid("The source stream must be in the caller's own account."));
    }
    Ok(StreamKey { scope: Scope::new(account, region), name })
}

/// Tags, checked.
pub(crate) fn tags(tags: &[Tag]) -> Result<Vec<(String, String)>, Fault> {
    let mut checks = Checks::default();
    for (at, tag) in tags.iter().enumerate() {
        checks.length(format!("tags.{}.member.key", at + 1), Some(&tag.key), 1, 128);
        checks.length(format!("tags.{}.member.value", at + 1), tag.value.as_deref(), 0, 256);
    }
    checks.finish()?;
    Ok(tags.iter().map(|tag| (tag.key.clone(), tag.value.clone().unwrap_or_default())).collect())
}

/// What Describe tells.
pub(crate) fn description(deliveries: &Deliveries, delivery: &Delivery) -> DeliveryStreamDescription {
    let echo = echo_of(delivery);
    let source = match &delivery.source {
        Source::DirectPut { .. } => None,
        Source::Stream { key, .. } => Some(SourceDescription {
            kinesis_stream_source_description: KinesisStreamSourceDescription {
                kinesis_stream_arn: key.arn().to_string(),
                role_arn: echo.source_role.clone().unwrap_or_default(),
                delivery_start_timestamp: EpochTime(delivery.created),
            },
        }),
    };
    let failure = deliveries.health(delivery).error;
    DeliveryStreamDescription {
        delivery_stream_name: delivery.key.name.as_str().to_owned(),
        delivery_stream_arn: delivery.key.arn().to_string(),
        delivery_stream_status: if delivery.deleting { "DELETING" } else { "ACTIVE" },
        failure_description: failure.map(|(details, _)| FailureDescription {
            kind: "UNKNOWN_ERROR",
            details: details.chars().take(1024).collect(),
        }),
        delivery_stream_encryption_configuration: EncryptionStatus { status: "DISABLED" },
        delivery_stream_type: if source.is_some() { "KinesisStreamAsSource" } else { "DirectPut" },
        version_id: delivery.config_version.to_string(),
        create_timestamp: EpochTime(delivery.created),
        last_update_timestamp: delivery.updated.map(EpochTime),
        source,
        destinations: vec![destination_description(delivery, echo.s3)],
        has_more_destinations: false,
    }
}

/// The configuration with every default that is in force.
fn destination_description(delivery: &Delivery, given: S3Configuration) -> DestinationDescription {
    let buffering = delivery.destination.buffering;
    let s3 = S3Configuration {
        buffering_hints: Some(BufferingHints {
            size_in_mbs: Some((buffering.size.bytes() >> 20) as i64),
            interval_in_seconds: Some(buffering.interval.as_secs() as i64),
        }),
        compression_format: Some(given.compression_format.unwrap_or_else(|| "UNCOMPRESSED".to_owned())),
        encryption_configuration: Some(EncryptionConfiguration {
            no_encryption_config: Some("NoEncryption".to_owned()),
            kms_encryption_config: None,
        }),
        s3_backup_mode: Some("Disabled".to_owned()),
        prefix: Some(given.prefix.unwrap_or_default()),
        ..given
    };
    let older = S3Configuration {
        processing_configuration: None,
        s3_backup_mode: None,
        data_format_conversion_configuration: None,
        dynamic_partitioning_configuration: None,
        file_extension: None,
        custom_time_zone: None,
        ..s3.clone()
    };
    DestinationDescription {
        destination_id: DESTINATION_ID,
        s3_destination_description: older,
        extended_s3_destination_description: s3,
    }
}

fn echoed(scope: &Scope, echo: Echo) -> Result<Destination, Fault> {
    let text = to_json(&echo).to_string();
    destination(scope, &echo.s3, text)
}

/// An echo that can't be read (none that was written by this crate) counts as empty.
fn echo_of(delivery: &Delivery) -> Echo {
    serde_json::from_str(&delivery.destination.echo).unwrap_or_default()
}

fn to_json(value: &impl Serialize) -> serde_json::Value {
    serde_json::to_value(value).expect("structs of texts and numbers are always JSON")
}
