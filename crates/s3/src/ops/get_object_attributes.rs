//! GetObjectAttributes: ETag, checksum, parts, class and size in one answer. Its document is written here: the
//! ETag in it has no quotes, as nowhere else in S3, and the codec would add them.

use std::io::Write;

use headwater_objects::{PartInfo, check_customer_key};
use s3s::dto::{
    Checksum, GetObjectAttributesInput, GetObjectAttributesOutput, GetObjectAttributesParts, ObjectPart,
    StorageClass,
};
use s3s::xml::{SerResult, Serialize, SerializeContent, Serializer};
use s3s::{S3Request, S3Response};

use crate::codec::{Answer, Circumstances, Codec};
use crate::convert::{self, set_checksums};
use crate::fault::Refusal;
use crate::{document, encryption, versions};

/// What can be asked for.
const ATTRIBUTES: [&str; 5] = ["Checksum", "ETag", "ObjectParts", "ObjectSize", "StorageClass"];

/// The answer's document, in place of the codec's.
#[derive(Clone, Debug)]
pub(crate) struct Document(pub(crate) Vec<u8>);

pub(crate) async fn call(
    codec: &Codec,
    request: S3Request<GetObjectAttributesInput>,
) -> Answer<GetObjectAttributesOutput> {
    let (bucket, arrival) = (request.bucket()?, request.arrival()?);
    let customer = encryption::customer_key(&request.headers, &arrival)?;
    let input = request.input;
    let version = versions::asked(input.version_id.as_deref())?;
    let key = convert::key(&input.key)?;
    let listed = listed(input.object_attributes.iter().map(|list| list.as_str()))?;
    let asked = |name: &str| listed.contains(&name);
    let info = versions::info(&codec.objects, &bucket, &key, version).await?;
    check_customer_key(info.encryption.as_ref(), customer.as_ref())?;
    let mut output = GetObjectAttributesOutput {
        last_modified: Some(convert::time(info.modified)),
        version_id: versions::told(&bucket, info.version),
        object_size: asked("ObjectSize").then_some(info.size as i64),
        storage_class: asked("StorageClass")
            .then(|| StorageClass::from_static(info.attributes.storage_class.name())),
        ..Default::default()
    };
    if asked("Checksum") && !info.checksums.values.is_empty() {
        let mut checksum = Checksum::default();
        set_checksums!(checksum, info.checksums.values);
        checksum.checksum_type = Some(convert::checksum_type(info.checksums.composite));
        output.checksum = Some(checksum);
    }
    if asked("ObjectParts")
        && let Some(parts) = codec.objects.object_parts(&bucket, &key, version).await?
    {
        let limit = convert::page_size(input.max_parts, "max-parts")?;
        let after = input.part_number_marker.and_then(|marker| usize::try_from(marker).ok()).unwrap_or(0);
        output.object_parts = Some(page(&parts, after, limit, &info.checksums.values));
    }
    let etag = asked("ETag").then_some(info.etag.as_str());
    let document = document::write(&Answered { output: &output, etag })?;
    let mut answer = S3Response::new(output);
    answer.extensions.insert(Document(document));
    Ok(answer)
}

/// The attributes asked for: in one list, or in several, parted by commas.
fn listed<'a>(lists: impl Iterator<Item = &'a str>) -> Result<Vec<&'a str>, Refusal> {
    let names: Vec<&str> =
        lists.flat_map(|list| list.split(',')).map(str::trim).filter(|name| !name.is_empty()).collect();
    if names.is_empty() {
        return Err(Refusal::invalid_request(
            "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty",
        ));
    }
    match names.iter().all(|name| ATTRIBUTES.contains(name)) {
        true => Ok(names),
        false => Err(Refusal::invalid_argument("Invalid attribute name specified.")),
    }
}

/// What the document says.
struct Answered<'a> {
    output: &'a GetObjectAttributesOutput,
    etag: Option<&'a str>,
}

impl Serialize for Answered<'_> {
    fn serialize<W: Write>(&self, s: &mut Serializer<W>) -> SerResult {
        s.decl()?;
        s.content_with_ns("GetObjectAttributesResponse", "http://s3.amazonaws.com/doc/2006-03-01/", self)
    }
}

impl SerializeContent for Answered<'_> {
    fn serialize_content<W: Write>(&self, s: &mut Serializer<W>) -> SerResult {
        if let Some(checksum) = &self.output.checksum {
            s.content("Checksum", checksum)?;
        }
        if let Some(etag) = self.etag {
            s.content("ETag", etag)?;
        }
        if let Some(parts) = &self.output.object_parts {
            s.content("ObjectParts", parts)?;
        }
        if let Some(size) = &self.output.object_size {
            s.content("ObjectSize", size)?;
        }
        if let Some(class) = &self.output.storage_class {
            s.content("StorageClass", class)?;
        }
        Ok(())
    }
}

fn page(
    parts: &[PartInfo],
    after: usize,
    limit: usize,
    kept: &std::collections::BTreeMap<String, String>,
) -> GetObjectAttributesParts {
    let rest = parts.get(after..).unwrap_or_default();
    let shown = rest.iter().take(limit).map(|part| {
        let mut shown = ObjectPart {
            part_number: Some(part.number as i32),
            size: Some(part.size as i64),
            ..Default::default()
        };
        let mut checksums = part.checksums.clone();
        checksums.retain(|algorithm, _| kept.contains_key(algorithm));
        set_checksums!(shown, checksums);
        shown
    });
    let shown: Vec<ObjectPart> = shown.collect();
    let truncated = rest.len() > shown.len();
    GetObjectAttributesParts {
        total_parts_count: Some(parts.len() as i32),
        part_number_marker: Some(after as i32),
        next_part_number_marker: shown.last().and_then(|part| part.part_number),
        max_parts: Some(limit as i32),
        is_truncated: Some(truncated),
        parts: Some(shown),
    }
}
