//! Databases, tables, crawlers, jobs and triggers of a pipeline.

use anyhow::Context;
use async_trait::async_trait;
use serde_json::{Value, json};

use super::file::{Crawler, Database, Format, Job, Table, Trigger};
use super::resource::{Change, Resource, differences};
use super::stream::compare_object;
use crate::aws::{Aws, Service, split_s3_uri};

const ROLE: &str = "arn:aws:iam::000000000000:role/headwater";

/// What the catalog says now, under `member` of the answer; `None` when it is not there.
async fn look(aws: &Aws, operation: &str, input: &Value, member: &str) -> anyhow::Result<Option<Value>> {
    let found = aws.find(Service::Glue, operation, input).await?;
    Ok(found.map(|mut answer| answer[member].take()))
}

fn change(found: Option<Value>, wanted: &Value) -> Change {
    found.map_or(Change::Create, |present| Change::of_differences(differences(wanted, &present)))
}

impl Database {
    fn input(&self) -> Value {
        let mut input = json!({"Name": self.name});
        if !self.description.is_empty() {
            input["Description"] = self.description.clone().into();
        }
        input
    }
}

#[async_trait]
impl Resource for Database {
    fn kind(&self) -> &'static str {
        "database"
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    async fn compare(&self, aws: &Aws) -> anyhow::Result<Change> {
        let found = look(aws, "GetDatabase", &json!({"Name": self.name}), "Database").await?;
        Ok(change(found, &self.input()))
    }

    async fn create(&self, aws: &Aws) -> anyhow::Result<()> {
        aws.call(Service::Glue, "CreateDatabase", &json!({"DatabaseInput": self.input()})).await?;
        Ok(())
    }

    async fn update(&self, aws: &Aws) -> anyhow::Result<()> {
        let input = json!({"Name": self.name, "DatabaseInput": self.input()});
        aws.call(Service::Glue, "UpdateDatabase", &input).await?;
        Ok(())
    }
}

impl Table {
    fn input(&self) -> Value {
        let columns = |list: &[(String, String)]| -> Vec<Value> {
            list.iter().map(|(name, kind)| json!({"Name": name, "Type": kind})).collect()
        };
        let (input, output, serde) = self.format.classes();
        let mut parameters = json!({"EXTERNAL": "TRUE", "classification": self.format.classification()});
        if self.format == Format::Csv {
            parameters["skip.header.line.count"] = "1".into();
        }
        json!({
            "Name": self.name,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": parameters,
            "PartitionKeys": columns(&self.partitions),
            "StorageDescriptor": {
                "Columns": columns(&self.columns),
                "Location": self.location,
                "InputFormat": input,
                "OutputFormat": output,
                "SerdeInfo": {"SerializationLibrary": serde},
            },
        })
    }
}

impl Format {
    fn classification(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Json => "json",
            Self::Csv => "csv",
        }
    }

    /// Input format, output format and SerDe, as Hive names them.
    fn classes(self) -> (&'static str, &'static str, &'static str) {
        const TEXT: &str = "org.apache.hadoop.mapred.TextInputFormat";
        const TEXT_OUT: &str = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat";
        match self {
            Self::Parquet => (
                "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
                "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
            ),
            Self::Json => (TEXT, TEXT_OUT, "org.openx.data.jsonserde.JsonSerDe"),
            Self::Csv => (TEXT, TEXT_OUT, "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"),
        }
    }
}

#[async_trait]
impl Resource for Table {
    fn kind(&self) -> &'static str {
        "table"
    }

    fn name(&self) -> String {
        self.full_name()
    }

    async fn compare(&self, aws: &Aws) -> anyhow::Result<Change> {
        let input = json!({"DatabaseName": self.database, "Name": self.name});
        Ok(change(look(aws, "GetTable", &input, "Table").await?, &self.input()))
    }

    async fn create(&self, aws: &Aws) -> anyhow::Result<()> {
        let input = json!({"DatabaseName": self.database, "TableInput": self.input()});
        aws.call(Service::Glue, "CreateTable", &input).await?;
        Ok(())
    }

    async fn update(&self, aws: &Aws) -> anyhow::Result<()> {
        let input = json!({"DatabaseName": self.database, "TableInput": self.input()});
        aws.call(Service::Glue, "UpdateTable", &input).await?;
        Ok(())
    }
}

impl Crawler {
    fn input(&self) -> Value {
        let mut input = json!({
            "Name": self.name,
            "Role": ROLE,
            "DatabaseName": self.database,
            "Targets": {"S3Targets": [{"Path": self.path}]},
        });
        if !self.table_prefix.is_empty() {
            input["TablePrefix"] = self.table_prefix.clone().into();
        }
        if !self.schedule.is_empty() {
            input["Schedule"] = self.schedule.clone().into();
        }
        input
    }
}

