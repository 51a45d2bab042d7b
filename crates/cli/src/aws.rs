//! The services as this program calls them: JSON in, JSON out, over the real protocols.
//!
//! Nothing here knows the node's insides; pointed at another endpoint of the same protocols, it
//! would do the same.

use anyhow::{Context, anyhow};
use bytes::Bytes;
use headwater_wire::client::{Answer, Client, ClientError};
use serde::Deserialize;
use serde_json::Value;

/// How many pages of a listing are read before giving up: a million keys.
const PAGES_MAX: usize = 1000;

/// A JSON service and the prefix of its targets.
#[derive(Clone, Copy, Debug)]
pub enum Service {
    /// Kinesis Data Streams.
    Kinesis,
    /// Firehose.
    Firehose,
    /// Glue.
    Glue,
    /// Athena.
    Athena,
}

impl Service {
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Kinesis => ("kinesis", "Kinesis_20131202"),
            Self::Firehose => ("firehose", "Firehose_20150804"),
            Self::Glue => ("glue", "AWSGlue"),
            Self::Athena => ("athena", "AmazonAthena"),
        }
    }
}

/// A connection to all services of one endpoint. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Aws {
    client: Client,
}

/// A key in a bucket and the size of its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The key.
    pub key: String,
    /// Bytes.
    pub size: u64,
}

