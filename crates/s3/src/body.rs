//! Bodies of PutObject and UploadPart: staged, then held against everything the client declared
//! about them. Nothing is named before all of it holds.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::{StreamExt, TryStreamExt};
use headwater_objects::{Bucket, ChecksumAlgorithm, ObjectError, Objects, Sealing, StagedBody, StorageClass};
use headwater_wire::Trailers;
use headwater_wire::sigv4::announced_trailers;
use http::HeaderMap;
use s3s::dto::StreamingBlob;

use crate::arrival::Arrival;
use crate::convert;
use crate::fault::Refusal;

/// The largest body of one request: 5 GiB.
const BODY_BYTES_MAX: u64 = 5 << 30;

const CHECKSUM_HEADER: &str = "x-amz-checksum-";
/// Headers of that beginning which bring no checksum.
const ABOUT_CHECKSUMS: [&str; 3] = ["algorithm", "mode", "type"];
/// What an SDK says of the checksum that it sends.
const SDK_ALGORITHM: &str = "x-amz-sdk-checksum-algorithm";

/// What a client says about a body.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    /// Its length.
    len: Option<u64>,
    /// Its MD5, base64.
    md5: Option<String>,
    /// A checksum in the headers.
    checksum: Option<(ChecksumAlgorithm, String)>,
    /// A checksum promised in the trailers.
    trailer: Option<ChecksumAlgorithm>,
    /// Algorithms to take beside.
    wanted: BTreeSet<ChecksumAlgorithm>,
}

impl Declared {
    /// Reads and checks the form of what is declared; what is not even well-formed is refused
    /// before the body is read.
    pub(crate) fn read(
        headers: &HeaderMap,
        len: Option<i64>,
        md5: Option<String>,
        checksum: Option<(ChecksumAlgorithm, String)>,
        named: Option<&str>,
    ) -> Result<Self, Refusal> {
        let len = len.and_then(|len| u64::try_from(len).ok());
        if len.is_some_and(|len| len > BODY_BYTES_MAX) {
            return Err(too_large());
        }
        md5.as_deref().map(declared_md5).transpose()?;
        if let Some((algorithm, value)) = &checksum {
            check_form(*algorithm, value)?;
        }
        let wanted = named.map(convert::algorithm).transpose()?.into_iter().collect();
        let trailer = promised(headers)?;
        check_spoken(headers)?;
        let mut declared = Self { len, md5, checksum, trailer, wanted };
        check_sdk_algorithm(headers, declared.algorithm())?;
        declared.also(declared.algorithm());
        declared.also(trailer);
        Ok(declared)
    }

    /// By which algorithm a checksum is declared, in the headers or in the trailers.
    pub(crate) fn algorithm(&self) -> Option<ChecksumAlgorithm> {
        self.checksum.as_ref().map(|(algorithm, _)| *algorithm).or(self.trailer)
    }

    /// Takes this checksum, too.
    pub(crate) fn also(&mut self, algorithm: Option<ChecksumAlgorithm>) {
        self.wanted.extend(algorithm);
    }

    /// Stages the body where those of `class` lie, sealed as `sealing` says, which will make `more` objects of `bucket`, and holds it
    /// against what was declared. What the bucket's quota has no room for is refused before it is read,
    /// if its length was declared.
    pub(crate) async fn stage(
        &self,
        objects: &Objects,
        (bucket, more): (&Bucket, u64),
        arrival: &Arrival,
        (class, sealing): (StorageClass, &Sealing),
        body: Option<StreamingBlob>,
    ) -> Result<StagedBody, Refusal> {
        let claim = match self.len {
            Some(len) => Some(objects.claim(bucket, more, len).await?),
            None => None,
        };
        let mut staged = match body {
            None => objects.stage_for(class, futures::stream::empty().boxed(), &self.wanted, sealing).await?,
            Some(body) => {
                let mut received = 0;
                let pieces = body.map_err(|e| ObjectError::Body(e.to_string())).and_then(move |piece| {
                    received += piece.len() as u64;
                    let fits = received <= BODY_BYTES_MAX;
                    async move {
                        if fits { Ok(piece) } else { Err(ObjectError::Invalid("EntityTooLarge".into())) }
                    }
                });
                match objects.stage_for(class, pieces.boxed(), &self.wanted, sealing).await {
                    Err(ObjectError::Invalid(_)) => return Err(too_large()),
                    other => other?,
                }
            }
        };
        self.hold_against(&staged, arrival)?;
        staged.hold(match claim {
            Some(claim) => claim,
            None => objects.claim(bucket, more, staged.size).await?,
        });
        Ok(staged)
    }

