//! What a request says, by the names that conditions of bucket policies use.

use headwater_objects::Bucket;
use headwater_wire::RequestKeys;
use http::{HeaderMap, Uri};
use percent_encoding::percent_decode_str;

use crate::arrival::Arrival;
use crate::tags;

/// The operations whose query narrows what they list.
const LISTING: &[&str] = &["ListMultipartUploads", "ListObjectVersions", "ListObjects", "ListObjectsV2"];

/// The operations that take part in the making of an object, and whether they are what makes it: a rule on these
/// can leave the steps before alone.
const CREATING: &[(&str, bool)] = &[
    ("CompleteMultipartUpload", true),
    ("CopyObject", true),
    ("CreateMultipartUpload", false),
    ("PutObject", true),
    ("UploadPart", false),
    ("UploadPartCopy", false),
];

/// Headers that are keys under their own name.
const HEADERS: &[&str] = &[
    "if-match",
    "if-none-match",
    "x-amz-acl",
    "x-amz-copy-source",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-metadata-directive",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
];

/// Headers that are keys under another name.
const RENAMED: &[(&str, &str)] = &[
    ("user-agent", "aws:useragent"),
    ("referer", "aws:referer"),
    ("x-amz-object-lock-mode", "s3:object-lock-mode"),
    ("x-amz-object-lock-retain-until-date", "s3:object-lock-retain-until-date"),
    ("x-amz-object-lock-legal-hold", "s3:object-lock-legal-hold"),
];

/// The keys of a request. Who asks is the guard's to say.
pub(crate) fn of_request(
    operation: &str,
    arrival: &Arrival,
    bucket: &Bucket,
    headers: &HeaderMap,
    uri: &Uri,
) -> RequestKeys {
    let (context, owner) = (&arrival.context, bucket.owner.to_string());
    let mut keys = RequestKeys::default();
    keys.set("aws:sourceip", &*context.source_ip);
    // What a proxy before the node speaks cannot be known.
    keys.set("aws:securetransport", context.tls.is_some().to_string());
    if let Some(version) = context.tls {
        keys.set("s3:tlsversion", version);
    }
    if let Some((_, creates)) = CREATING.iter().find(|(name, _)| *name == operation) {
        keys.set("s3:objectcreationoperation", creates.to_string());
    }
    keys.set("aws:currenttime", context.time.iso());
    keys.set("aws:epochtime", context.time.ms().div_euclid(1000).to_string());
    keys.set("aws:requestedregion", context.region.as_str());
    keys.set("aws:principalisawsservice", "false");
    keys.set("aws:viaawsservice", "false");
    keys.set("aws:resourceaccount", owner.as_str());
    keys.set("s3:resourceaccount", owner);
    if !context.caller.is_anonymous() {
        keys.set("s3:signatureversion", "AWS4-HMAC-SHA256");
    }
    for name in HEADERS {
        add_header(&mut keys, headers, name, &format!("s3:{name}"));
    }
    for (name, key) in RENAMED {
        add_header(&mut keys, headers, name, key);
    }
    let mut parameters = vec![("versionId", "s3:versionid")];
    if LISTING.contains(&operation) {
        parameters.extend([("prefix", "s3:prefix"), ("delimiter", "s3:delimiter")]);
        parameters.extend([("max-keys", "s3:max-keys"), ("max-uploads", "s3:max-keys")]);
    }
    for (name, key) in parameters {
        if let Some(value) = query(uri, name) {
            keys.set(key, value);
        }
    }
    let tagging = headers.get("x-amz-tagging").and_then(|value| value.to_str().ok());
    for (key, value) in said_tags(tagging.and_then(|text| tags::from_header(text).ok()).unwrap_or_default()) {
        keys.add(&key, value);
    }
    keys
}

/// What a request says that puts these tags.
pub(crate) fn said_tags(tags: impl IntoIterator<Item = (String, String)>) -> Vec<(String, String)> {
    let mut said = Vec::new();
    for (name, value) in tags {
        said.push((format!("s3:requestobjecttag/{name}"), value));
        said.push(("s3:requestobjecttagkeys".to_owned(), name));
    }
    said
}

fn add_header(keys: &mut RequestKeys, headers: &HeaderMap, name: &str, key: &str) {
    for value in headers.get_all(name) {
        keys.add(key, String::from_utf8_lossy(value.as_bytes()));
    }
}

/// A parameter of the query, decoded.
pub(crate) fn query(uri: &Uri, name: &str) -> Option<String> {
    parameters(uri).find(|(key, _)| key == name).map(|(_, value)| value)
}

/// The parameters of the query, decoded.
pub(crate) fn parameters(uri: &Uri) -> impl Iterator<Item = (String, String)> {
    let decoded = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    let pairs = uri.query().into_iter().flat_map(|query| query.split('&'));
    pairs.map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::ACTIONS;

    #[test]
    fn parameters_are_decoded() {
        let uri: Uri = "/b?list-type=2&prefix=a%2Fb+c&prefix=z&versionId".parse().unwrap();
        assert_eq!(query(&uri, "prefix").as_deref(), Some("a/b c"));
        assert_eq!(query(&uri, "versionId").as_deref(), Some(""));
        assert_eq!(query(&uri, "delimiter"), None);
    }

    #[test]
    fn what_makes_an_object_exists() {
        assert!(CREATING.iter().all(|(name, _)| ACTIONS.contains(&(*name, "s3:PutObject"))));
    }

    #[test]
    fn tags_are_said_by_name_and_as_names() {
        let said = said_tags([("a".to_owned(), "1".to_owned())]);
        let wanted = [("s3:requestobjecttag/a", "1"), ("s3:requestobjecttagkeys", "a")];
        assert_eq!(said, wanted.map(|(k, v)| (k.to_owned(), v.to_owned())));
    }
}
