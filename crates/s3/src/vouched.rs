//! Documents, held against what their requests' headers say of them: a list of keys to delete, or a policy, that
//! was damaged on its way must not take effect. (Objects are held against theirs where they are staged.)

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use headwater_objects::{ChecksumAlgorithm, ObjectError};
use headwater_wire::Fault;
use http::Method;
use http::request::Parts;
use md5::{Digest, Md5};

use crate::body::{check_form, checksum_header, declared_md5};
use crate::fault::Refusal;

/// The subresources that are written by a document. (A multipart upload's is not among them: the checksums
/// beside it are the object's.)
const SUBRESOURCES: &[&str] = &[
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "delete",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "publicAccessBlock",
    "requestPayment",
    "restore",
    "retention",
    "tagging",
    "versioning",
];

/// What a client says about a document.
#[derive(Debug)]
pub(crate) struct Vouched {
    md5: Option<Vec<u8>>,
    checksums: Vec<(ChecksumAlgorithm, String)>,
}

impl Vouched {
    /// What the head of a request says about its document; `None` when it says nothing or brings none.
    ///
    /// # Errors
    /// What it says has not the form of a digest.
    pub(crate) fn read(head: &Parts) -> Result<Option<Self>, Refusal> {
        if !brings_document(head) {
            return Ok(None);
        }
        let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let md5 = text("content-md5").map(declared_md5).transpose()?;
        let mut checksums = Vec::new();
        for algorithm in ChecksumAlgorithm::ALL {
            if let Some(value) = text(&checksum_header(algorithm)) {
                check_form(algorithm, value)?;
                checksums.push((algorithm, value.to_owned()));
            }
        }
        let vouched = Self { md5, checksums };
        Ok((vouched.md5.is_some() || !vouched.checksums.is_empty()).then_some(vouched))
    }

    /// The same of a document in pieces: it is handed on once all of it is there. It has `bytes_max` bytes at most.
    pub(crate) fn hold(
        self,
        mut pieces: BoxStream<'static, Result<Bytes, Fault>>,
        bytes_max: usize,
    ) -> BoxStream<'static, Result<Bytes, Fault>> {
        let whole = async move {
            let mut document = Vec::new();
            while let Some(piece) = pieces.next().await {
                document.extend_from_slice(&piece?);
                if document.len() > bytes_max {
                    return Err(Fault::client("MaxMessageLengthExceeded", "Your request was too big."));
                }
            }
            self.check(&document)?;
            Ok(document.into())
        };
        futures::stream::once(whole).boxed()
    }

    /// Holds a whole document against it.
    pub(crate) fn check(&self, document: &[u8]) -> Result<(), Refusal> {
        if self.md5.as_deref().is_some_and(|md5| md5 != &Md5::digest(document)[..]) {
            return Err(ObjectError::BadDigest("Content-MD5".into()).into());
        }
        match self.checksums.iter().find(|(algorithm, value)| algorithm.of(document) != *value) {
            Some((algorithm, _)) => Err(ObjectError::BadDigest(algorithm.name().to_owned()).into()),
            None => Ok(()),
        }
    }
}

fn brings_document(head: &Parts) -> bool {
    let names = head.uri.query().unwrap_or_default().split('&');
    let mut names = names.map(|pair| pair.split('=').next().unwrap_or_default());
    (head.method == Method::PUT || head.method == Method::POST)
        && names.any(|name| SUBRESOURCES.contains(&name))
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD as BASE64;
    use futures::TryStreamExt;
    use http::Request;

    use super::*;

    const DOCUMENT: &str = "<Tagging/>";

    fn head(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let request =
            headers.iter().fold(Request::builder().method(method).uri(uri), |request, (name, value)| {
                request.header(*name, *value)
            });
        request.body(()).unwrap().into_parts().0
    }

    async fn held(headers: &[(&str, &str)], bytes_max: usize) -> Result<String, String> {
        let vouched = Vouched::read(&head("PUT", "/b?tagging", headers))
            .map_err(|refusal| refusal.code.into_owned())?;
        let pieces = DOCUMENT.as_bytes().chunks(3).map(|piece| Ok(Bytes::from(piece)));
        let pieces = futures::stream::iter(pieces.collect::<Vec<_>>()).boxed();
        let held = vouched.expect("something is said").hold(pieces, bytes_max);
        match held.try_collect::<Vec<Bytes>>().await {
            Ok(pieces) => Ok(String::from_utf8(pieces.concat()).unwrap()),
            Err(fault) => Err(fault.code.into_owned()),
        }
    }

    #[tokio::test]
    async fn a_document_is_what_its_headers_say_or_refused() {
        let (crc32, sha256) = (
            ChecksumAlgorithm::Crc32.of(DOCUMENT.as_bytes()),
            ChecksumAlgorithm::Sha256.of(DOCUMENT.as_bytes()),
        );
        let md5 = BASE64.encode(Md5::digest(DOCUMENT));
        let good = [
            ("content-md5", md5.as_str()),
            ("x-amz-checksum-crc32", &crc32),
            ("x-amz-checksum-sha256", &sha256),
        ];
        assert_eq!(held(&good, 10).await.unwrap(), DOCUMENT);
        assert_eq!(held(&good, 9).await.unwrap_err(), "MaxMessageLengthExceeded");
        for (bad, code) in [
            (("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="), "BadDigest"),
            (("content-md5", "short"), "InvalidDigest"),
            (("x-amz-checksum-crc32", "AAAAAA=="), "BadDigest"),
            (("x-amz-checksum-crc32", "AAAA"), "InvalidRequest"),
        ] {
            assert_eq!(held(&[bad], 10).await.unwrap_err(), code, "{bad:?}");
        }
    }

    #[test]
    fn only_documents_are_held_against_their_headers() {
        let md5 = [("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")];
        let is_held = |method, uri| Vouched::read(&head(method, uri, &md5)).unwrap().is_some();
        assert!(
            is_held("PUT", "/b?policy")
                && is_held("POST", "/b?delete=")
                && is_held("PUT", "/b/k?versionId=1&acl")
        );
        assert!(!is_held("PUT", "/b/k") && !is_held("PUT", "/b/k?partNumber=1&uploadId=2"));
        assert!(!is_held("POST", "/b/k?uploadId=2") && !is_held("GET", "/b?policy"));
        assert!(Vouched::read(&head("PUT", "/b?policy", &[])).unwrap().is_none());
    }
}
