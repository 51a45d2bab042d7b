//! Cross-origin requests: what a bucket's rules let pages of other origins do.
//!
//! A preflight asks before the request and is answered by the first rule that fits, or refused. The
//! request itself is served as if it came from anywhere; only its answer says whether the page may
//! read it. Rules let no one in: signatures, policies and lists are asked all the same.

use std::sync::Arc;

use headwater_objects::{Bucket, BucketConfig, BucketName, ObjectError, Objects};
use headwater_wire::AnswerBody;
use headwater_wire::answer::s3_fault;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::BodyExt;
use s3s::Body;
use s3s::dto::{CORSConfiguration, CORSRule};
use s3s::host::S3Host;

use crate::arrival::Arrival;
use crate::document;
use crate::fault::Refusal;
use crate::guard::Hosts;

/// The most rules of one bucket.
pub(crate) const RULES_MAX: usize = 100;
/// The methods that rules may allow.
pub(crate) const METHODS: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "HEAD"];

const VARY: HeaderValue =
    HeaderValue::from_static("Origin, Access-Control-Request-Headers, Access-Control-Request-Method");

/// Puts on the answer what the rules say of a request that came from another origin.
pub(crate) async fn note(
    objects: &Objects,
    arrival: &Arrival,
    bucket: &Bucket,
    method: &Method,
    headers: &HeaderMap,
) -> Result<(), Refusal> {
    let Some(origin) = headers.get(header::ORIGIN).filter(|_| bucket.access.has_cors) else {
        return Ok(());
    };
    let rules = rules(objects, bucket).await?;
    let Ok(origin) = origin.to_str() else { return Ok(()) };
    // A page that names the method of a later request is answered for that one.
    let asked = headers.get(header::ACCESS_CONTROL_REQUEST_METHOD).and_then(|value| value.to_str().ok());
    let rule = rules.iter().find(|rule| fits(rule, origin, asked.unwrap_or(method.as_str()), &[]));
    for (name, value) in rule.map(|rule| answer(rule, origin)).unwrap_or_default() {
        arrival.add_header(name, value);
    }
    Ok(())
}

/// Answers a preflight. Nobody signs those: they tell what the rules say, and nothing else.
pub(crate) async fn answer_preflight(
    objects: &Objects,
    arrival: &Arrival,
    request: &Request<Body>,
) -> Response<AnswerBody> {
    arrival.note("Preflight", None);
    let answered = match bucket_of(objects, request).await {
        Ok(bucket) => preflight(objects, bucket.as_deref(), request.headers()).await,
        Err(refusal) => Err(refusal),
    };
    match answered {
        Ok(headers) => {
            let mut answer = Response::new(no_body());
            *answer.headers_mut() = headers;
            answer
        }
        Err(refusal) => {
            arrival.note_fault(&refusal.code);
            s3_fault(&refusal.into(), &arrival.path, &arrival.context.request_id)
        }
    }
}

