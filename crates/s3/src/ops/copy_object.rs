//! CopyObject: the copy shares the source's body, and no byte moves, unless it is to be sealed otherwise
//! than the source, or to have a checksum that the source lacks: then the bytes are read and written anew.

use std::sync::Arc;

use headwater_objects::{
    Asked, Attributes, Bucket, ChecksumAlgorithm, ObjectError, ObjectInfo, ObjectKey, VersionId,
    check_customer_key,
};
use http::HeaderMap;
use s3s::dto::{CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource};
use s3s::{S3Request, S3Response};

use crate::arrival::Arrival;
use crate::codec::{Answer, Circumstances, Codec};
use crate::convert::{self, ReadConditions, Verdict, set_checksums};
use crate::fault::Refusal;
use crate::standing::Standing;
use crate::{acl, classes, encryption, guard, keys, lock, payer, tags, versions};

/// The largest object copied by one request: 5 GiB.
const COPY_BYTES_MAX: u64 = 5 << 30;

/// How often the source is read again when it was replaced under our hands.
const SOURCE_TRIES_MAX: usize = 4;

#[expect(clippy::too_many_lines, reason = "one attempt after another at one source, told in order")]
pub(crate) async fn call(codec: &Codec, request: S3Request<CopyObjectInput>) -> Answer<CopyObjectOutput> {
    let (bucket, arrival, standing) = (request.bucket()?, request.arrival()?, request.standing()?);
    let (input, headers) = (request.input, request.headers);
    let key = convert::key(&input.key)?;
    let condition = convert::write_condition_of(&headers)?;
    let list = acl::of_new_object(&arrival, &bucket, &headers)?;
    let source = source(codec, &arrival, &headers, &input.copy_source).await?;
    let lock = lock::said!(input).read(&arrival, &bucket, &input.key, codec.now()).await?;
    let customer = encryption::customer_key(&headers, &arrival)?;
    let unlocking = encryption::source_key(&headers, &arrival)?;
    let asked = encryption::asked(&headers, &arrival, &bucket)?;
    let sealing = codec.objects.sealing(&bucket, &asked).await?;
    let algorithm = input.checksum_algorithm.as_ref();
    let algorithm = algorithm.map(|name| convert::algorithm(name.as_str())).transpose()?;
    for _ in 0..SOURCE_TRIES_MAX {
        let read = codec.objects.head_version(source.bucket(), &source.key, source.version).await;
        let original = match read {
            Ok(original) => original,
            Err(e) => return Err(source.unread(codec, e).await),
        };
        check_customer_key(original.encryption.as_ref(), unlocking.as_ref())?;
        let conditions = ReadConditions {
            if_match: input.copy_source_if_match.as_ref(),
            if_none_match: input.copy_source_if_none_match.as_ref(),
            if_modified_since: input.copy_source_if_modified_since.as_ref(),
            if_unmodified_since: input.copy_source_if_unmodified_since.as_ref(),
        };
        if conditions.verdict(&original) != Verdict::Go {
            return Err(Refusal::precondition_failed());
        }
        if original.size > COPY_BYTES_MAX {
            return Err(too_large());
        }
        // A version that is named may come back as the newest.
        let is_same = source.bucket().incarnation == bucket.incarnation
            && source.key == key
            && source.version.is_none();
        let _room = codec.objects.claim(&bucket, 1, original.size).await?;
        let changes_nothing = is_same && asked == Asked::Default && input.storage_class.is_none();
        let mut attributes = attributes(&input, &headers, &original, changes_nothing)?;
        (attributes.lock, attributes.acl) = (lock, list.clone());
        attributes.storage_class = classes::asked(input.storage_class.as_ref())?;
        if input.tagging_directive.is_none() && !attributes.tags.is_empty() {
            source.standing.may_object("s3:GetObjectTagging", source.key.as_str(), source.version).await?;
            standing.may_new_object("s3:PutObjectTagging", key.as_str()).await?;
        }
        let is_shared = sealing.is_that_of(original.encryption.as_ref()) && has(&original, algorithm);
        let copied = if is_shared {
            codec.objects.copy(source.bucket(), &original, &bucket, &key, attributes, &condition).await
        } else {
            let (from, version) = (source.bucket(), Some(original.version));
            let mut reader = match codec.objects.open_version(from, &source.key, version).await {
                Ok(reader) if reader.info.lsn == original.lsn => reader,
                Ok(_) | Err(ObjectError::NoSuchKey(_) | ObjectError::NoSuchVersion { .. }) => continue,
                Err(e) => return Err(e.into()),
            };
            reader.unlock(unlocking.as_ref())?;
            let as_asked = (&sealing, algorithm);
            codec.objects.copy_sealed(&reader, &bucket, &key, as_asked, attributes, &condition).await
        };
        match copied {
            Err(ObjectError::Contended) => {}
            other => {
                let copy = other?;
                let mut output = output(&copy, &bucket);
                output.expiration = classes::expiration(&codec.objects, &bucket, &copy).await?;
                output.copy_source_version_id = versions::told(source.bucket(), original.version);
                let headers = encryption::written(copy.encryption.as_ref(), customer.as_ref());
                return Ok(S3Response::with_headers(output, headers));
            }
        }
    }
    Err(ObjectError::Contended.into())
}

