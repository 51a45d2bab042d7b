//! Documents, held against what their requests' headers and trailers say of them: a list of keys to delete, or
//! a policy, that was damaged on its way must not take effect. (Objects are held against theirs where they are
//! staged.)

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use headwater_objects::{ChecksumAlgorithm, ObjectError};
use headwater_wire::{Fault, Trailers};
use http::Method;
use http::request::Parts;
use md5::{Digest, Md5};

use crate::body::{check_form, check_spoken, checksum_header, declared_md5, promised, trailing_checksum};
use crate::fault::Refusal;
use crate::subresource;

/// What a client says about a document.
#[derive(Debug)]
pub(crate) struct Vouched {
    md5: Option<Vec<u8>>,
    checksums: Vec<(ChecksumAlgorithm, String)>,
    /// A checksum that follows it.
    trailer: Option<ChecksumAlgorithm>,
}

impl Vouched {
    /// What the head of a request says about its document; `None` when it says nothing or brings none.
    ///
    /// # Errors
    /// What it says has not the form of a digest, or promises more than one checksum, or one of an unknown algorithm.
    pub(crate) fn read(head: &Parts) -> Result<Option<Self>, Refusal> {
        if !brings_document(head) {
            return Ok(None);
        }
        check_spoken(&head.headers)?;
        let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let md5 = text("content-md5").map(declared_md5).transpose()?;
        let mut checksums = Vec::new();
        for algorithm in ChecksumAlgorithm::ALL {
            if let Some(value) = text(&checksum_header(algorithm)) {
                check_form(algorithm, value)?;
                checksums.push((algorithm, value.to_owned()));
            }
        }
        let trailer = promised(&head.headers)?;
        let says = md5.is_some() || trailer.is_some() || !checksums.is_empty();
        Ok(says.then_some(Self { md5, checksums, trailer }))
    }

    /// The same of a document in pieces: it is handed on once all of it is there. It has `bytes_max` bytes at most.
    pub(crate) fn hold(
        self,
        mut pieces: BoxStream<'static, Result<Bytes, Fault>>,
        trailers: Trailers,
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
            self.check(&document, &trailers)?;
            Ok(document.into())
        };
        futures::stream::once(whole).boxed()
    }

    /// Holds a whole document, with what followed it, against it.
    pub(crate) fn check(&self, document: &[u8], trailers: &Trailers) -> Result<(), Refusal> {
        if self.md5.as_deref().is_some_and(|md5| md5 != &Md5::digest(document)[..]) {
            return Err(ObjectError::BadDigest("Content-MD5".into()).into());
        }
        let trailing = match self.trailer {
            Some(algorithm) => Some((algorithm, trailing_checksum(trailers, algorithm)?)),
            None => None,
        };
        let mut checksums = self.checksums.iter().chain(&trailing);
        match checksums.find(|(algorithm, value)| algorithm.of(document) != *value) {
            Some((algorithm, _)) => Err(ObjectError::BadDigest(algorithm.name().to_owned()).into()),
            None => Ok(()),
        }
    }
}

fn brings_document(head: &Parts) -> bool {
    (head.method == Method::PUT || head.method == Method::POST) && subresource::is_written(&head.uri)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::task::Poll;

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
        held_before(&[], headers, bytes_max).await
    }

    async fn held_before(
        trailers: &[(&str, &str)],
        headers: &[(&str, &str)],
        bytes_max: usize,
    ) -> Result<String, String> {
        let vouched = Vouched::read(&head("PUT", "/b?tagging", headers))
            .map_err(|refusal| refusal.code.into_owned())?;
        let pieces = DOCUMENT.as_bytes().chunks(3).map(|piece| Ok(Bytes::from(piece)));
        let pieces = futures::stream::iter(pieces.collect::<Vec<_>>());
        let arrived = Arc::new(Mutex::new(Vec::new()));
        let slot = arrived.clone();
        let trailers = trailers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let trailers: Vec<_> = trailers.collect();
        let pieces = pieces.chain(futures::stream::poll_fn(move |_| {
            // As it is on the wire: they are there once the body has ended.
            slot.lock().unwrap().clone_from(&trailers);
            Poll::Ready(None)
        }));
        let held = vouched.expect("something is said").hold(pieces.boxed(), arrived, bytes_max);
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

    #[tokio::test]
    async fn a_document_is_what_its_trailer_says_or_refused() {
        let promise = [("x-amz-trailer", "x-amz-checksum-crc32")];
        let crc32 = ChecksumAlgorithm::Crc32.of(DOCUMENT.as_bytes());
        let [good, bad] = [crc32.as_str(), "AAAAAA=="].map(|value| [("x-amz-checksum-crc32", value)]);
        assert_eq!(held_before(&good, &promise, 10).await.unwrap(), DOCUMENT);
        assert_eq!(held_before(&bad, &promise, 10).await.unwrap_err(), "BadDigest");
        assert_eq!(held_before(&[], &promise, 10).await.unwrap_err(), "MalformedTrailerError");
    }

    #[test]
    fn only_documents_are_held_against_their_headers() {
        let md5 = [("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")];
        let unknown = [("x-amz-checksum-fun", "AAAA")];
        assert!(Vouched::read(&head("PUT", "/b?policy", &unknown)).is_err());
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
