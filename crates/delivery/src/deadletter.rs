//! Records that can't be delivered, in the form Firehose writes them: one JSON object a line.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use headwater_base::Timestamp;
use headwater_streams::{SequenceNumber, Shard};
use serde::Serialize;

use crate::plan::Plan;
use crate::produce::Record;

/// Why a record was not delivered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DeadLetter<'a> {
    /// It does not fit the table.
    Misfit(&'a str),
    /// Its partition values can't be found.
    NoPartition(&'a str),
}

impl DeadLetter<'_> {
    /// What `!{firehose:error-output-type}` says.
    pub(crate) fn output_type(self) -> &'static str {
        match self {
            Self::Misfit(_) => "format-conversion-failed",
            Self::NoPartition(_) => "metadata-extraction-failed",
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::Misfit(_) => "DataFormatConversion.ParseError",
            Self::NoPartition(_) => "DynamicPartitioning.MetadataExtractionFailed",
        }
    }

    fn message(self) -> String {
        match self {
            Self::Misfit(reason) => format!("The data does not fit the table: {reason}"),
            Self::NoPartition(reason) => format!("The partition keys can't be extracted: {reason}"),
        }
    }
}

/// Writes dead letters of one plan.
#[derive(Debug)]
pub(crate) struct Letters {
    /// The shards of the stream they were read from; nothing if they were put to the delivery itself.
    shards: Option<Vec<Shard>>,
    table: Option<TableEcho>,
    /// When the attempt ended, as far as the output may know: the newest arrival of the plan.
    ended: Timestamp,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct TableEcho {
    catalog_id: Option<String>,
    database_name: String,
    table_name: String,
    region: String,
    version_id: String,
    role_arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Letter<'a> {
    attempts_made: u32,
    arrival_timestamp: i64,
    error_code: &'a str,
    error_message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error_message: Option<&'a str>,
    attempt_ending_timestamp: i64,
    raw_data: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    shard_id: Option<String>,
    sequence_number: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_sequence_number: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_catalog_table: Option<&'a TableEcho>,
}

impl Letters {
    /// For a plan.
    pub(crate) fn new(plan: &Plan) -> Self {
        let delivery = &plan.delivery;
        let echo = delivery.destination.conversion.as_ref().map(|conversion| conversion.echo.clone());
        let table = plan.table.as_ref().zip(echo).map(|(table, echo)| TableEcho {
            catalog_id: echo.catalog_id,
            database_name: table.key.database.clone(),
            table_name: table.key.table.clone(),
            region: table.key.scope.region.to_string(),
            version_id: echo.version_id,
            role_arn: echo.role_arn,
        });
        let shards = plan.stream.as_ref().map(|stream| stream.shards.clone());
        Self { shards, table, ended: plan.newest }
    }

    /// The line of one record of a shard, without its end.
    pub(crate) fn write(&self, shard: u32, record: &Record, why: DeadLetter<'_>) -> Vec<u8> {
        let message = why.message();
        let misfit = matches!(why, DeadLetter::Misfit(_));
        let letter = Letter {
            attempts_made: 1,
            arrival_timestamp: record.arrived.ms(),
            error_code: why.code(),
            error_message: &message,
            last_error_code: misfit.then_some(why.code()),
            last_error_message: misfit.then_some(&message),
            attempt_ending_timestamp: self.ended.ms(),
            raw_data: BASE64.encode(&record.data),
            shard_id: self.shards.is_some().then(|| format!("shardId-{shard:012}")),
            sequence_number: self.sequence_number(shard, record),
            sub_sequence_number: record.part,
            data_catalog_table: if misfit { self.table.as_ref() } else { None },
        };
        serde_json::to_vec(&letter).expect("a struct of texts and numbers is always JSON")
    }

    /// The record's number in its stream, as Kinesis answers it; a record that was put to the
    /// delivery has its place in the delivery's own log.
    fn sequence_number(&self, shard: u32, record: &Record) -> String {
        let shard = self.shards.iter().flatten().find(|known| known.index == shard);
        match shard {
            Some(shard) => SequenceNumber::of_record(shard, record.offset, record.arrived).to_string(),
            None => record.offset.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use headwater_store::LogId;
    use headwater_streams::HashKey;

    use super::*;

    fn shard(index: u32) -> Shard {
        let created = Timestamp::from_ms(1_700_000_000_000);
        Shard {
            index,
            log: LogId(100),
            hash_first: HashKey(0),
            hash_last: HashKey(u128::MAX),
            created,
            opened: created,
            parent: None,
            adjacent_parent: None,
            closed: None,
            closed_at: None,
        }
    }

    fn record(part: Option<u64>, arrived: Timestamp) -> Record {
        Record { data: bytes::Bytes::from_static(b"{oops"), offset: 7, part, arrived, whole: 0 }
    }

    #[test]
    fn a_letter_names_its_record_as_the_stream_does() {
        let arrived = Timestamp::from_ms(1_700_000_009_000);
        let letter = |letters: &Letters, part| -> serde_json::Value {
            let line = letters.write(3, &record(part, arrived), DeadLetter::NoPartition("none"));
            serde_json::from_slice(&line).unwrap()
        };
        let read = Letters { shards: Some(vec![shard(2), shard(3)]), table: None, ended: arrived };
        let number = SequenceNumber::of_record(&shard(3), 7, arrived).to_string();
        assert_eq!(letter(&read, None)["sequenceNumber"], number);
        assert!(letter(&read, None).get("subSequenceNumber").is_none());
        let part = letter(&read, Some(4));
        assert_eq!((&part["sequenceNumber"], &part["subSequenceNumber"]), (&number.into(), &4.into()));
        let put = Letters { shards: None, table: None, ended: arrived };
        assert_eq!(letter(&put, None)["sequenceNumber"], "7");
    }

    #[test]
    fn a_letter_reads_as_firehose_writes_it() {
        let table = TableEcho {
            catalog_id: None,
            database_name: "db".into(),
            table_name: "t".into(),
            region: "eu-west-1".into(),
            version_id: "LATEST".into(),
            role_arn: "arn:aws:iam::000000000001:role/r".into(),
        };
        let letters = Letters { shards: Some(Vec::new()), table: Some(table), ended: Timestamp::from_ms(20) };
        let record = record(None, Timestamp::from_ms(10));
        let line = letters.write(3, &record, DeadLetter::Misfit("not JSON"));
        assert_eq!(
            String::from_utf8(line).unwrap(),
            r#"{"attemptsMade":1,"arrivalTimestamp":10,"errorCode":"DataFormatConversion.ParseError","#
                .to_owned()
                + r#""errorMessage":"The data does not fit the table: not JSON","#
                + r#""lastErrorCode":"DataFormatConversion.ParseError","#
                + r#""lastErrorMessage":"The data does not fit the table: not JSON","attemptEndingTimestamp":20,"#
                + r#""rawData":"e29vcHM=","shardId":"shardId-000000000003","sequenceNumber":"7","#
                + r#""dataCatalogTable":{"catalogId":null,"databaseName":"db","tableName":"t","region":"eu-west-1","#
                + r#""versionId":"LATEST","roleArn":"arn:aws:iam::000000000001:role/r"}}"#
        );
    }
}
