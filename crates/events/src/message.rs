//! Events as their receivers read them: S3's record for queues, topics and functions, and
//! EventBridge's envelope for a bus.
//!
//! **Invariants.** A message is a pure function of the event, its commit and its rule, so every
//! attempt to deliver it sends the same bytes.

use bytes::Bytes;
use headwater_objects::{Change, ChangeEvent, Lsn};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::kind::name_of;

/// What a key keeps as it is when it is encoded as in a form; blanks become `+`.
const FORM: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b' ').remove(b'/');

/// The record that queues, topics and functions get, alone in its message.
pub(crate) fn record(event: &ChangeEvent, lsn: Lsn, rule: &str) -> Bytes {
    let mut object = Map::new();
    object.insert("key".into(), form_encoded(&event.key).into());
    if let Some(size) = event.size {
        object.insert("size".into(), size.into());
    }
    if let Some(etag) = &event.etag {
        object.insert("eTag".into(), etag.as_str().into());
    }
    if let Some(version) = &event.version_id {
        object.insert("versionId".into(), version.as_str().into());
    }
    object.insert("sequencer".into(), sequencer(lsn).into());
    let mut record = json!({
        "eventVersion": version_of(event.change),
        "eventSource": "aws:s3",
        "awsRegion": event.region.as_str(),
        "eventTime": event.time.iso(),
        "eventName": name_of(event.change),
        "userIdentity": { "principalId": event.origin.principal },
        "requestParameters": { "sourceIPAddress": event.origin.source_ip },
        "responseElements": {
            "x-amz-request-id": event.origin.request_id,
            "x-amz-id-2": event.origin.host_id,
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": rule,
            "bucket": {
                "name": event.bucket,
                "ownerIdentity": { "principalId": event.owner.to_string() },
                "arn": bucket_arn(&event.bucket),
            },
            "object": object,
        },
    });
    if let Some((name, data)) = data_of(event) {
        record[name] = data;
    }
    json!({ "Records": [record] }).to_string().into()
}

/// What some kinds of events have besides.
fn data_of(event: &ChangeEvent) -> Option<(&'static str, Value)> {
    let class = event.storage_class.as_deref();
    match event.change {
        Change::RestoreCompleted | Change::RestoreDelete => {
            let expiry = event.expiry.map(|time| time.iso());
            let data =
                json!({ "lifecycleRestorationExpiryTime": expiry, "lifecycleRestoreStorageClass": class });
            Some(("glacierEventData", json!({ "restoreEventData": data })))
        }
        Change::Transitioned => {
            let data = json!({ "destinationStorageClass": class });
            Some(("lifecycleEventData", json!({ "transitionEventData": data })))
        }
        _ => None,
    }
}

/// 2.1, and 2.3 for the kinds that came with it.
fn version_of(change: Change) -> &'static str {
    match change {
        Change::CreatedPut
        | Change::CreatedPost
        | Change::CreatedCopy
        | Change::CreatedMultipart
        | Change::Removed
        | Change::MarkerCreated
        | Change::RestorePost
        | Change::RestoreCompleted => "2.1",
        Change::TaggingPut
        | Change::TaggingDelete
        | Change::AclPut
        | Change::RestoreDelete
        | Change::Expired
        | Change::ExpiredMarker
        | Change::Transitioned
        | Change::RetentionPut => "2.3",
    }
}

/// The event in EventBridge's envelope; `None` for kinds that it does not know.
pub(crate) fn bridge(event: &ChangeEvent, lsn: Lsn, nonce: u64) -> Option<Bytes> {
    let detail_type = detail_type(event.change)?;
    let mut object = Map::new();
    object.insert("key".into(), event.key.as_str().into());
    if let Some(size) = event.size {
        object.insert("size".into(), size.into());
    }
    if let Some(etag) = &event.etag {
        object.insert("etag".into(), etag.as_str().into());
    }
    if let Some(version) = &event.version_id {
        object.insert("version-id".into(), version.as_str().into());
    }
    object.insert("sequencer".into(), sequencer(lsn).into());
    let mut detail = json!({
        "version": "0",
        "bucket": { "name": event.bucket },
        "object": object,
        "request-id": event.origin.request_id,
        "requester": event.origin.requester,
    });
    if event.origin.source_ip != event.origin.requester {
        detail["source-ip-address"] = event.origin.source_ip.as_str().into();
    }
    for (name, value) in details(event) {
        detail[name] = value.into();
    }
    let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, id(lsn, nonce).as_bytes());
    let seconds = event.time.iso();
    let time = format!("{}Z", seconds.split('.').next().unwrap_or_default());
    let envelope = json!({
        "version": "0",
        "id": id.to_string(),
        "detail-type": detail_type,
        "source": "aws.s3",
        "account": event.owner.to_string(),
        "time": time,
        "region": event.region.as_str(),
        "resources": [bucket_arn(&event.bucket)],
        "detail": detail,
    });
    Some(envelope.to_string().into())
}

