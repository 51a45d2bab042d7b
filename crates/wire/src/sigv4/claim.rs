//! What a request says about its signature, read but not yet believed.

use std::time::Duration;

use headwater_base::{Region, Timestamp};
use http::request::Parts;

use super::canonical::{decode_text, raw_pairs};
use super::{ALGORITHM, AuthError, TERMINATOR, date};
use crate::form::Form;

/// The longest life of a presigned URL.
const EXPIRES_SECONDS_MAX: u64 = 7 * 24 * 3600;
/// How many headers a signature may name.
const SIGNED_HEADERS_MAX: usize = 200;

/// The fields with which a form is signed.
const FORM_FIELDS: [&str; 5] =
    ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Signature", "Policy"];

/// The parts of a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// `access key/date/region/service/aws4_request`, as sent.
    pub credential: String,
    /// The access key.
    pub access_key: String,
    /// The region of the scope.
    pub region: Region,
    /// The service of the scope.
    pub service: String,
    /// The names of the signed headers, in the order they were signed.
    pub signed_headers: Vec<String>,
    /// The signature.
    pub signature: [u8; 32],
    /// `x-amz-date` as sent.
    pub amz_date: String,
    /// The same as a time.
    pub time: Timestamp,
    /// How long it is good for, if it is a presigned URL or a form.
    pub presigned: Option<Duration>,
}

impl Claim {
    /// Reads the claim of a request from its `Authorization` header or its query.
    ///
    /// # Errors
    /// [`AuthError::Missing`] if there is neither, other variants for what makes no sense.
    pub fn of(head: &Parts) -> Result<Self, AuthError> {
        let mut headers = head.headers.get_all(http::header::AUTHORIZATION).iter();
        let query = head.uri.query().unwrap_or_default();
        let presigned =
            raw_pairs(query).any(|(name, _)| matches!(name, "X-Amz-Signature" | "X-Amz-Algorithm"));
        match (headers.next(), headers.next(), presigned) {
            (None, _, true) => Self::of_query(query),
            (Some(header), None, false) => {
                let text = header.to_str().map_err(|_| malformed("Authorization is not ASCII text"))?;
                let amz_date = head.headers.get("x-amz-date").and_then(|value| value.to_str().ok());
                Self::of_header(text, amz_date)
            }
            (None, _, false) if raw_pairs(query).any(|(name, _)| name == "AWSAccessKeyId") => {
                Err(AuthError::Unsupported("Signature Version 2".into()))
            }
            (None, _, false) => Err(AuthError::Missing),
            (Some(_), ..) => Err(malformed("only one authentication mechanism is allowed")),
        }
    }

    /// Reads an `Authorization` header beside the value of `x-amz-date`.
    ///
    /// # Errors
    /// When it is of another kind or a part is missing or makes no sense.
    pub fn of_header(text: &str, amz_date: Option<&str>) -> Result<Self, AuthError> {
        let (algorithm, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        check_algorithm(algorithm)?;
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for part in rest.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) =
                part.split_once('=').ok_or_else(|| malformed("Authorization has a part without '='"))?;
            let slot = match name.trim() {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return Err(malformed("Authorization has an unknown part")),
            };
            if slot.replace(value.trim()).is_some() {
                return Err(malformed("Authorization has a part twice"));
            }
        }
        let need = |part: Option<&str>, name: &str| {
            part.map(str::to_owned).ok_or_else(|| {
                AuthError::Malformed(format!("Authorization header requires '{name}' parameter."))
            })
        };
        let amz_date = amz_date
            .ok_or_else(|| malformed("Authorization header requires existence of a 'X-Amz-Date' header."))?;
        let parts = ClaimText {
            credential: need(credential, "Credential")?,
            signed_headers: need(signed_headers, "SignedHeaders")?,
            signature: need(signature, "Signature")?,
            amz_date: amz_date.to_owned(),
        };
        parts.read(None)
    }

    /// Reads a presigned URL's query.
    fn of_query(query: &str) -> Result<Self, AuthError> {
        let find = |wanted: &'static str| {
            let mut found = raw_pairs(query).filter(|(name, _)| decode_text(name) == wanted);
            match (found.next(), found.next()) {
                (Some((_, value)), None) => Ok(decode_text(value)),
                (None, _) => Err(AuthError::MalformedQuery(format!("the query requires {wanted}"))),
                (Some(_), Some(_)) => Err(AuthError::MalformedQuery(format!("{wanted} is given twice"))),
            }
        };
        check_algorithm(&find("X-Amz-Algorithm")?)?;
        let seconds: Option<u64> = find("X-Amz-Expires")?.parse().ok();
        let seconds =
            seconds.filter(|seconds| (1..=EXPIRES_SECONDS_MAX).contains(seconds)).ok_or_else(|| {
                AuthError::MalformedQuery(
                    "X-Amz-Expires must be a number of seconds of at least 1 and less than a week (604800)"
                        .into(),
                )
            })?;
        let parts = ClaimText {
            credential: find("X-Amz-Credential")?,
            signed_headers: find("X-Amz-SignedHeaders")?,
            signature: find("X-Amz-Signature")?,
            amz_date: find("X-Amz-Date")?,
        };
        parts.read(Some(Duration::from_secs(seconds))).map_err(|error| match error {
            AuthError::Malformed(text) => AuthError::MalformedQuery(text),
            other => other,
        })
    }

    /// Reads the fields of an HTML form, whose policy is what is signed.
    ///
    /// # Errors
    /// [`AuthError::Missing`] for a form without any of them, other variants for what is missing or
    /// makes no sense.
    pub fn of_form(form: &Form) -> Result<Self, AuthError> {
        if form.field("signature").is_some() || form.field("AWSAccessKeyId").is_some() {
            return Err(AuthError::Unsupported("Signature Version 2".into()));
        }
        if FORM_FIELDS.iter().all(|name| form.field(name).is_none()) {
            return Err(AuthError::Missing);
        }
        let find = |name: &'static str| form.field(name).ok_or(AuthError::MissingField(name));
        check_algorithm(find("X-Amz-Algorithm")?)?;
        find("Policy")?;
        let parts = ClaimText {
            credential: find("X-Amz-Credential")?.to_owned(),
            signed_headers: "policy".to_owned(),
            signature: find("X-Amz-Signature")?.to_owned(),
            amz_date: find("X-Amz-Date")?.to_owned(),
        };
        parts.read(Some(Duration::from_secs(EXPIRES_SECONDS_MAX))).map_err(|error| match error {
            AuthError::Malformed(text) => AuthError::MalformedQuery(text),
            other => other,
        })
    }

    /// `date/region/service/aws4_request`.
    pub fn scope(&self) -> &str {
        self.credential.get(self.access_key.len() + 1..).unwrap_or_default()
    }
}