#[async_trait]
impl Resource for Crawler {
    fn kind(&self) -> &'static str {
        "crawler"
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    async fn compare(&self, aws: &Aws) -> anyhow::Result<Change> {
        let found = look(aws, "GetCrawler", &json!({"Name": self.name}), "Crawler").await?;
        let mut wanted = self.input();
        if let Some(schedule) = wanted.get_mut("Schedule") {
            *schedule = json!({"ScheduleExpression": schedule.take()});
        }
        Ok(change(found, &wanted))
    }

    async fn create(&self, aws: &Aws) -> anyhow::Result<()> {
        aws.call(Service::Glue, "CreateCrawler", &self.input()).await?;
        Ok(())
    }

    async fn update(&self, aws: &Aws) -> anyhow::Result<()> {
        aws.call(Service::Glue, "UpdateCrawler", &self.input()).await?;
        Ok(())
    }
}

/// A job and its script, which lives in a bucket.
pub(super) struct SqlJob(pub Job);

impl SqlJob {
    fn script(&self) -> anyhow::Result<Vec<u8>> {
        self.0.files.read(&self.0.sql)
    }

    fn definition(&self) -> Value {
        json!({
            "Role": ROLE,
            "Command": {"Name": "sql", "ScriptLocation": self.0.script},
            "DefaultArguments": self.0.arguments,
        })
    }

    async fn upload(&self, aws: &Aws) -> anyhow::Result<()> {
        let (bucket, key) = split_s3_uri(&self.0.script)?;
        aws.put_object(bucket, key, self.script()?.into()).await
    }
}

#[async_trait]
impl Resource for SqlJob {
    fn kind(&self) -> &'static str {
        "job"
    }

    fn name(&self) -> String {
        self.0.name.clone()
    }

    async fn compare(&self, aws: &Aws) -> anyhow::Result<Change> {
        let found = look(aws, "GetJob", &json!({"JobName": self.0.name}), "Job").await?;
        let Some(found) = found else { return Ok(Change::Create) };
        let mut what = differences(&self.definition(), &found);
        if compare_object(aws, &self.0.script, &self.script()?).await? != Change::Nothing {
            what.push("script".into());
        }
        Ok(Change::of_differences(what))
    }

    async fn create(&self, aws: &Aws) -> anyhow::Result<()> {
        self.upload(aws).await?;
        let mut input = self.definition();
        input["Name"] = self.0.name.clone().into();
        aws.call(Service::Glue, "CreateJob", &input).await?;
        Ok(())
    }

    async fn update(&self, aws: &Aws) -> anyhow::Result<()> {
        self.upload(aws).await?;
        let input = json!({"JobName": self.0.name, "JobUpdate": self.definition()});
        aws.call(Service::Glue, "UpdateJob", &input).await?;
        Ok(())
    }
}

impl Trigger {
    fn input(&self) -> Value {
        let actions: Vec<Value> = self.jobs.iter().map(|job| json!({"JobName": job})).collect();
        let kind = if self.schedule.is_some() { "SCHEDULED" } else { "ON_DEMAND" };
        let mut input = json!({"Name": self.name, "Type": kind, "Actions": actions});
        if let Some(schedule) = &self.schedule {
            input["Schedule"] = schedule.clone().into();
        }
        input
    }
}

#[async_trait]
impl Resource for Trigger {
    fn kind(&self) -> &'static str {
        "trigger"
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    async fn compare(&self, aws: &Aws) -> anyhow::Result<Change> {
        let found = look(aws, "GetTrigger", &json!({"Name": self.name}), "Trigger").await?;
        Ok(change(found, &self.input()))
    }

    async fn create(&self, aws: &Aws) -> anyhow::Result<()> {
        let mut input = self.input();
        if self.schedule.is_some() {
            input["StartOnCreation"] = true.into();
        }
        aws.call(Service::Glue, "CreateTrigger", &input).await?;
        Ok(())
    }

    async fn update(&self, aws: &Aws) -> anyhow::Result<()> {
        let mut update = self.input();
        // A trigger's type is fixed when it is made and not part of an update.
        update.as_object_mut().context("a trigger is an object")?.remove("Type");
        aws.call(Service::Glue, "UpdateTrigger", &json!({"Name": self.name, "TriggerUpdate": update}))
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_says_how_it_is_read() {
        let table = Table {
            database: "d".into(),
            name: "t".into(),
            location: "s3://b/t/".into(),
            format: Format::Parquet,
            columns: vec![("id".into(), "string".into())],
            partitions: vec![("day".into(), "string".into())],
        };
        let input = table.input();
        assert_eq!(input["PartitionKeys"][0]["Name"], "day");
        assert!(
            input["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"]
                .as_str()
                .unwrap()
                .contains("Parquet")
        );
        assert_eq!(change(Some(input.clone()), &table.input()), Change::Nothing);
        assert_eq!(change(None, &input), Change::Create);
    }
}
