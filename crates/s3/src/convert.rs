//! Between s3s's shapes and the engine's types: the only file, with the operations themselves, that
//! names both.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, UNIX_EPOCH};

use headwater_base::Timestamp;
use headwater_objects::{
    Attributes, ChecksumAlgorithm, Condition, Initiator, ObjectInfo, ObjectKey, UploadId, UploadInfo,
};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{self, ETag, ETagCondition};
use s3s::host::S3Host;

use crate::arrival::Arrival;
use crate::fault::Refusal;
use crate::guard::Hosts;
use crate::tags;

/// The standard headers that are kept as they are given.
const KEPT_HEADERS: [&str; 5] =
    ["cache-control", "content-disposition", "content-encoding", "content-language", "expires"];

/// The most bytes of user metadata, names and values together.
const METADATA_BYTES_MAX: usize = 2048;

/// What stays as it is in listings with `encoding-type=url`.
const LISTED_AS_IS: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// Sets the five checksum members of an output or a part from a map by algorithm name.
macro_rules! set_checksums {
    ($target:expr, $values:expr) => {{
        let values = &$values;
        $target.checksum_crc32 = values.get("CRC32").cloned();
        $target.checksum_crc32c = values.get("CRC32C").cloned();
        $target.checksum_crc64nvme = values.get("CRC64NVME").cloned();
        $target.checksum_sha1 = values.get("SHA1").cloned();
        $target.checksum_sha256 = values.get("SHA256").cloned();
    }};
}
pub(crate) use set_checksums;

/// The one checksum a client said, from the five members of an input; several are an error.
macro_rules! said_checksum {
    ($input:expr) => {
        $crate::convert::one_of([
            ($input.checksum_crc32.as_ref(), headwater_objects::ChecksumAlgorithm::Crc32),
            ($input.checksum_crc32c.as_ref(), headwater_objects::ChecksumAlgorithm::Crc32c),
            ($input.checksum_crc64nvme.as_ref(), headwater_objects::ChecksumAlgorithm::Crc64Nvme),
            ($input.checksum_sha1.as_ref(), headwater_objects::ChecksumAlgorithm::Sha1),
            ($input.checksum_sha256.as_ref(), headwater_objects::ChecksumAlgorithm::Sha256),
        ])
    };
}
pub(crate) use said_checksum;

/// The one checksum that is there.
pub(crate) fn one_of(
    said: [(Option<&String>, ChecksumAlgorithm); 5],
) -> Result<Option<(ChecksumAlgorithm, String)>, Refusal> {
    let mut found = said.into_iter().filter_map(|(value, algorithm)| Some((algorithm, value?.clone())));
    let one = found.next();
    if found.next().is_some() {
        return Err(Refusal::invalid_request(
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        ));
    }
    Ok(one)
}

/// An algorithm by the name a client gave.
pub(crate) fn algorithm(name: &str) -> Result<ChecksumAlgorithm, Refusal> {
    ChecksumAlgorithm::named(name).ok_or_else(|| {
        Refusal::invalid_request(
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, \
             CRC32C, CRC64NVME, SHA1, SHA256]",
        )
    })
}

/// What `x-amz-checksum-type` says of kept checksums.
pub(crate) fn checksum_type(composite: bool) -> dto::ChecksumType {
    dto::ChecksumType::from_static(if composite { "COMPOSITE" } else { "FULL_OBJECT" })
}

/// An object key.
pub(crate) fn key(text: &str) -> Result<ObjectKey, Refusal> {
    ObjectKey::new(text).map_err(|_| Refusal::new(400, "KeyTooLongError", "Your key is too long"))
}

/// An upload id; one that cannot be ours is an upload that does not exist.
pub(crate) fn upload_id(text: &str) -> Result<UploadId, Refusal> {
    UploadId::parse(text).ok_or_else(|| headwater_objects::ObjectError::NoSuchUpload(text.to_owned()).into())
}

/// An ETag as S3 writes it, in quotes.
pub(crate) fn etag(text: &str) -> ETag {
    ETag::Strong(text.to_owned())
}

/// A moment, to the millisecond.
pub(crate) fn time(at: Timestamp) -> dto::Timestamp {
    (UNIX_EPOCH + Duration::from_millis(u64::try_from(at.ms()).unwrap_or(0))).into()
}

