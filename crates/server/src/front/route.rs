//! Which face a request is for: `X-Amz-Target`, then the credential scope's service, then S3.

use std::collections::HashMap;
use std::sync::Arc;

use headwater_wire::sigv4::Dialect;
use headwater_wire::{Face, Fault};
use http::header;
use http::request::Parts;

use crate::wiring::FaceList;

/// The faces by what names them in a request.
pub(super) struct Routes {
    by_target: HashMap<&'static str, Arc<dyn Face>>,
    by_service: HashMap<&'static str, Arc<dyn Face>>,
}

/// Where a request goes.
pub(super) enum Route {
    /// To this face.
    Face(Arc<dyn Face>),
    /// Nowhere: this is why, in these words.
    Nowhere(Fault, Dialect),
}

impl Routes {
    /// The routes to these faces.
    pub(super) fn new(faces: &FaceList) -> Self {
        let by_target = faces.iter().filter_map(|face| Some((face.target_prefix()?, face.clone()))).collect();
        let by_service = faces.iter().map(|face| (face.signing_name(), face.clone())).collect();
        Self { by_target, by_service }
    }

    /// The route of a request.
    pub(super) fn find(&self, head: &Parts) -> Route {
        if let Some(target) = head.headers.get("x-amz-target") {
            let prefix = target.to_str().unwrap_or_default().split('.').next().unwrap_or_default();
            return match self.by_target.get(prefix) {
                Some(face) => Route::Face(face.clone()),
                None => {
                    let prefix: String = prefix.chars().filter(char::is_ascii_graphic).take(80).collect();
                    let message = format!("this endpoint does not speak {prefix:?}");
                    Route::Nowhere(Fault::client("UnknownOperationException", message), Dialect::Json)
                }
            };
        }
        let service = scope_service(head).or_else(|| looks_like_query(head).then_some("sts")).unwrap_or("s3");
        match self.by_service.get(service) {
            Some(face) if !face.needs_target() => Route::Face(face.clone()),
            Some(_) => {
                let message = "the request names no operation: X-Amz-Target is missing";
                Route::Nowhere(Fault::client("UnknownOperationException", message), Dialect::Json)
            }
            None => {
                let service: String = service.chars().filter(char::is_ascii_graphic).take(80).collect();
                let message = format!("this endpoint does not speak the service {service:?}");
                Route::Nowhere(Fault::client("NotImplemented", message).with_status(501), Dialect::S3)
            }
        }
    }
}

/// How a face spells its errors.
pub(super) fn dialect(face: &dyn Face) -> Dialect {
    if face.needs_target() {
        Dialect::Json
    } else if face.streams_bodies() {
        Dialect::S3
    } else {
        Dialect::Query
    }
}

/// The service in the credential scope, wherever the signature is. Not yet believed.
fn scope_service(head: &Parts) -> Option<&str> {
    let header = head.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if let Some(credential) = header.and_then(|text| text.split("Credential=").nth(1)) {
        return credential.split(',').next()?.split('/').nth(3);
    }
    let query = head.uri.query()?;
    let credential = query.split('&').find_map(|pair| pair.strip_prefix("X-Amz-Credential="))?;
    let separator = if credential.contains('/') {
        "/"
    } else if credential.contains("%2f") {
        "%2f"
    } else {
        "%2F"
    };
    credential.split(separator).nth(3)
}

/// Whether an unsigned request is one of a Query service: a form posted to the root.
fn looks_like_query(head: &Parts) -> bool {
    let content_type =
        head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    head.uri.path() == "/" && content_type.starts_with("application/x-www-form-urlencoded")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(uri: &str, authorization: Option<&str>) -> Parts {
        let mut request = http::Request::get(uri);
        if let Some(text) = authorization {
            request = request.header("authorization", text);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_scope_names_the_service_in_header_and_query() {
        let signed = "AWS4-HMAC-SHA256 Credential=AK/20260102/eu-west-1/sts/aws4_request, SignedHeaders=host, Signature=0";
        assert_eq!(scope_service(&head("/", Some(signed))), Some("sts"));
        assert_eq!(
            scope_service(&head("/?a=b&X-Amz-Credential=AK%2F20260102%2Feu%2Fs3%2Faws4_request", None)),
            Some("s3")
        );
        assert_eq!(
            scope_service(&head("/?X-Amz-Credential=AK/20260102/eu/s3/aws4_request", None)),
            Some("s3")
        );
        assert_eq!(scope_service(&head("/?X-Amz-Credential=nonsense", Some("Basic x"))), None);
        assert_eq!(scope_service(&head("/", None)), None);
    }

    #[test]
    fn what_is_not_there_is_refused_by_name() {
        let routes = Routes::new(&vec![]);
        let Route::Nowhere(fault, Dialect::S3) = routes.find(&head("/bucket/key", None)) else {
            panic!("nowhere")
        };
        assert!(fault.message.contains("\"s3\""), "{}", fault.message);
    }
}