/// The bucket that host or path names; none if there is no such bucket.
async fn bucket_of(objects: &Objects, request: &Request<Body>) -> Result<Option<Arc<Bucket>>, Refusal> {
    let in_header = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = in_header.or_else(|| request.uri().authority().map(|authority| authority.as_str()));
    let named = host.and_then(|host| Hosts.parse_host_header(host).ok());
    let in_path = request.uri().path().trim_start_matches('/').split('/').next().unwrap_or_default();
    let name = named.as_ref().and_then(|named| named.bucket()).unwrap_or(in_path);
    let Ok(name) = BucketName::new(name) else { return Ok(None) };
    match objects.bucket(&name).await {
        Ok(bucket) => Ok(Some(bucket)),
        Err(ObjectError::NoSuchBucket(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn no_body() -> AnswerBody {
    http_body_util::Empty::new().map_err(|never| match never {}).boxed_unsync()
}

async fn preflight(
    objects: &Objects,
    bucket: Option<&Bucket>,
    headers: &HeaderMap,
) -> Result<HeaderMap, Refusal> {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let Some(origin) = text(header::ORIGIN) else {
        return Err(bad("Insufficient information. Origin request header needed."));
    };
    let method = text(header::ACCESS_CONTROL_REQUEST_METHOD).unwrap_or("null");
    if !METHODS.contains(&method) {
        return Err(bad(&format!("Invalid Access-Control-Request-Method: {method}")));
    }
    let Some(bucket) = bucket else {
        return Err(forbidden("CORSResponse: Bucket not found"));
    };
    let Some(bucket) = Some(bucket).filter(|bucket| bucket.access.has_cors) else {
        return Err(forbidden("CORSResponse: CORS is not enabled for this bucket."));
    };
    let asked: Vec<String> = text(header::ACCESS_CONTROL_REQUEST_HEADERS)
        .unwrap_or_default()
        .split(',')
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty())
        .collect();
    let rules = rules(objects, bucket).await?;
    let rule = rules.iter().find(|rule| fits(rule, origin, method, &asked)).ok_or_else(|| {
        forbidden(
            "CORSResponse: This CORS request is not allowed: no rule of the bucket allows this origin, method and \
             these headers.",
        )
    })?;
    let mut answered: HeaderMap = answer(rule, origin).into_iter().collect();
    if !asked.is_empty()
        && let Ok(value) = HeaderValue::from_str(&asked.join(", "))
    {
        answered.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, value);
    }
    Ok(answered)
}

async fn rules(objects: &Objects, bucket: &Bucket) -> Result<Vec<CORSRule>, Refusal> {
    let document = objects.bucket_config(bucket, BucketConfig::Cors, "").await?;
    Ok(match document {
        Some(bytes) => document::read::<CORSConfiguration>(&bytes)?.cors_rules,
        None => Vec::new(),
    })
}

/// Whether a rule lets a page of `origin` send `method` with these headers (in lower case).
fn fits(rule: &CORSRule, origin: &str, method: &str, asked: &[String]) -> bool {
    let allowed = rule.allowed_headers.as_deref().unwrap_or_default();
    let allows = |name: &String| allowed.iter().any(|form| matches(&form.to_ascii_lowercase(), name));
    rule.allowed_methods.iter().any(|allowed| allowed == method)
        && rule.allowed_origins.iter().any(|allowed| matches(allowed, origin))
        && asked.iter().all(allows)
}

/// Whether `text` has a form with at most one star.
fn matches(form: &str, text: &str) -> bool {
    match form.split_once('*') {
        None => form == text,
        Some((start, end)) => {
            text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end)
        }
    }
}

fn answer(rule: &CORSRule, origin: &str) -> Vec<(HeaderName, HeaderValue)> {
    let anybody = rule.allowed_origins.iter().any(|allowed| allowed == "*");
    let mut headers = vec![(header::VARY, VARY)];
    let mut add = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.push((name, value));
        }
    };
    add(header::ACCESS_CONTROL_ALLOW_ORIGIN, if anybody { "*" } else { origin });
    if !anybody {
        add(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    }
    add(header::ACCESS_CONTROL_ALLOW_METHODS, &rule.allowed_methods.join(", "));
    if let Some(exposed) = rule.expose_headers.as_ref().filter(|names| !names.is_empty()) {
        add(header::ACCESS_CONTROL_EXPOSE_HEADERS, &exposed.join(", "));
    }
    if let Some(seconds) = rule.max_age_seconds {
        add(header::ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
    }
    headers
}

fn bad(message: &str) -> Refusal {
    Refusal::new(400, "BadRequest", message)
}

fn forbidden(message: &str) -> Refusal {
    Refusal::new(403, "AccessForbidden", message)
}

/// See [`crate::fuzz_access`].
pub(crate) fn fuzz(xml: &[u8], origin: &str) {
    let Ok(configuration) = document::read::<CORSConfiguration>(xml) else { return };
    for rule in &configuration.cors_rules {
        let _ = fits(rule, origin, "GET", &[origin.to_ascii_lowercase()]);
        let _ = answer(rule, origin);
    }
    let written = document::write(&configuration).expect("rules that were read can be written");
    let again: CORSConfiguration = document::read(&written).expect("what was written reads");
    assert_eq!(again.cors_rules.len(), configuration.cors_rules.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(origins: &[&str], methods: &[&str], headers: &[&str]) -> CORSRule {
        let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<String>>();
        CORSRule {
            allowed_headers: Some(list(headers)),
            allowed_methods: list(methods),
            allowed_origins: list(origins),
            expose_headers: None,
            id: None,
            max_age_seconds: Some(60),
        }
    }

    #[test]
    fn rules_fit_origin_method_and_every_header() {
        let rule =
            rule(&["https://*.example.com", "http://a"], &["GET", "PUT"], &["x-amz-*", "Content-Type"]);
        let asked = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
        assert!(fits(&rule, "https://app.example.com", "GET", &asked(&["x-amz-date", "content-type"])));
        assert!(fits(&rule, "http://a", "PUT", &[]));
        for (origin, method, names) in [
            ("https://example.com", "GET", &[][..]),
            ("http://a.b", "GET", &[]),
            ("http://a", "DELETE", &[]),
            ("http://a", "GET", &["authorization"]),
        ] {
            assert!(!fits(&rule, origin, method, &asked(names)), "{origin} {method} {names:?}");
        }
        assert!(!matches("ab*ba", "aba"), "the star stands between its ends");
    }

    #[test]
    fn anybody_may_not_send_credentials() {
        let names = |rule: &CORSRule| -> Vec<String> {
            answer(rule, "http://a").iter().map(|(k, v)| format!("{k}={}", v.to_str().unwrap())).collect()
        };
        let anybody = names(&rule(&["*"], &["GET"], &[]));
        assert!(anybody.contains(&"access-control-allow-origin=*".to_owned()));
        assert!(!anybody.iter().any(|line| line.contains("credentials")));
        let one = names(&rule(&["http://a"], &["GET"], &[]));
        assert!(one.contains(&"access-control-allow-credentials=true".to_owned()));
        assert!(one.contains(&"access-control-allow-origin=http://a".to_owned()));
    }
}