/// A moment as a client gave it, to the millisecond.
pub(crate) fn moment(at: &dto::Timestamp) -> Timestamp {
    // Seconds of the epoch: the codec's other forms leave out what zone the client spoke of.
    let mut text = Vec::new();
    let written = at.format(dto::TimestampFormat::EpochSeconds, &mut text).is_ok();
    let read = std::str::from_utf8(&text).ok().filter(|_| written);
    let seconds = read.and_then(|text| text.parse::<f64>().ok()).unwrap_or(f64::MAX);
    Timestamp::from_ms((seconds * 1000.0).round() as i64)
}

/// A name in a listing, encoded if the client asked for it.
pub(crate) fn listed(name: &str, encoded: bool) -> String {
    if encoded { utf8_percent_encode(name, LISTED_AS_IS).to_string() } else { name.to_owned() }
}

/// Whether a listing's names are to be encoded.
pub(crate) fn encodes(encoding: Option<&dto::EncodingType>) -> Result<bool, Refusal> {
    match encoding.map(dto::EncodingType::as_str) {
        None | Some("") => Ok(false),
        Some("url") => Ok(true),
        Some(_) => Err(Refusal::invalid_argument("Invalid Encoding Method specified in Request")),
    }
}

/// Where an object can be got, by the name under which the request reached this node.
pub(crate) fn location(
    (headers, uri): (&HeaderMap, &Uri),
    bucket: &str,
    key: &str,
    is_secure: bool,
) -> String {
    let scheme = if is_secure { "https" } else { "http" };
    let host = headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| uri.authority().map(Authority::as_str)).unwrap_or("localhost");
    let named = Hosts.parse_host_header(host).ok().is_some_and(|host| host.bucket().is_some());
    let bucket = if named { String::new() } else { format!("/{bucket}") };
    format!("{scheme}://{host}{bucket}/{}", listed(key, true))
}

/// A page size: S3's default and limit is 1000.
pub(crate) fn page_size(asked: Option<i32>, name: &str) -> Result<usize, Refusal> {
    match asked {
        None => Ok(1000),
        Some(asked) => usize::try_from(asked).map(|asked| asked.min(1000)).map_err(|_| {
            Refusal::invalid_argument(format!("Argument {name} must be an integer between 0 and 2147483647"))
        }),
    }
}

/// The owner of the request's bucket, or who asks if it is about none.
pub(crate) fn owner(arrival: &Arrival) -> dto::Owner {
    let caller = || arrival.context.caller.canonical_id.clone();
    dto::Owner { display_name: None, id: Some(arrival.bucket_owner().unwrap_or_else(caller)) }
}

/// Who asks, as one who begins an upload.
pub(crate) fn initiator(arrival: &Arrival) -> Initiator {
    let caller = &arrival.context.caller;
    let is_user = !caller.is_anonymous() && caller.user != "root";
    Initiator {
        account: (!caller.is_anonymous()).then_some(caller.account),
        id: if is_user { caller.arn() } else { caller.canonical_id.clone() },
    }
}

/// Who began an upload; of those that were begun by earlier programs, the bucket's owner.
pub(crate) fn initiator_to_xml(upload: &UploadInfo, owner: &dto::Owner) -> dto::Initiator {
    let id = upload.options.initiator.as_ref().map(|initiator| initiator.id.clone());
    dto::Initiator { display_name: None, id: id.or_else(|| owner.id.clone()) }
}

/// The owner of an object: who wrote it, where lists count; else the bucket's.
pub(crate) fn object_owner(arrival: &Arrival, info: &ObjectInfo) -> dto::Owner {
    let counts = arrival.standing().is_some_and(|standing| standing.bucket().access.acls_count());
    match info.attributes.acl.as_ref().filter(|_| counts) {
        Some(list) => crate::acl::owner_to_xml(&list.owner),
        None => owner(arrival),
    }
}

/// What a writer says about an object: standard headers, user metadata and tags.
pub(crate) fn attributes(
    headers: &HeaderMap,
    content_type: Option<String>,
    metadata: Option<HashMap<String, String>>,
    tagging: Option<&str>,
) -> Result<Attributes, Refusal> {
    let mut kept = BTreeMap::new();
    for name in KEPT_HEADERS {
        if let Some(value) = headers.get(name) {
            let value = std::str::from_utf8(value.as_bytes())
                .map_err(|_| Refusal::invalid_argument(format!("The header {name} is not UTF-8")))?;
            kept.insert(name.to_owned(), value.to_owned());
        }
    }
    let metadata: BTreeMap<String, String> = metadata.unwrap_or_default().into_iter().collect();
    if metadata.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > METADATA_BYTES_MAX {
        return Err(Refusal::new(
            400,
            "MetadataTooLarge",
            "Your metadata headers exceed the maximum allowed metadata size",
        ));
    }
    let tags = tagging.map(tags::from_header).transpose()?.unwrap_or_default();
    Ok(Attributes { content_type, headers: kept, metadata, tags, ..Attributes::default() })
}

