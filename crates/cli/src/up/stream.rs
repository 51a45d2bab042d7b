//! Streams, buckets, uploads and deliveries of a pipeline.

use std::time::Duration;

use anyhow::{Context, bail};
use async_trait::async_trait;
use headwater_base::Seams;
use serde_json::{Value, json};

use super::file::{Bucket, Delivery, Stream, Table, Upload};
use super::resource::{Change, Resource, differences};
use crate::aws::{Aws, Service, split_s3_uri};

/// How long something may take to become active.
const ACTIVE_WITHIN: Duration = Duration::from_secs(60);

/// How often it is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A role every account has; the node takes any role of the caller's account.
const ROLE: &str = "arn:aws:iam::000000000000:role/headwater";

#[async_trait]
impl Resource for Stream {
    fn kind(&self) -> &'static str {
        "stream"
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    async fn compare(&self, aws: &Aws) -> anyhow::Result<Change> {
        let Some(found) = describe_stream(aws, &self.name).await? else { return Ok(Change::Create) };
        let shards = found["OpenShardCount"].as_u64().unwrap_or_default();
        if shards != u64::from(self.shards) {
            return Ok(Change::Impossible(vec![format!(
                "it has {shards} shards, the file says {}",
                self.shards
            )]));
        }
        let hours = found["RetentionPeriodHours"].as_u64().unwrap_or_default();
        let is_same = hours == u64::from(self.retention_hours);
        let what = format!("retention {hours} h -> {} h", self.retention_hours);
        Ok(if is_same { Change::Nothing } else { Change::Update(vec![what]) })
    }

    async fn create(&self, aws: &Aws) -> anyhow::Result<()> {
        let input = json!({"StreamName": self.name, "ShardCount": self.shards});
        aws.call(Service::Kinesis, "CreateStream", &input).await?;
        until_active(&self.name, || async {
            let found = describe_stream(aws, &self.name).await?;
            Ok(found.is_some_and(|summary| summary["StreamStatus"] == "ACTIVE"))
        })
        .await?;
        if matches!(self.compare(aws).await?, Change::Update(_)) { self.update(aws).await } else { Ok(()) }
    }

    async fn update(&self, aws: &Aws) -> anyhow::Result<()> {
        let found = describe_stream(aws, &self.name).await?.context("the stream vanished meanwhile")?;
        let hours = found["RetentionPeriodHours"].as_u64().unwrap_or_default();
        let is_longer = u64::from(self.retention_hours) > hours;
        let operation =
            if is_longer { "IncreaseStreamRetentionPeriod" } else { "DecreaseStreamRetentionPeriod" };
        let input = json!({"StreamName": self.name, "RetentionPeriodHours": self.retention_hours});
        aws.call(Service::Kinesis, operation, &input).await?;
        Ok(())
    }
}

async fn describe_stream(aws: &Aws, name: &str) -> anyhow::Result<Option<Value>> {
    let found = aws.find(Service::Kinesis, "DescribeStreamSummary", &json!({"StreamName": name})).await?;
    Ok(found.map(|mut answer| answer["StreamDescriptionSummary"].take()))
}

/// Asks until the answer is yes.
async fn until_active<F: Future<Output = anyhow::Result<bool>>>(
    name: &str,
    ask: impl Fn() -> F,
) -> anyhow::Result<()> {
    let clock = Seams::system().clock;
    let start = clock.monotonic();
    while clock.monotonic() - start < ACTIVE_WITHIN {
        if ask().await? {
            return Ok(());
        }
        clock.sleep(LOOK_EVERY).await;
    }
    bail!("{name} was not active after {} s", ACTIVE_WITHIN.as_secs())
}

#[async_trait]
impl Resource for Bucket {
    fn kind(&self) -> &'static str {
        "bucket"
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    async fn compare(&self, aws: &Aws) -> anyhow::Result<Change> {
        Ok(if aws.has_bucket(&self.name).await? { Change::Nothing } else { Change::Create })
    }

    async fn create(&self, aws: &Aws) -> anyhow::Result<()> {
        aws.create_bucket(&self.name).await
    }

    async fn update(&self, _: &Aws) -> anyhow::Result<()> {
        Ok(())
    }
}

#[async_trait]
impl Resource for Upload {
    fn kind(&self) -> &'static str {
        "upload"
    }

    fn name(&self) -> String {
        self.to.clone()
    }

    async fn compare(&self, aws: &Aws) -> anyhow::Result<Change> {
        compare_object(aws, &self.to, &self.files.read(&self.file)?).await
    }

    async fn create(&self, aws: &Aws) -> anyhow::Result<()> {
        self.update(aws).await
    }

    async fn update(&self, aws: &Aws) -> anyhow::Result<()> {
        let (bucket, key) = split_s3_uri(&self.to)?;
        aws.put_object(bucket, key, self.files.read(&self.file)?.into()).await
    }
}

/// What is to be done so that an object holds `wanted`.
pub(super) async fn compare_object(aws: &Aws, uri: &str, wanted: &[u8]) -> anyhow::Result<Change> {
    let (bucket, key) = split_s3_uri(uri)?;
    Ok(match aws.get_object(bucket, key).await? {
        None => Change::Create,
        Some(present) if present == wanted => Change::Nothing,
        Some(_) => Change::Update(vec!["content".into()]),
    })
}

/// A delivery to S3, as Parquet into a table or as it is into a bucket.
pub(super) struct ToStore {
    pub delivery: Delivery,
    /// The table's definition, when it is in the same file.
    pub table: Option<Table>,
}