    fn hold_against(&self, staged: &StagedBody, arrival: &Arrival) -> Result<(), Refusal> {
        if self.len.is_some_and(|len| len != staged.size) {
            return Err(ObjectError::Body("another length than declared".into()).into());
        }
        if let Some(md5) = &self.md5
            && BASE64.decode(md5).ok() != hex::decode(&staged.md5).ok()
        {
            return Err(ObjectError::BadDigest("Content-MD5".into()).into());
        }
        if let Some((algorithm, value)) = &self.checksum {
            staged.require(*algorithm, value)?;
        }
        if let Some(algorithm) = self.trailer {
            staged.require(algorithm, &trailing_checksum(&arrival.trailers, algorithm)?)?;
        }
        Ok(())
    }
}

/// The bytes of a declared Content-MD5.
pub(crate) fn declared_md5(text: &str) -> Result<Vec<u8>, Refusal> {
    BASE64.decode(text).ok().filter(|raw| raw.len() == 16).ok_or_else(Refusal::invalid_digest)
}

/// Whether a declared checksum has the form of its algorithm's.
pub(crate) fn check_form(algorithm: ChecksumAlgorithm, value: &str) -> Result<(), Refusal> {
    if algorithm.fits(value) {
        return Ok(());
    }
    let header = checksum_header(algorithm);
    Err(Refusal::invalid_request(format!("Value for {header} header is invalid.")))
}

/// The header (or trailer) with an algorithm's checksum.
pub(crate) fn checksum_header(algorithm: ChecksumAlgorithm) -> String {
    format!("{CHECKSUM_HEADER}{}", algorithm.name().to_lowercase())
}

/// Refuses checksums by algorithms that this node does not know: to ignore them would be a lie.
pub(crate) fn check_spoken(headers: &HeaderMap) -> Result<(), Refusal> {
    let named = headers.keys().filter_map(|name| name.as_str().strip_prefix(CHECKSUM_HEADER));
    for name in named.filter(|name| !ABOUT_CHECKSUMS.contains(name)) {
        convert::algorithm(name)?;
    }
    Ok(())
}

/// Whether an SDK sends the checksum that it speaks of.
fn check_sdk_algorithm(headers: &HeaderMap, sent: Option<ChecksumAlgorithm>) -> Result<(), Refusal> {
    let Some(said) = headers.get(SDK_ALGORITHM) else {
        return Ok(());
    };
    let said = convert::algorithm(said.to_str().unwrap_or_default())?;
    match sent {
        Some(sent) if sent == said => Ok(()),
        Some(_) => Err(Refusal::invalid_request(format!("Value for {SDK_ALGORITHM} header is invalid."))),
        None => Err(Refusal::invalid_request(format!(
            "{SDK_ALGORITHM} specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found."
        ))),
    }
}

/// The checksum that `x-amz-trailer` promises.
pub(crate) fn promised(headers: &HeaderMap) -> Result<Option<ChecksumAlgorithm>, Refusal> {
    let names = announced_trailers(headers);
    let mut promised = names.iter().filter_map(|name| name.strip_prefix(CHECKSUM_HEADER));
    let first = promised.next().map(convert::algorithm).transpose()?;
    if promised.next().is_some() {
        return Err(Refusal::invalid_request("Expecting a single x-amz-checksum- header"));
    }
    Ok(first)
}

