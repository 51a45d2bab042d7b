//! POST Object: an upload by HTML form, made into a PutObject.
//!
//! The front door has read the fields and verified the policy's signature. Here the form is held
//! against its policy, and its fields become the path and the headers of a PUT, which then takes the
//! way of every other: the same guard, the same checks, the same commit. What comes out is answered
//! as the form asked.
//!
//! **Invariants.** Nothing of the file is read before the fields are in order. A file outside the
//! sizes that the policy allows ends in an error and is stored nowhere.

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use headwater_base::Timestamp;
use headwater_wire::answer::xml_text;
use headwater_wire::form::Form;
use headwater_wire::{Answer, Fault};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::host::S3Host;

use crate::convert;
use crate::guard::Hosts;
use crate::post_policy::{PostPolicy, SizeRange};
use crate::tags;

/// What stays as it is in the query of a redirection.
const QUERY_AS_IS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The variable that stands for the file's name.
const FILE_NAME: &str = "${filename}";

/// Fields that become a header under another name.
const RENAMED: &[(&str, &str)] = &[("acl", "x-amz-acl")];
/// Fields that are headers of a PUT under their own name.
const STANDARD: &[&str] = &[
    "cache-control",
    "content-type",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
];
/// Fields of a signature; they are no headers of what is put.
const SIGNATURE: &[&str] = &["x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature"];

/// What a browser says of itself and its page, which rules and policies may ask for.
const BROWSER: [HeaderName; 3] = [header::ORIGIN, header::REFERER, header::USER_AGENT];

/// What a form wants to be told once its file is stored.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    bucket: String,
    key: String,
    location: String,
    redirect: Option<String>,
    status: StatusCode,
}

/// A form as a PUT.
pub(crate) struct Put {
    pub(crate) head: Parts,
    pub(crate) file: BoxStream<'static, Result<Bytes, Fault>>,
    pub(crate) reply: Reply,
}

/// Makes a PUT of a form, unless its policy or what it says forbids it.
pub(crate) fn put(
    head: Parts,
    form: &Form,
    file: BoxStream<'static, Result<Bytes, Fault>>,
    is_secure: bool,
    now: Timestamp,
) -> Result<Put, Fault> {
    let bucket = bucket(&head)?;
    let fields = expanded(form)?;
    let field = |name: &str| fields.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str());
    let sizes = match field("policy") {
        Some(policy) => allowed(policy, &fields, &bucket, now)?,
        // Of an anonymous caller: the front door lets no other come without.
        None => SizeRange::default(),
    };
    let key = field("key").ok_or_else(|| {
        let message =
            "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.";
        invalid_argument(message, "key", "")
    })?;
    if key.is_empty() {
        return Err(invalid_argument("User key must have a length greater than 0.", "key", ""));
    }
    let reply = Reply {
        bucket: bucket.clone(),
        key: key.to_owned(),
        location: convert::location((&head.headers, &head.uri), &bucket, key, is_secure),
        redirect: field("success_action_redirect").or_else(|| field("redirect")).map(str::to_owned),
        status: match field("success_action_status") {
            Some("200") => StatusCode::OK,
            Some("201") => StatusCode::CREATED,
            _ => StatusCode::NO_CONTENT,
        },
    };
    let headers = headers(&fields, &head.headers)?;
    let path = format!("/{bucket}/{}", utf8_percent_encode(key, NON_ALPHANUMERIC));
    let mut head = head;
    head.method = Method::PUT;
    head.uri = path.parse::<Uri>().map_err(|_| Fault::client("KeyTooLongError", "Your key is too long"))?;
    head.headers = headers;
    Ok(Put { head, file: sized(file, sizes), reply })
}

/// The sizes that the policy allows, if it allows the rest.
fn allowed(
    policy: &str,
    fields: &[(String, String)],
    bucket: &str,
    now: Timestamp,
) -> Result<SizeRange, Fault> {
    let policy =
        PostPolicy::parse(policy).map_err(|reason| Fault::client("InvalidPolicyDocument", reason))?;
    let sizes = policy.check(fields, bucket, now);
    sizes.map_err(|reason| Fault::client("AccessDenied", reason).with_status(403))
}

/// The bucket that a form is posted to: in the path, or in the host's name.
fn bucket(head: &Parts) -> Result<String, Fault> {
    let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| head.uri.authority().map(http::uri::Authority::as_str)).unwrap_or_default();
    let in_host = Hosts.parse_host_header(host).ok().and_then(|host| host.bucket().map(str::to_owned));
    let path = head.uri.path().trim_start_matches('/');
    let refused = || {
        let message = "The specified method is not allowed against this resource.";
        Err(Fault::client("MethodNotAllowed", message).with_status(405))
    };
    match (in_host, path.strip_suffix('/').unwrap_or(path)) {
        (Some(bucket), "") => Ok(bucket),
        (None, path) if !path.is_empty() && !path.contains('/') => {
            match percent_encoding::percent_decode_str(path).decode_utf8() {
                Ok(bucket) => Ok(bucket.into_owned()),
                Err(_) => refused(),
            }
        }
        _ => refused(),
    }
}

/// The fields by lower-case name, with the file's name where they ask for it.
fn expanded(form: &Form) -> Result<Vec<(String, String)>, Fault> {
    let mut fields: Vec<(String, String)> = Vec::with_capacity(form.fields.len());
    for (name, value) in &form.fields {
        let name = name.to_ascii_lowercase();
        if fields.iter().any(|(have, _)| *have == name) {
            return Err(invalid_argument("POST requires that a field is given once.", &name, value));
        }
        let value = match name.as_str() {
            "policy" | "x-amz-signature" => value.clone(),
            _ => value.replace(FILE_NAME, &form.file_name),
        };
        fields.push((name, value));
    }
    Ok(fields)
}

