//! Looks into files: the first bytes of text, the footer of Parquet.

use headwater_base::Scope;
use headwater_objects::{Bucket, BucketName, ObjectError, ObjectKey, ObjectReader, Objects};
use headwater_tables::compress::Codec;
use headwater_tables::infer::{
    PARQUET_TAIL_BYTES, infer_parquet, infer_text, merge_columns, parquet_footer_len,
};
use headwater_work::Work;

use super::CrawlError;
use super::folder::{Folder, Found};
use super::group::similar;

/// How many bytes of a file are looked at.
const SAMPLE_BYTES: u64 = 1 << 20;
/// How many plain bytes of a compressed file are looked at.
const PLAIN_BYTES: usize = 4 << 20;
/// The longest Parquet footer that is read.
const FOOTER_BYTES_MAX: u64 = 64 << 20;
/// How many folders are looked into; those beyond are taken to be like their siblings.
const FOLDERS_MAX: usize = 2000;

/// Looks into every folder under `root` that holds files.
pub(crate) async fn look_into(
    objects: &Objects,
    scope: &Scope,
    bucket: &BucketName,
    root: &mut Folder,
) -> Result<(), CrawlError> {
    let bucket = objects.bucket(bucket).await.map_err(target)?;
    if bucket.owner != scope.account {
        return Err(CrawlError::Target(format!("Access to bucket {} is denied.", bucket.name.as_str())));
    }
    let mut folders = vec![root];
    let mut looked = 0;
    while let Some(folder) = folders.pop() {
        if folder.files > 0 && looked < FOLDERS_MAX {
            looked += 1;
            folder.found = look_into_one(objects, &bucket, folder).await?;
        }
        folders.extend(folder.folders.values_mut());
    }
    Ok(())
}

/// What a folder's files hold: what the first says, widened by others like it.
async fn look_into_one(
    objects: &Objects,
    bucket: &Bucket,
    folder: &Folder,
) -> Result<Option<Found>, CrawlError> {
    let mut found: Option<Found> = None;
    for (key, _) in &folder.samples {
        let key = ObjectKey::new(key).map_err(|error| CrawlError::Failed(error.to_string()))?;
        let reader = match objects.open(bucket, &key).await {
            Ok(reader) => reader,
            // It was deleted since it was listed.
            Err(ObjectError::NoSuchKey(_)) => continue,
            Err(error) => return Err(target(error)),
        };
        let Some(more) = look_into_file(&reader).await? else { continue };
        match &mut found {
            None => found = Some(more),
            Some(found) if similar(found, &more) => {
                merge_columns(&mut found.inferred.columns, &more.inferred.columns);
            }
            Some(_) => {}
        }
    }
    Ok(found)
}

async fn look_into_file(reader: &ObjectReader) -> Result<Option<Found>, CrawlError> {
    let size = reader.info.size;
    if let Some(inferred) = parquet(reader, size).await? {
        return Ok(Some(Found { inferred, codec: Codec::None }));
    }
    let head = reader.read(0..size.min(SAMPLE_BYTES)).await.map_err(target)?;
    let codec = Codec::detect(reader.info.key.as_str(), &head);
    let complete = size <= SAMPLE_BYTES;
    let inferred = Work::blocking(move || {
        let plain = codec.sample(&head, PLAIN_BYTES);
        infer_text(&plain, complete && plain.len() < PLAIN_BYTES)
    });
    Ok(inferred.await.map(|inferred| Found { inferred, codec }))
}

async fn parquet(
    reader: &ObjectReader,
    size: u64,
) -> Result<Option<headwater_tables::infer::Inferred>, CrawlError> {
    let tail_bytes = PARQUET_TAIL_BYTES as u64;
    if size < tail_bytes + 4 {
        return Ok(None);
    }
    let tail = reader.read(size - tail_bytes..size).await.map_err(target)?;
    let Some(len) = parquet_footer_len(&tail).filter(|len| *len <= FOOTER_BYTES_MAX.min(size - tail_bytes))
    else {
        return Ok(None);
    };
    let footer = reader.read(size - tail_bytes - len..size - tail_bytes).await.map_err(target)?;
    Ok(Work::blocking(move || infer_parquet(&footer)).await)
}

fn target(error: ObjectError) -> CrawlError {
    CrawlError::Target(error.to_string())
}