/// The checksum that was promised in the trailers, once the body has ended.
pub(crate) fn trailing_checksum(
    trailers: &Trailers,
    algorithm: ChecksumAlgorithm,
) -> Result<String, Refusal> {
    let wanted = checksum_header(algorithm);
    let trailers = trailers.lock().expect("no holder of this lock panics");
    let found = trailers.iter().find(|(name, _)| name.eq_ignore_ascii_case(&wanted));
    found.map(|(_, value)| value.trim().to_owned()).ok_or_else(|| {
        Refusal::new(
            400,
            "MalformedTrailerError",
            "The request contained trailing data that was not well-formed or did not conform to our published \
             schema.",
        )
    })
}

fn too_large() -> Refusal {
    Refusal::new(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn code(declared: Result<Declared, Refusal>) -> String {
        declared.unwrap_err().code.into_owned()
    }

    #[test]
    fn malformed_declarations_are_refused_before_the_body() {
        let headers = HeaderMap::new();
        let read = |len, md5: Option<&str>, checksum: Option<(ChecksumAlgorithm, &str)>| {
            let checksum = checksum.map(|(a, v)| (a, v.to_owned()));
            Declared::read(&headers, len, md5.map(str::to_owned), checksum, None)
        };
        assert!(read(Some(5), Some("1B2M2Y8AsgTpgAmY7PhCfg=="), None).is_ok());
        assert_eq!(code(read(Some((5 << 30) + 1), None, None)), "EntityTooLarge");
        assert_eq!(code(read(None, Some("short"), None)), "InvalidDigest");
        assert_eq!(code(read(None, None, Some((ChecksumAlgorithm::Crc32, "AAAA")))), "InvalidRequest");
        assert_eq!(code(Declared::read(&headers, None, None, None, Some("MD7"))), "InvalidRequest");
    }

    #[test]
    fn checksums_that_are_not_spoken_are_refused() {
        let read = |headers: &[(&'static str, &'static str)], sent: Option<ChecksumAlgorithm>| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.insert(*name, HeaderValue::from_static(value));
            }
            let checksum = sent.map(|algorithm| (algorithm, algorithm.of(b"")));
            Declared::read(&map, None, None, checksum, None)
                .map_err(|refusal| refusal.code.into_owned())
                .err()
        };
        let (crc, refused) = (Some(ChecksumAlgorithm::Crc32), Some("InvalidRequest".to_owned()));
        for name in
            ["x-amz-checksum-sha512", "x-amz-checksum-md5", "x-amz-checksum-xxhash64", "x-amz-checksum-fun"]
        {
            assert_eq!(read(&[(name, "AAAA")], None), refused, "{name}");
            assert_eq!(read(&[(name, "AAAA")], crc), refused, "{name}");
        }
        for name in
            ["x-amz-checksum-crc32", "x-amz-checksum-type", "x-amz-checksum-algorithm", "x-amz-checksum-mode"]
        {
            assert_eq!(read(&[(name, "x")], None), None, "{name}");
        }
        assert_eq!(read(&[("x-amz-trailer", "x-amz-checksum-sha512")], None), refused);
        let sdk = |algorithm: &'static str| (SDK_ALGORITHM, algorithm);
        assert_eq!(read(&[sdk("crc32")], crc), None);
        assert_eq!(read(&[sdk("CRC32"), ("x-amz-trailer", "x-amz-checksum-crc32")], None), None);
        for (algorithm, sent) in [("CRC32", None), ("SHA1", crc), ("SHA512", crc), ("SHA512", None)] {
            assert_eq!(read(&[sdk(algorithm)], sent), refused, "{algorithm}");
        }
    }

    #[test]
    fn trailers_promise_one_checksum() {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-trailer", HeaderValue::from_static("x-amz-checksum-crc32c"));
        assert_eq!(promised(&headers).unwrap(), Some(ChecksumAlgorithm::Crc32c));
        let mut apart = HeaderMap::new();
        apart.append("x-amz-trailer", HeaderValue::from_static("x-other"));
        apart.append("x-amz-trailer", HeaderValue::from_static("X-Amz-Checksum-SHA1"));
        assert_eq!(promised(&apart).unwrap(), Some(ChecksumAlgorithm::Sha1));
        headers
            .insert("x-amz-trailer", HeaderValue::from_static("x-amz-checksum-crc32c,x-amz-checksum-sha1"));
        assert!(promised(&headers).is_err());
    }
}