/// The four texts that header and query have in common.
struct ClaimText {
    credential: String,
    signed_headers: String,
    signature: String,
    amz_date: String,
}

impl ClaimText {
    fn read(self, presigned: Option<Duration>) -> Result<Claim, AuthError> {
        let parts: Vec<&str> = self.credential.split('/').collect();
        let [access_key, day, region, service, TERMINATOR] = parts[..] else {
            return Err(malformed("the credential must be ACCESS_KEY/YYYYMMDD/REGION/SERVICE/aws4_request"));
        };
        let legal_key = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        if access_key.is_empty() || access_key.len() > 128 || !access_key.bytes().all(legal_key) {
            return Err(malformed("the access key is malformed"));
        }
        let region: Region = region.parse().map_err(|_| malformed("the credential's region is malformed"))?;
        let time =
            date::parse(&self.amz_date).ok_or_else(|| malformed("X-Amz-Date must be YYYYMMDDTHHMMSSZ"))?;
        if !self.amz_date.starts_with(day) || day.len() != 8 {
            return Err(AuthError::WrongScope(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{day}' != '{}'",
                self.amz_date.get(..8).unwrap_or_default()
            )));
        }
        let mut signature = [0; 32];
        hex::decode_to_slice(&self.signature, &mut signature)
            .map_err(|_| malformed("the signature must be 64 hex digits"))?;
        let signed_headers: Vec<String> = self.signed_headers.split(';').map(str::to_owned).collect();
        let lower = |name: &String| !name.is_empty() && !name.bytes().any(|b| b.is_ascii_uppercase());
        if signed_headers.len() > SIGNED_HEADERS_MAX || !signed_headers.iter().all(lower) {
            return Err(malformed("the signed headers must be lower-case names joined by ';'"));
        }
        let (access_key, service) = (access_key.to_owned(), service.to_owned());
        let Self { credential, amz_date, .. } = self;
        Ok(Claim {
            credential,
            access_key,
            region,
            service,
            signed_headers,
            signature,
            amz_date,
            time,
            presigned,
        })
    }
}

fn check_algorithm(algorithm: &str) -> Result<(), AuthError> {
    if algorithm == ALGORITHM {
        return Ok(());
    }
    let legible = algorithm.chars().filter(|c| c.is_ascii_graphic()).take(40).collect();
    Err(AuthError::Unsupported(legible))
}

fn malformed(text: &str) -> AuthError {
    AuthError::Malformed(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "AWS4-HMAC-SHA256 Credential=AKID/20260102/eu-west-1/kinesis/aws4_request, \
                        SignedHeaders=host;x-amz-date, \
                        Signature=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const DATE: Option<&str> = Some("20260102T030405Z");

    #[test]
    fn a_header_reads_with_and_without_spaces() {
        let claim = Claim::of_header(GOOD, DATE).unwrap();
        assert_eq!((claim.access_key.as_str(), claim.service.as_str()), ("AKID", "kinesis"));
        assert_eq!(claim.scope(), "20260102/eu-west-1/kinesis/aws4_request");
        assert_eq!(claim.signed_headers, ["host", "x-amz-date"]);
        assert_eq!(Claim::of_header(&GOOD.replace(", ", ","), DATE).unwrap(), claim);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let refused = |text: &str, date: Option<&str>| Claim::of_header(text, date).unwrap_err();
        assert!(matches!(refused("Bearer abc", DATE), AuthError::Unsupported(_)));
        assert!(matches!(refused("AWS key:sig", DATE), AuthError::Unsupported(_)));
        assert!(matches!(refused(GOOD, None), AuthError::Malformed(_)));
        assert!(matches!(refused(GOOD, Some("20260103T030405Z")), AuthError::WrongScope(_)));
        assert!(matches!(refused(&GOOD.replace("aws4_request", "x"), DATE), AuthError::Malformed(_)));
        assert!(matches!(
            refused(&GOOD.replace("Signature=e3", "Signature=zz"), DATE),
            AuthError::Malformed(_)
        ));
        assert!(matches!(refused(&GOOD.replace("host;", "Host;"), DATE), AuthError::Malformed(_)));
        assert!(matches!(refused("AWS4-HMAC-SHA256 Credential=a", DATE), AuthError::Malformed(_)));
    }

    proptest! {
        #[test]
        fn foreign_text_never_panics(text in "(AWS4-HMAC-SHA256 )?[ -~]{0,120}", query in "[ -~&&[^ #<>\"{}|\\\\^`]]{0,120}") {
            let _ = Claim::of_header(&text, DATE);
            if let Ok(request) = http::Request::get(format!("/?X-Amz-Signature=&{query}")).body(()) {
                let _ = Claim::of(&request.into_parts().0);
            }
        }
    }
}