fn detail_type(change: Change) -> Option<&'static str> {
    Some(match change {
        Change::CreatedPut | Change::CreatedPost | Change::CreatedCopy | Change::CreatedMultipart => {
            "Object Created"
        }
        Change::Removed | Change::MarkerCreated | Change::Expired | Change::ExpiredMarker => "Object Deleted",
        Change::TaggingPut => "Object Tags Added",
        Change::TaggingDelete => "Object Tags Deleted",
        Change::AclPut => "Object ACL Updated",
        Change::RestorePost => "Object Restore Initiated",
        Change::RestoreCompleted => "Object Restore Completed",
        Change::RestoreDelete => "Object Restore Expired",
        Change::Transitioned => "Object Storage Class Changed",
        Change::RetentionPut => return None,
    })
}

/// What the detail of some kinds says besides.
fn details(event: &ChangeEvent) -> Vec<(&'static str, String)> {
    let class = || event.storage_class.clone().unwrap_or_default();
    let reason = |text: &str| ("reason", text.to_owned());
    let removal = |text: &str| ("deletion-type", text.to_owned());
    match event.change {
        Change::CreatedPut => vec![reason("PutObject")],
        Change::CreatedPost => vec![reason("POST Object")],
        Change::CreatedCopy => vec![reason("CopyObject")],
        Change::CreatedMultipart => vec![reason("CompleteMultipartUpload")],
        Change::Removed => vec![reason("DeleteObject"), removal("Permanently Deleted")],
        Change::MarkerCreated => vec![reason("DeleteObject"), removal("Delete Marker Created")],
        Change::Expired => vec![reason("Lifecycle Expiration"), removal("Permanently Deleted")],
        Change::ExpiredMarker => vec![reason("Lifecycle Expiration"), removal("Delete Marker Created")],
        Change::Transitioned => vec![("destination-storage-class", class())],
        Change::RestorePost => vec![("source-storage-class", class())],
        Change::RestoreCompleted => {
            let expiry = event.expiry.map(|time| time.iso()).unwrap_or_default();
            vec![("restore-expiry-time", expiry), ("source-storage-class", class())]
        }
        Change::RestoreDelete
        | Change::TaggingPut
        | Change::TaggingDelete
        | Change::AclPut
        | Change::RetentionPut => Vec::new(),
    }
}

/// What a destination gets when a configuration names it: not in an array of records.
pub(crate) fn test_event(bucket: &str, time: &str, request_id: &str) -> Bytes {
    json!({
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": time,
        "Bucket": bucket,
        "RequestId": request_id,
        "HostId": request_id,
    })
    .to_string()
    .into()
}

/// The place of an event among those of its key: sixteen hex digits that compare as the commits do.
pub(crate) fn sequencer(lsn: Lsn) -> String {
    format!("{:016X}", lsn.0)
}

/// The same for every attempt to deliver an event; no two events have the same.
pub(crate) fn id(lsn: Lsn, nonce: u64) -> String {
    format!("{:016x}-{nonce:016x}", lsn.0)
}

fn bucket_arn(bucket: &str) -> String {
    format!("arn:aws:s3:::{bucket}")
}

fn form_encoded(key: &str) -> String {
    utf8_percent_encode(key, FORM).to_string().replace(' ', "+")
}

#[cfg(test)]
mod tests {
    use headwater_base::{AccountId, Timestamp};
    use headwater_objects::Origin;

    use super::*;

    fn event(change: Change) -> ChangeEvent {
        ChangeEvent {
            change,
            time: Timestamp::from_ms(1_767_323_045_678),
            incarnation: 7,
            bucket: "lake".into(),
            owner: AccountId::from_number(1).unwrap(),
            region: "eu-west-1".parse().unwrap(),
            key: "red flower/ä+1.jpg".into(),
            size: Some(1024),
            etag: Some("d41d8cd98f00b204e9800998ecf8427e".into()),
            version_id: None,
            origin: Origin {
                principal: "AWS:AKIAEXAMPLE".into(),
                requester: "000000000001".into(),
                source_ip: "127.0.0.1".into(),
                request_id: "REQ".into(),
                host_id: "HOST".into(),
                is_form: false,
                is_lifecycle: false,
            },
            storage_class: None,
            expiry: None,
        }
    }