/// What is copied; the caller may read it.
pub(crate) struct Source {
    /// How the caller stands in its bucket.
    standing: Standing,
    pub(crate) key: ObjectKey,
    /// The version, if the request names one.
    pub(crate) version: Option<VersionId>,
}

impl Source {
    /// Its bucket.
    pub(crate) fn bucket(&self) -> &Arc<Bucket> {
        self.standing.bucket()
    }

    /// Why it can't be copied.
    pub(crate) async fn unread(&self, codec: &Codec, error: ObjectError) -> Refusal {
        if matches!(error, ObjectError::DeleteMarker { .. }) {
            return Refusal::invalid_request(
                "The source of a copy request may not specifically refer to a delete marker by version id.",
            );
        }
        let refusal = versions::unread(&codec.objects, self.bucket(), &self.key, error).await;
        self.standing.veil(refusal).await
    }
}

/// Reads what a copy's source is.
pub(crate) async fn source(
    codec: &Codec,
    arrival: &Arrival,
    headers: &HeaderMap,
    source: &CopySource,
) -> Result<Source, Refusal> {
    let CopySource::Bucket { bucket, key, version_id } = source else {
        return Err(Refusal::not_implemented("Copying from access points"));
    };
    let version = versions::asked(version_id.as_deref())?;
    let bucket = guard::find(&codec.objects, bucket).await?;
    guard::check_expected_owner(headers, "x-amz-source-expected-bucket-owner", Some(&bucket))?;
    let said = || keys::of_request("GetObject", arrival, &bucket, headers, &http::Uri::default());
    let standing = Standing::of(&codec.objects, arrival, bucket.clone(), said).await?;
    payer::check(&standing, arrival, headers, &http::Uri::default())?;
    standing.may_object("s3:GetObject", key, version).await?;
    Ok(Source { standing, key: convert::key(key)?, version })
}

/// Whether a checksum by the algorithm asked for is there already.
fn has(original: &ObjectInfo, algorithm: Option<ChecksumAlgorithm>) -> bool {
    let checksums = &original.checksums;
    algorithm.is_none_or(|a| !checksums.composite && checksums.values.contains_key(a.name()))
}

/// The refusal to copy so much at once.
pub(crate) fn too_large() -> Refusal {
    Refusal::invalid_request(format!(
        "The specified copy source is larger than the maximum allowable size for a copy source: {COPY_BYTES_MAX}"
    ))
}

/// What the copy carries: the source's, or what the request says in its place.
fn attributes(
    input: &CopyObjectInput,
    headers: &HeaderMap,
    original: &ObjectInfo,
    changes_nothing: bool,
) -> Result<Attributes, Refusal> {
    let replaces = |directive: Option<&str>, what: &str| match directive {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(_) => Err(Refusal::invalid_argument(format!("Unknown {what} directive."))),
    };
    let metadata = replaces(input.metadata_directive.as_ref().map(|d| d.as_str()), "metadata")?;
    let tagging = replaces(input.tagging_directive.as_ref().map(|d| d.as_str()), "tagging")?;
    if changes_nothing && !metadata {
        return Err(Refusal::invalid_request(
            "This copy request is illegal because it is trying to copy an object to itself without changing the \
             object's metadata, storage class, website redirect location or encryption attributes.",
        ));
    }
    let mut copied = if metadata {
        convert::attributes(headers, input.content_type.clone(), input.metadata.clone(), None)?
    } else {
        original.attributes.clone()
    };
    copied.tags = match (tagging, &input.tagging) {
        (false, _) => original.attributes.tags.clone(),
        (true, None) => Default::default(),
        (true, Some(header)) => tags::from_header(header)?,
    };
    copied.system.clear();
    Ok(copied)
}

fn output(info: &ObjectInfo, bucket: &Bucket) -> CopyObjectOutput {
    let mut result = CopyObjectResult {
        e_tag: Some(convert::etag(&info.etag)),
        last_modified: Some(convert::time(info.modified)),
        checksum_type: Some(convert::checksum_type(info.checksums.composite)),
        ..Default::default()
    };
    set_checksums!(result, info.checksums.values);
    let version_id = versions::told(bucket, info.version);
    CopyObjectOutput { copy_object_result: Some(result), version_id, ..Default::default() }
}