impl ToStore {
    fn bucket(&self) -> anyhow::Result<String> {
        if let Some(bucket) = &self.delivery.bucket {
            return Ok(bucket.clone());
        }
        let table = self.table.as_ref().context("it needs `bucket`, or a `table` that this file defines")?;
        Ok(split_s3_uri(&table.location)?.0.to_owned())
    }

    /// The destination as Firehose takes it.
    fn destination(&self, region: &str) -> anyhow::Result<Value> {
        let delivery = &self.delivery;
        let hints = json!({"IntervalInSeconds": delivery.buffer_seconds, "SizeInMBs": delivery.buffer_mb});
        let mut destination = json!({
            "RoleARN": ROLE,
            "BucketARN": format!("arn:aws:s3:::{}", self.bucket()?),
            "Prefix": delivery.prefix,
            "ErrorOutputPrefix": delivery.error_prefix,
            "BufferingHints": hints,
        });
        if let Some(table) = &delivery.table {
            let (database, name) = table.split_once('.').context("`table` is `database.table`")?;
            destination["DataFormatConversionConfiguration"] = conversion(database, name, region);
        }
        if !delivery.partition_keys.is_empty() {
            let keys: Vec<String> =
                delivery.partition_keys.iter().map(|(key, path)| format!("{key}:{path}")).collect();
            destination["DynamicPartitioningConfiguration"] = json!({"Enabled": true});
            destination["ProcessingConfiguration"] = extraction(&format!("{{{}}}", keys.join(",")));
        }
        Ok(destination)
    }

    async fn describe(&self, aws: &Aws) -> anyhow::Result<Option<Value>> {
        let input = json!({"DeliveryStreamName": self.delivery.name});
        let found = aws.find(Service::Firehose, "DescribeDeliveryStream", &input).await?;
        Ok(found.map(|mut answer| answer["DeliveryStreamDescription"].take()))
    }
}

fn conversion(database: &str, table: &str, region: &str) -> Value {
    json!({
        "Enabled": true,
        "InputFormatConfiguration": {"Deserializer": {"OpenXJsonSerDe": {}}},
        "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": {"Compression": "SNAPPY"}}},
        "SchemaConfiguration": {"RoleARN": ROLE, "DatabaseName": database, "TableName": table, "Region": region},
    })
}

fn extraction(query: &str) -> Value {
    let parameters = json!([
        {"ParameterName": "MetadataExtractionQuery", "ParameterValue": query},
        {"ParameterName": "JsonParsingEngine", "ParameterValue": "JQ-1.6"},
    ]);
    json!({"Enabled": true, "Processors": [{"Type": "MetadataExtraction", "Parameters": parameters}]})
}

#[async_trait]
impl Resource for ToStore {
    fn kind(&self) -> &'static str {
        "delivery"
    }

    fn name(&self) -> String {
        self.delivery.name.clone()
    }

    async fn compare(&self, aws: &Aws) -> anyhow::Result<Change> {
        let Some(found) = self.describe(aws).await? else { return Ok(Change::Create) };
        let wanted = self.destination(aws.client().region().as_str())?;
        let present = &found["Destinations"][0]["ExtendedS3DestinationDescription"];
        let what = differences(&wanted, present);
        Ok(if what.is_empty() { Change::Nothing } else { Change::Impossible(what) })
    }

    async fn create(&self, aws: &Aws) -> anyhow::Result<()> {
        let region = aws.client().region().as_str();
        let mut input = json!({
            "DeliveryStreamName": self.delivery.name,
            "DeliveryStreamType": "DirectPut",
            "ExtendedS3DestinationConfiguration": self.destination(region)?,
        });
        if let Some(stream) = &self.delivery.stream {
            let summary = describe_stream(aws, stream).await?.with_context(|| format!("stream {stream}"))?;
            input["DeliveryStreamType"] = "KinesisStreamAsSource".into();
            input["KinesisStreamSourceConfiguration"] =
                json!({"KinesisStreamARN": summary["StreamARN"], "RoleARN": ROLE});
        }
        aws.call(Service::Firehose, "CreateDeliveryStream", &input).await?;
        until_active(&self.delivery.name, || async {
            Ok(self.describe(aws).await?.is_some_and(|d| d["DeliveryStreamStatus"] == "ACTIVE"))
        })
        .await
    }

    async fn update(&self, _: &Aws) -> anyhow::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::file::{Files, Pipeline};
    use super::*;

    #[test]
    fn a_delivery_becomes_what_firehose_takes() {
        let text = r#"
            [[table]]
            database = "shop"
            name = "orders"
            location = "s3://lake/orders/"
            columns = [["id", "string"]]
            [[delivery]]
            name = "d"
            table = "shop.orders"
            prefix = "orders/day=!{partitionKeyFromQuery:day}/"
            partition_keys = { day = ".time[0:10]" }
        "#;
        let pipeline = Pipeline::parse(text, &Files::default()).unwrap();
        let to = ToStore { delivery: pipeline.delivery[0].clone(), table: Some(pipeline.table[0].clone()) };
        let made = to.destination("eu-central-1").unwrap();
        assert_eq!(made["BucketARN"], "arn:aws:s3:::lake");
        let query = &made["ProcessingConfiguration"]["Processors"][0]["Parameters"][0]["ParameterValue"];
        assert_eq!(query, "{day:.time[0:10]}");
        assert_eq!(made["DataFormatConversionConfiguration"]["SchemaConfiguration"]["TableName"], "orders");
    }

    #[test]
    fn a_delivery_to_nowhere_is_refused() {
        let pipeline = Pipeline::parse("[[delivery]]\nname = \"d\"\n", &Files::default()).unwrap();
        let to = ToStore { delivery: pipeline.delivery[0].clone(), table: None };
        assert!(to.destination("eu-central-1").is_err());
    }
}
