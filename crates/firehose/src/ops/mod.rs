//! One file per operation; those that are two sides of one thing share a file.

mod create_delivery_stream;
mod delete_delivery_stream;
mod describe_delivery_stream;
mod list_delivery_streams;
mod put_record;
mod put_record_batch;
mod tags;
mod update_destination;

use headwater_delivery::{Delivery, DeliveryKey};
use headwater_wire::Access;

pub(crate) use create_delivery_stream::CreateDeliveryStream;
pub(crate) use delete_delivery_stream::DeleteDeliveryStream;
pub(crate) use describe_delivery_stream::DescribeDeliveryStream;
pub(crate) use list_delivery_streams::ListDeliveryStreams;
pub(crate) use put_record::PutRecord;
pub(crate) use put_record_batch::PutRecordBatch;
pub(crate) use tags::{ListTagsForDeliveryStream, TagDeliveryStream, UntagDeliveryStream};
pub(crate) use update_destination::UpdateDestination;

/// What `action` does it to.
fn access(action: &'static str, key: &DeliveryKey) -> Access {
    Access { action, resource: Some(key.arn()) }
}

/// The id of the record at `offset`: the same again for a retry.
fn record_id(delivery: &Delivery, offset: i64) -> String {
    format!("{:016x}{offset:048x}", delivery.incarnation)
}