    fn parsed(bytes: &Bytes) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn the_record_of_a_put_byte_for_byte() {
        let text =
            String::from_utf8(record(&event(Change::CreatedPut), Lsn(0xAB), "rule-1").to_vec()).unwrap();
        assert_eq!(
            text,
            concat!(
                r#"{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-west-1","#,
                r#""eventTime":"2026-01-02T03:04:05.678Z","eventName":"ObjectCreated:Put","#,
                r#""userIdentity":{"principalId":"AWS:AKIAEXAMPLE"},"requestParameters":{"sourceIPAddress":"127.0.0.1"},"#,
                r#""responseElements":{"x-amz-request-id":"REQ","x-amz-id-2":"HOST"},"s3":{"s3SchemaVersion":"1.0","#,
                r#""configurationId":"rule-1","bucket":{"name":"lake","ownerIdentity":{"principalId":"000000000001"},"#,
                r#""arn":"arn:aws:s3:::lake"},"object":{"key":"red+flower/%C3%A4%2B1.jpg","size":1024,"#,
                r#""eTag":"d41d8cd98f00b204e9800998ecf8427e","sequencer":"00000000000000AB"}}}]}"#,
            )
        );
    }

    #[test]
    fn removals_have_no_size_and_versions_have_their_id() {
        let removed = ChangeEvent {
            size: None,
            etag: None,
            version_id: Some("v1".into()),
            ..event(Change::MarkerCreated)
        };
        let record = parsed(&record(&removed, Lsn(1), "r"));
        let record = &record["Records"][0];
        assert_eq!(record["eventName"], "ObjectRemoved:DeleteMarkerCreated");
        let object = record["s3"]["object"].as_object().unwrap();
        assert_eq!(object.keys().collect::<Vec<_>>(), ["key", "versionId", "sequencer"]);
    }

    #[test]
    fn lifecycle_and_restores_carry_their_data() {
        let moved = ChangeEvent { storage_class: Some("GLACIER".into()), ..event(Change::Transitioned) };
        let moved = parsed(&record(&moved, Lsn(1), "r"));
        let moved = &moved["Records"][0];
        assert_eq!(moved["eventVersion"], "2.3");
        assert_eq!(moved["eventName"], "LifecycleTransition");
        assert_eq!(moved["lifecycleEventData"]["transitionEventData"]["destinationStorageClass"], "GLACIER");
        let restored = ChangeEvent {
            storage_class: Some("GLACIER".into()),
            expiry: Some(Timestamp::from_ms(0)),
            ..event(Change::RestoreCompleted)
        };
        let restored = parsed(&record(&restored, Lsn(1), "r"));
        let data = &restored["Records"][0]["glacierEventData"]["restoreEventData"];
        assert_eq!(data["lifecycleRestorationExpiryTime"], "1970-01-01T00:00:00.000Z");
        assert_eq!(data["lifecycleRestoreStorageClass"], "GLACIER");
    }

    #[test]
    fn a_bus_gets_the_envelope_with_the_key_as_it_is() {
        let envelope = parsed(&bridge(&event(Change::CreatedPut), Lsn(0xAB), 9).unwrap());
        let again = parsed(&bridge(&event(Change::CreatedPut), Lsn(0xAB), 9).unwrap());
        assert_eq!(envelope, again, "every attempt says the same");
        assert_eq!(envelope["detail-type"], "Object Created");
        assert_eq!((&envelope["source"], &envelope["account"]), (&json!("aws.s3"), &json!("000000000001")));
        assert_eq!(envelope["time"], "2026-01-02T03:04:05Z");
        assert_eq!(envelope["resources"], json!(["arn:aws:s3:::lake"]));
        assert_eq!(
            envelope["detail"],
            json!({
                "version": "0",
                "bucket": { "name": "lake" },
                "object": {
                    "key": "red flower/ä+1.jpg",
                    "size": 1024,
                    "etag": "d41d8cd98f00b204e9800998ecf8427e",
                    "sequencer": "00000000000000AB",
                },
                "request-id": "REQ",
                "requester": "000000000001",
                "source-ip-address": "127.0.0.1",
                "reason": "PutObject",
            })
        );
    }

    #[test]
    fn a_bus_is_told_how_an_object_went() {
        let detail = |change| parsed(&bridge(&event(change), Lsn(1), 1).unwrap())["detail"].clone();
        let removed = detail(Change::Removed);
        assert_eq!(
            (&removed["reason"], &removed["deletion-type"]),
            (&json!("DeleteObject"), &json!("Permanently Deleted"))
        );
        let expired = detail(Change::ExpiredMarker);
        assert_eq!(
            (&expired["reason"], &expired["deletion-type"]),
            (&json!("Lifecycle Expiration"), &json!("Delete Marker Created"))
        );
        assert!(bridge(&event(Change::RetentionPut), Lsn(1), 1).is_none());
    }

    #[test]
    fn sequencers_compare_as_commits() {
        assert!(sequencer(Lsn(9)) < sequencer(Lsn(10)));
        assert!(sequencer(Lsn(0xFFFF)) < sequencer(Lsn(0x1_0000)));
        assert_eq!(sequencer(Lsn(u64::MAX)).len(), 16);
    }
}