/// The standard headers an object was put with, for its answers, without those the client overrides.
pub(crate) fn kept_headers(info: &ObjectInfo, overridden: &[(&str, bool)]) -> HeaderMap {
    let is_overridden = |name: &str| overridden.iter().any(|(n, given)| *n == name && *given);
    let mut headers = HeaderMap::new();
    for (name, value) in info.attributes.headers.iter().filter(|(name, _)| !is_overridden(name)) {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_bytes(value.as_bytes()))
        {
            headers.insert(name, value);
        }
    }
    headers
}

/// User metadata as the codec writes it.
pub(crate) fn metadata(info: &ObjectInfo) -> Option<HashMap<String, String>> {
    let metadata = &info.attributes.metadata;
    (!metadata.is_empty()).then(|| metadata.clone().into_iter().collect())
}

/// The content type an object is served with.
pub(crate) fn content_type(info: &ObjectInfo) -> String {
    info.attributes.content_type.clone().unwrap_or_else(|| "binary/octet-stream".to_owned())
}

/// What must hold for a write.
pub(crate) fn write_condition(
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> Result<Condition, Refusal> {
    match (if_match, if_none_match) {
        (None, None) => Ok(Condition::Anything),
        (None, Some(ETagCondition::Any)) => Ok(Condition::Absent),
        (Some(ETagCondition::Any), None) => Ok(Condition::Present),
        (Some(ETagCondition::ETag(etag)), None) => Ok(Condition::Etag(etag.value().to_owned())),
        _ => Err(Refusal::new(
            501,
            "NotImplemented",
            "A header you provided implies functionality that is not implemented",
        )),
    }
}

/// What must hold for a write, from its headers: for operations whose input lacks them.
pub(crate) fn write_condition_of(headers: &HeaderMap) -> Result<Condition, Refusal> {
    let read = |name: HeaderName| {
        let value = headers.get(name).map(|value| ETagCondition::parse_http_header(value.as_bytes()));
        value.transpose().map_err(|_| Refusal::invalid_argument("An entity tag is malformed"))
    };
    let (if_match, if_none_match) = (read(http::header::IF_MATCH)?, read(http::header::IF_NONE_MATCH)?);
    write_condition(if_match.as_ref(), if_none_match.as_ref())
}

/// What must hold for a read (RFC 9110, in its order of precedence).
#[derive(Default)]
pub(crate) struct ReadConditions<'a> {
    pub(crate) if_match: Option<&'a ETagCondition>,
    pub(crate) if_none_match: Option<&'a ETagCondition>,
    pub(crate) if_modified_since: Option<&'a dto::Timestamp>,
    pub(crate) if_unmodified_since: Option<&'a dto::Timestamp>,
}

/// How read conditions came out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Go,
    NotModified,
    Failed,
}