impl Aws {
    /// Calls through `client`.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The client underneath.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Calls an operation; the service's refusal keeps its code.
    pub async fn try_call(
        &self,
        service: Service,
        operation: &str,
        input: &Value,
    ) -> Result<Value, ClientError> {
        let (name, prefix) = service.names();
        let body = self.client.json(name, &format!("{prefix}.{operation}"), input.to_string().into()).await?;
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body)
            .map_err(|e| ClientError::Garbled(format!("the answer of {operation}: {e}")))
    }

    /// Calls an operation.
    pub async fn call(&self, service: Service, operation: &str, input: &Value) -> anyhow::Result<Value> {
        let called = self.try_call(service, operation, input).await;
        called.with_context(|| format!("{operation} on {}", self.client.endpoint()))
    }

    /// Calls an operation that looks something up; `None` when it is not there.
    pub async fn find(
        &self,
        service: Service,
        operation: &str,
        input: &Value,
    ) -> anyhow::Result<Option<Value>> {
        match self.try_call(service, operation, input).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if is_absent(error.code()) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("{operation} on {}", self.client.endpoint())),
        }
    }

    /// Whether a bucket exists and is ours.
    pub async fn has_bucket(&self, bucket: &str) -> anyhow::Result<bool> {
        let answer = self.s3("HEAD", &format!("/{bucket}"), Bytes::new()).await?;
        match answer.status {
            200 => Ok(true),
            404 => Ok(false),
            _ => Err(refused(&answer)).with_context(|| format!("bucket {bucket}")),
        }
    }

    /// Creates a bucket in the client's region.
    pub async fn create_bucket(&self, bucket: &str) -> anyhow::Result<()> {
        let region = self.client.region();
        let body = format!(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        );
        let body = if region.as_str() == "us-east-1" { Bytes::new() } else { body.into() };
        self.s3_ok("PUT", &format!("/{bucket}"), body)
            .await
            .with_context(|| format!("creating bucket {bucket}"))?;
        Ok(())
    }

    /// Stores an object.
    pub async fn put_object(&self, bucket: &str, key: &str, body: Bytes) -> anyhow::Result<()> {
        let path = object_path(bucket, key);
        self.s3_ok("PUT", &path, body).await.with_context(|| format!("storing s3://{bucket}/{key}"))?;
        Ok(())
    }

    /// An object's bytes; `None` when there is none.
    pub async fn get_object(&self, bucket: &str, key: &str) -> anyhow::Result<Option<Bytes>> {
        let answer = self.s3("GET", &object_path(bucket, key), Bytes::new()).await?;
        match answer.status {
            200 => Ok(Some(answer.body)),
            404 => Ok(None),
            _ => Err(refused(&answer)).with_context(|| format!("reading s3://{bucket}/{key}")),
        }
    }

    /// Every key under a prefix.
    pub async fn list_objects(&self, bucket: &str, prefix: &str) -> anyhow::Result<Vec<Listed>> {
        let mut found = Vec::new();
        let mut token = String::new();
        for _ in 0..PAGES_MAX {
            let path = format!("/{bucket}?list-type=2{token}&prefix={}", encode(prefix));
            let answer = self.s3_ok("GET", &path, Bytes::new()).await?;
            let page: Page = quick_xml::de::from_reader(&answer.body[..]).context("reading a listing")?;
            found.extend(page.contents.into_iter().map(|row| Listed { key: row.key, size: row.size }));
            match page.next_continuation_token {
                Some(next) => token = format!("&continuation-token={}", encode(&next)),
                None => return Ok(found),
            }
        }
        Err(anyhow!("s3://{bucket}/{prefix} has more than {} keys", PAGES_MAX * 1000))
    }

    async fn s3_ok(&self, method: &str, path: &str, body: Bytes) -> anyhow::Result<Answer> {
        let answer = self.s3(method, path, body).await?;
        if answer.status < 300 { Ok(answer) } else { Err(refused(&answer)) }
    }

    async fn s3(&self, method: &str, path: &str, body: Bytes) -> anyhow::Result<Answer> {
        Ok(self.client.send("s3", method, path, &[], body).await?)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    #[serde(default)]
    contents: Vec<Row>,
    #[serde(default)]
    next_continuation_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    key: String,
    size: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Refusal {
    code: String,
    #[serde(default)]
    message: String,
}

fn refused(answer: &Answer) -> anyhow::Error {
    match quick_xml::de::from_reader::<_, Refusal>(&answer.body[..]) {
        Ok(refusal) => anyhow!("{}: {}", refusal.code, refusal.message),
        Err(_) => anyhow!("S3 answered with status {}", answer.status),
    }
}

fn is_absent(code: Option<&str>) -> bool {
    matches!(code, Some("ResourceNotFoundException" | "EntityNotFoundException"))
}

fn object_path(bucket: &str, key: &str) -> String {
    let parts: Vec<String> = key.split('/').map(encode).collect();
    format!("/{bucket}/{}", parts.join("/"))
}

/// Percent-encoding as SigV4 wants it: everything but unreserved characters.
fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// `s3://bucket/key` in its two parts.
pub fn split_s3_uri(uri: &str) -> anyhow::Result<(&str, &str)> {
    let rest = uri.strip_prefix("s3://").with_context(|| format!("{uri:?} does not begin with s3://"))?;
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        return Err(anyhow!("{uri:?} names no bucket"));
    }
    Ok((bucket, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_encoded_part_by_part() {
        assert_eq!(object_path("b", "raw/year=2026/a b+c.parquet"), "/b/raw/year%3D2026/a%20b%2Bc.parquet");
    }

    #[test]
    fn s3_uris_are_split() {
        assert_eq!(split_s3_uri("s3://b/k/l").unwrap(), ("b", "k/l"));
        assert_eq!(split_s3_uri("s3://b").unwrap(), ("b", ""));
        assert!(split_s3_uri("b/k").is_err() && split_s3_uri("s3:///k").is_err());
    }

    #[test]
    fn a_listing_is_read() {
        let xml = "<ListBucketResult><Name>b</Name><KeyCount>1</KeyCount><Contents><Key>a&amp;b</Key>\
                   <Size>7</Size></Contents><NextContinuationToken>t</NextContinuationToken></ListBucketResult>";
        let page: Page = quick_xml::de::from_reader(xml.as_bytes()).unwrap();
        assert_eq!((page.contents[0].key.as_str(), page.contents[0].size), ("a&b", 7));
        assert_eq!(page.next_continuation_token.as_deref(), Some("t"));
        let empty: Page = quick_xml::de::from_reader("<ListBucketResult/>".as_bytes()).unwrap();
        assert!(empty.contents.is_empty());
    }
}
