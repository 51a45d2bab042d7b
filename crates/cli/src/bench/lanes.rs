//! The connections of a row of calls, each its own.

use std::sync::Arc;

use bytes::Bytes;
use headwater_wire::Codec;
use headwater_wire::client::{ClientError, Lane};
use tokio::sync::Mutex;

use super::{Bed, s3};

/// One connection per caller. A caller waits for its own answers only.
pub(super) struct Lanes(Vec<Mutex<Lane>>);

impl Lanes {
    pub(super) fn new(bed: &Bed, connections: usize) -> anyhow::Result<Arc<Self>> {
        let client = bed.target.client(1)?;
        let lanes: Result<Vec<_>, _> = (0..connections).map(|_| client.lane().map(Mutex::new)).collect();
        Ok(Arc::new(Self(lanes?)))
    }

    /// Calls an operation of Kinesis.
    pub(super) async fn kinesis(
        &self,
        connection: usize,
        codec: Codec,
        operation: &str,
        body: Bytes,
    ) -> Result<Bytes, ClientError> {
        let target = format!("Kinesis_20131202.{operation}");
        self.0[connection].lock().await.call(codec, "kinesis", &target, body).await
    }

    /// Calls S3; the body of the answer, or of a PUT the ETag.
    pub(super) async fn s3(
        &self,
        connection: usize,
        method: &str,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<Bytes> {
        let answer = self.0[connection].lock().await.send("s3", method, path, &[], body).await?;
        s3::content(answer, method, path)
    }
}
