//! Get-, Put- and DeleteBucketCors.

use headwater_objects::{BucketAccess, BucketConfig};
use http::StatusCode;
use s3s::dto::{
    CORSConfiguration, CORSRule, DeleteBucketCorsInput, DeleteBucketCorsOutput, GetBucketCorsInput,
    GetBucketCorsOutput, PutBucketCorsInput, PutBucketCorsOutput,
};
use s3s::{S3Request, S3Response};

use crate::codec::{Answer, Circumstances, Codec};
use crate::cors::{METHODS, RULES_MAX};
use crate::document;
use crate::fault::Refusal;

/// The largest configuration, as XML.
const DOCUMENT_BYTES_MAX: usize = 64 * 1024;
/// The longest name of a rule.
const ID_CHARS_MAX: usize = 255;

pub(crate) async fn get(
    codec: &Codec,
    request: S3Request<GetBucketCorsInput>,
) -> Answer<GetBucketCorsOutput> {
    let document = codec.objects.bucket_config(&*request.bucket()?, BucketConfig::Cors, "").await?;
    let document = document.ok_or_else(|| {
        Refusal::new(404, "NoSuchCORSConfiguration", "The CORS configuration does not exist")
    })?;
    let configuration: CORSConfiguration = document::read(&document)?;
    Ok(S3Response::new(GetBucketCorsOutput { cors_rules: Some(configuration.cors_rules) }))
}

pub(crate) async fn put(
    codec: &Codec,
    request: S3Request<PutBucketCorsInput>,
) -> Answer<PutBucketCorsOutput> {
    let bucket = request.bucket()?;
    let configuration = request.input.cors_configuration;
    if configuration.cors_rules.is_empty() || configuration.cors_rules.len() > RULES_MAX {
        return Err(document::malformed());
    }
    configuration.cors_rules.iter().try_for_each(check)?;
    let document = document::write(&configuration)?;
    if document.len() > DOCUMENT_BYTES_MAX {
        return Err(Refusal::invalid_request(format!(
            "The CORS configuration is larger than {DOCUMENT_BYTES_MAX} bytes"
        )));
    }
    let note = |access: &mut BucketAccess| {
        access.has_cors = true;
        Ok(())
    };
    codec.objects.change_bucket_access(&bucket, Some((BucketConfig::Cors, Some(&document))), &note).await?;
    Ok(S3Response::new(PutBucketCorsOutput::default()))
}

pub(crate) async fn delete(
    codec: &Codec,
    request: S3Request<DeleteBucketCorsInput>,
) -> Answer<DeleteBucketCorsOutput> {
    let note = |access: &mut BucketAccess| {
        access.has_cors = false;
        Ok(())
    };
    let document = Some((BucketConfig::Cors, None));
    codec.objects.change_bucket_access(&*request.bucket()?, document, &note).await?;
    Ok(S3Response::with_status(DeleteBucketCorsOutput::default(), StatusCode::NO_CONTENT))
}

fn check(rule: &CORSRule) -> Result<(), Refusal> {
    if rule.allowed_methods.is_empty() || rule.allowed_origins.is_empty() {
        return Err(document::malformed());
    }
    if let Some(method) = rule.allowed_methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
        return Err(Refusal::invalid_request(format!(
            "Found unsupported HTTP method in CORS config. Unsupported method is {method}"
        )));
    }
    let has_two = |text: &&String| text.matches('*').count() > 1;
    if let Some(origin) = rule.allowed_origins.iter().find(has_two) {
        return Err(Refusal::invalid_request(format!(
            "AllowedOrigin \"{origin}\" can not have more than one wildcard."
        )));
    }
    if let Some(header) = rule.allowed_headers.iter().flatten().find(has_two) {
        return Err(Refusal::invalid_request(format!(
            "AllowedHeader \"{header}\" can not have more than one wildcard."
        )));
    }
    if let Some(header) = rule.expose_headers.iter().flatten().find(|header| header.contains('*')) {
        return Err(Refusal::invalid_request(format!(
            "ExposeHeader \"{header}\" contains wildcard. We currently do not support wildcard for ExposeHeader."
        )));
    }
    if rule.id.as_ref().is_some_and(|id| id.chars().count() > ID_CHARS_MAX) {
        return Err(Refusal::invalid_argument(format!(
            "The ID of a rule must not be longer than {ID_CHARS_MAX} characters"
        )));
    }
    if rule.max_age_seconds.is_some_and(|seconds| seconds < 0) {
        return Err(document::malformed());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_checked() {
        let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<String>>();
        let rule = || CORSRule {
            allowed_headers: Some(list(&["*"])),
            allowed_methods: list(&["GET"]),
            allowed_origins: list(&["http://*.a"]),
            expose_headers: Some(list(&["etag"])),
            id: Some("one".into()),
            max_age_seconds: Some(1),
        };
        assert!(check(&rule()).is_ok());
        let bad = |change: &dyn Fn(&mut CORSRule)| {
            let mut rule = rule();
            change(&mut rule);
            check(&rule).unwrap_err().code
        };
        assert_eq!(bad(&|rule| rule.allowed_methods = list(&["PATCH"])), "InvalidRequest");
        assert_eq!(bad(&|rule| rule.allowed_origins = list(&["*.a.*"])), "InvalidRequest");
        assert_eq!(bad(&|rule| rule.allowed_headers = Some(list(&["x-*-*"]))), "InvalidRequest");
        assert_eq!(bad(&|rule| rule.expose_headers = Some(list(&["x-*"]))), "InvalidRequest");
        assert_eq!(bad(&|rule| rule.id = Some("x".repeat(256))), "InvalidArgument");
        assert_eq!(bad(&|rule| rule.allowed_origins = Vec::new()), "MalformedXML");
    }
}
