//! Whose body it is: from a blob or an inline body, through the facts that name it, to buckets and keys.

use std::collections::{BTreeSet, HashMap};

use headwater_blob::BlobId;
use headwater_store::{Direction, Key, KeyRange, Snapshot};

use crate::records::keys;
use crate::records::object::PlaceRecord;
use crate::sweep::{names_blob, names_upload};
use crate::{ObjectError, Objects};

/// How many objects of one body are told.
const OBJECTS_MAX: usize = 100;

/// `bucket/key` of the objects (and uploads under way) whose body this blob is, in whichever tier it lies, or is a
/// part of. None: nobody's.
pub(super) async fn of_blob(objects: &Objects, id: BlobId) -> Result<Vec<String>, ObjectError> {
    let snapshot = objects.store.snapshot().await?;
    let mut namers = BTreeSet::new();
    for (refs, place) in [
        (keys::blob_refs(id), PlaceRecord::Blob(id.0.into())),
        (keys::cold_refs(id), PlaceRecord::Cold(id.0.into())),
    ] {
        for row in snapshot.scan(&KeyRange::prefix(&refs), OBJECTS_MAX, Direction::Forward).await? {
            if let Some((_, namer)) = keys::ref_of(&row.key)
                && names_blob(&*snapshot, &row.key, &place).await?
            {
                namers.extend(objects_of(&*snapshot, namer).await?);
            }
        }
    }
    told(objects, namers).await
}

/// The same of an inline body or part.
pub(super) async fn of_inline(objects: &Objects, key: &Key) -> Result<Vec<String>, ObjectError> {
    let snapshot = objects.store.snapshot().await?;
    let namers = objects_of(&*snapshot, key.clone()).await?;
    told(objects, namers).await
}

/// Incarnations and names behind the key of a fact that names a body.
async fn objects_of(snapshot: &dyn Snapshot, namer: Key) -> Result<BTreeSet<(u64, String)>, ObjectError> {
    let is_part = matches!(namer.reader().kind(), Some(keys::PART | keys::PART_BODY));
    let Some((upload, _)) = keys::part_of(&namer).filter(|_| is_part) else {
        let of = |key: &Key| Some((keys::incarnation_of(key)?, keys::object_key_of(key)?));
        return Ok(of(&namer).into_iter().collect());
    };
    let mut found = BTreeSet::new();
    let range = KeyRange::prefix(&keys::upload_refs(upload));
    for row in snapshot.scan(&range, OBJECTS_MAX, Direction::Forward).await? {
        if let Some((_, namer)) = keys::ref_of(&row.key)
            && names_upload(snapshot, &row.key, upload).await?
            && let (Some(incarnation), Some(name)) =
                (keys::incarnation_of(&namer), keys::object_key_of(&namer))
        {
            found.insert((incarnation, name));
        }
    }
    Ok(found)
}

async fn told(objects: &Objects, namers: BTreeSet<(u64, String)>) -> Result<Vec<String>, ObjectError> {
    if namers.is_empty() {
        return Ok(Vec::new());
    }
    let buckets: HashMap<u64, String> = objects
        .all_buckets()
        .await?
        .into_iter()
        .map(|b| (b.incarnation, b.name.as_str().to_owned()))
        .collect();
    let name = |(incarnation, key): (u64, String)| {
        let bucket = buckets.get(&incarnation)?;
        Some(format!("{bucket}/{key}"))
    };
    Ok(namers.into_iter().filter_map(name).take(OBJECTS_MAX).collect())
}