impl ReadConditions<'_> {
    pub(crate) fn verdict(&self, info: &ObjectInfo) -> Verdict {
        let names = |condition: &ETagCondition| match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(etag) => etag.value() == info.etag,
        };
        // HTTP dates have whole seconds.
        let modified = time(Timestamp::from_ms(info.modified.ms().div_euclid(1000) * 1000));
        match (self.if_match, self.if_unmodified_since) {
            (Some(condition), _) if !names(condition) => return Verdict::Failed,
            (None, Some(since)) if modified > *since => return Verdict::Failed,
            _ => {}
        }
        match (self.if_none_match, self.if_modified_since) {
            (Some(condition), _) if names(condition) => Verdict::NotModified,
            (None, Some(since)) if modified <= *since => Verdict::NotModified,
            _ => Verdict::Go,
        }
    }

    /// The verdict as an answer to a GET or HEAD.
    pub(crate) fn check(&self, info: &ObjectInfo) -> Result<(), Refusal> {
        match self.verdict(info) {
            Verdict::Go => Ok(()),
            Verdict::Failed => Err(Refusal::precondition_failed()),
            Verdict::NotModified => {
                let refusal = Refusal::new(304, "NotModified", "Not Modified");
                Err(match HeaderValue::from_str(&format!("\"{}\"", info.etag)) {
                    Ok(etag) => refusal.with_header(http::header::ETAG, etag),
                    Err(_) => refusal,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use headwater_objects::{Checksums, Lsn};

    use super::*;

    fn info() -> ObjectInfo {
        ObjectInfo {
            key: ObjectKey::new("k").unwrap(),
            size: 1,
            etag: "aa".into(),
            modified: Timestamp::from_ms(10_500),
            lsn: Lsn(1),
            attributes: Attributes::default(),
            checksums: Checksums::default(),
            version: headwater_objects::VersionId::NULL,
            encryption: None,
            restored: None,
        }
    }

    #[test]
    fn read_conditions_follow_their_precedence() {
        let (same, other) = (ETagCondition::ETag(etag("aa")), ETagCondition::ETag(etag("bb")));
        let (before, at) = (time(Timestamp::from_ms(9_000)), time(Timestamp::from_ms(10_000)));
        let verdict = |conditions: ReadConditions<'_>| conditions.verdict(&info());
        let none = ReadConditions::default;
        assert_eq!(verdict(none()), Verdict::Go);
        assert_eq!(verdict(ReadConditions { if_match: Some(&same), ..none() }), Verdict::Go);
        assert_eq!(verdict(ReadConditions { if_match: Some(&other), ..none() }), Verdict::Failed);
        assert_eq!(verdict(ReadConditions { if_none_match: Some(&same), ..none() }), Verdict::NotModified);
        assert_eq!(verdict(ReadConditions { if_modified_since: Some(&at), ..none() }), Verdict::NotModified);
        assert_eq!(verdict(ReadConditions { if_modified_since: Some(&before), ..none() }), Verdict::Go);
        assert_eq!(verdict(ReadConditions { if_unmodified_since: Some(&at), ..none() }), Verdict::Go);
        assert_eq!(verdict(ReadConditions { if_unmodified_since: Some(&before), ..none() }), Verdict::Failed);
        let both = ReadConditions { if_match: Some(&same), if_unmodified_since: Some(&before), ..none() };
        assert_eq!(verdict(both), Verdict::Go, "If-Match outweighs If-Unmodified-Since");
        let both = ReadConditions { if_none_match: Some(&other), if_modified_since: Some(&at), ..none() };
        assert_eq!(verdict(both), Verdict::Go, "If-None-Match outweighs If-Modified-Since");
    }

    #[test]
    fn listed_names_decode_to_themselves() {
        let name = "a b/ü+%&\u{1}";
        let encoded = listed(name, true);
        assert_eq!(encoded, "a%20b/%C3%BC%2B%25%26%01");
        assert_eq!(percent_encoding::percent_decode_str(&encoded).decode_utf8().unwrap(), name);
        assert_eq!(listed(name, false), name);
    }

    #[test]
    fn moments_are_of_their_zone() {
        let read = |text: &str| moment(&dto::Timestamp::parse(dto::TimestampFormat::DateTime, text).unwrap());
        assert_eq!(read("2030-01-01T00:00:00.123Z"), Timestamp::from_ms(1_893_456_000_123));
        assert_eq!(read("2030-01-01T02:00:00+02:00"), Timestamp::from_ms(1_893_456_000_000));
    }

    #[test]
    fn objects_are_where_the_request_reached_the_node() {
        let at = |host: Option<&'static str>, uri: &'static str, is_secure| {
            let host = host.map(|host| (http::header::HOST, HeaderValue::from_static(host)));
            location((&host.into_iter().collect(), &Uri::from_static(uri)), "b", "a key", is_secure)
        };
        assert_eq!(at(Some("localhost:4566"), "/b/k", false), "http://localhost:4566/b/a%20key");
        assert_eq!(at(Some("b.localhost"), "/k", true), "https://b.localhost/a%20key");
        assert_eq!(at(None, "https://node:1/b/k", true), "https://node:1/b/a%20key");
    }

    #[test]
    fn page_sizes_are_bounded() {
        assert_eq!(page_size(None, "max-keys").unwrap(), 1000);
        assert_eq!(page_size(Some(5000), "max-keys").unwrap(), 1000);
        assert_eq!(page_size(Some(0), "max-keys").unwrap(), 0);
        assert!(page_size(Some(-1), "max-keys").is_err());
    }
}