/// The headers of the PUT: what the fields say, and what the browser says of itself.
fn headers(fields: &[(String, String)], sent: &HeaderMap) -> Result<HeaderMap, Fault> {
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, HeaderValue::from_static("localhost"));
    for name in BROWSER {
        if let Some(value) = sent.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    for (field, value) in fields {
        if field == "x-amz-security-token" {
            let message = "The provided token is malformed or otherwise invalid.";
            return Err(Fault::client("InvalidToken", message));
        }
        let renamed = RENAMED.iter().find(|(from, _)| from == field).map(|(_, to)| *to);
        let is_header = STANDARD.contains(&field.as_str())
            || (field.starts_with("x-amz-") && !SIGNATURE.contains(&field.as_str()));
        let (name, value) = match renamed.or(is_header.then_some(field.as_str())) {
            Some(name) => (name, value.clone()),
            None if field == "tagging" => ("x-amz-tagging", tagging(value)?),
            // Fields for the form itself, and `x-ignore-…`.
            None => continue,
        };
        let invalid = || invalid_argument("The field cannot be a header.", field, value.as_str());
        let name: HeaderName = name.parse().map_err(|_| invalid())?;
        headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).map_err(|_| invalid())?);
    }
    Ok(headers)
}

/// Tags come as XML in forms, and as a query string in a header.
fn tagging(xml: &str) -> Result<String, Fault> {
    let tags = tags::from_document(xml)?;
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs = tags.iter().map(|(key, value)| format!("{}={}", encode(key), encode(value)));
    Ok(pairs.collect::<Vec<_>>().join("&"))
}

/// The file, ending in an error when it is not of an allowed size.
fn sized(
    file: BoxStream<'static, Result<Bytes, Fault>>,
    sizes: SizeRange,
) -> BoxStream<'static, Result<Bytes, Fault>> {
    let end = futures::stream::once(async { Ok(Bytes::new()) });
    let mut seen: u64 = 0;
    file.map(|piece| piece.map(Some))
        .chain(end.map(|end: Result<Bytes, Fault>| end.map(|_| None)))
        .map(move |piece| match piece? {
            Some(piece) => {
                seen += piece.len() as u64;
                if seen > sizes.max { Err(too_large(seen, sizes.max)) } else { Ok(piece) }
            }
            None if seen < sizes.min => Err(too_small(seen, sizes.min)),
            None => Ok(Bytes::new()),
        })
        .boxed()
}

fn too_large(seen: u64, max: u64) -> Fault {
    let mut fault = Fault::client("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size");
    fault.members = vec![("ProposedSize", seen.to_string()), ("MaxSizeAllowed", max.to_string())];
    fault
}

fn too_small(seen: u64, min: u64) -> Fault {
    let message = "Your proposed upload is smaller than the minimum allowed size";
    let mut fault = Fault::client("EntityTooSmall", message);
    fault.members = vec![("ProposedSize", seen.to_string()), ("MinSizeAllowed", min.to_string())];
    fault
}

fn invalid_argument(message: &str, name: &str, value: &str) -> Fault {
    let mut fault = Fault::client("InvalidArgument", message);
    fault.members = vec![("ArgumentName", name.to_owned()), ("ArgumentValue", value.to_owned())];
    fault
}

impl Reply {
    /// The answer to the PUT as the form asked for it. Refusals stay what they are.
    pub(crate) fn to(&self, put: Answer) -> Answer {
        if !put.status().is_success() {
            return put;
        }
        let etag = put.headers().get(header::ETAG).cloned();
        let etag_text = etag.as_ref().and_then(|etag| etag.to_str().ok()).unwrap_or_default().to_owned();
        let (put_head, _) = put.into_parts();
        let (status, body) = match self.status {
            StatusCode::CREATED => (StatusCode::CREATED, self.document(&etag_text)),
            other => (other, String::new()),
        };
        let mut answer = headwater_wire::answer::whole(status, "application/xml", body);
        let headers = answer.headers_mut();
        if status != StatusCode::CREATED {
            headers.remove(header::CONTENT_TYPE);
        }
        for (name, value) in &put_head.headers {
            let is_of_the_body = [header::CONTENT_LENGTH, header::CONTENT_TYPE].contains(name);
            if !is_of_the_body {
                headers.insert(name.clone(), value.clone());
            }
        }
        let redirect = self.redirect.as_deref().and_then(|url| self.redirection(url, &etag_text));
        let (status, location) = match redirect {
            Some(url) => (StatusCode::SEE_OTHER, Some(url)),
            None => (status, HeaderValue::from_str(&self.location).ok()),
        };
        if let Some(location) = location {
            headers.insert(header::LOCATION, location);
        }
        *answer.status_mut() = status;
        *answer.extensions_mut() = put_head.extensions;
        answer
    }

    /// The URL to send the browser to; `None` for what is no URL, which S3 ignores.
    fn redirection(&self, url: &str, etag: &str) -> Option<HeaderValue> {
        let uri: Uri = url.parse().ok()?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return None;
        }
        let encode = |text: &str| utf8_percent_encode(text, QUERY_AS_IS).to_string();
        let joint = if url.contains('?') { '&' } else { '?' };
        let (bucket, key, etag) = (encode(&self.bucket), encode(&self.key), encode(etag));
        HeaderValue::from_str(&format!("{url}{joint}bucket={bucket}&key={key}&etag={etag}")).ok()
    }

    fn document(&self, etag: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PostResponse><Location>{}</Location><Bucket>{}</Bucket><Key>{}</Key><ETag>{}</ETag></PostResponse>",
            xml_text(&self.location),
            xml_text(&self.bucket),
            xml_text(&self.key),
            xml_text(etag),
        )
    }
}
