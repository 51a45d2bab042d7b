//! Multipart uploads: completed by naming, refused when the parts are not as said.

use bytes::Bytes;
use futures::StreamExt;
use headwater_objects::{
    Attributes, ChecksumAlgorithm, CompletedPart, CompletionError, Condition, DeclaredObject, ListQuery,
    ObjectError, ObjectInfo, Sealing, UploadId, UploadOptions, UploadQuery, UploadedEntry,
};

use crate::{World, key, pattern, whole};

const PART: usize = 5 << 20;

async fn begin(world: &World, options: UploadOptions) -> UploadId {
    world.objects.create_upload(&world.bucket, &key("k"), Attributes::default(), options).await.unwrap()
}

async fn put(world: &World, id: UploadId, number: u32, body: Bytes) -> CompletedPart {
    let all = ChecksumAlgorithm::ALL.into();
    let staged =
        world.objects.stage(futures::stream::iter([Ok(body)]).boxed(), &all, &Sealing::none()).await.unwrap();
    let part = world.objects.put_part(&world.bucket, &key("k"), id, number, &staged).await.unwrap();
    CompletedPart { number, etag: part.etag, checksum: None }
}

async fn complete(world: &World, id: UploadId, parts: &[CompletedPart]) -> Result<ObjectInfo, ObjectError> {
    complete_as(world, id, parts, DeclaredObject::default()).await.map_err(|error| match error {
        CompletionError::Object(error) => error,
        other => panic!("{other}"),
    })
}

async fn complete_as(
    world: &World,
    id: UploadId,
    parts: &[CompletedPart],
    declared: DeclaredObject,
) -> Result<ObjectInfo, CompletionError> {
    world.objects.complete_upload(&world.bucket, &key("k"), id, parts, &declared, &Condition::Anything).await
}

/// An upload's options.
fn options(algorithm: ChecksumAlgorithm, composite: bool) -> UploadOptions {
    UploadOptions { algorithm: Some(algorithm), composite, ..UploadOptions::default() }
}

#[tokio::test]
async fn parts_become_an_object_without_copying() {
    let world = World::new().await;
    let id = begin(&world, UploadOptions::default()).await;
    let bodies = [pattern(PART, 1), pattern(PART + 7, 2), pattern(10, 3)];
    let mut parts = Vec::new();
    for (n, body) in bodies.iter().enumerate() {
        parts.push(put(&world, id, n as u32 * 3 + 1, body.clone()).await);
    }
    put(&world, id, 9999, pattern(200_000, 4)).await;
    let blobs = world.blobs.count();
    let info = complete(&world, id, &parts).await.unwrap();
    assert_eq!(world.blobs.count(), blobs);
    assert!(info.etag.ends_with("-3"));
    world.sweep().await;
    assert_eq!(world.listed_blobs().await, 2, "the part left over is swept; the small one lies inline");

    let reader = world.objects.open(&world.bucket, &key("k")).await.unwrap();
    let expected = bodies.concat();
    assert_eq!(whole(&reader).await, expected);
    let (from, to) = (PART - 3, PART + PART + 10);
    assert_eq!(reader.read(from as u64..to as u64).await.unwrap(), expected[from..to]);
    assert_eq!(reader.part_count(), Some(3));
    assert_eq!(reader.part_range(2), Some(PART as u64..(2 * PART + 7) as u64));
    assert_eq!(reader.part_range(4), None);
    let staged = world.objects.stage_bytes(&world.bucket, expected.into(), false).await.unwrap();
    let crc = &staged.checksums[&ChecksumAlgorithm::Crc64Nvme];
    assert_eq!(&info.checksums.values["CRC64NVME"], crc, "the whole's checksum, from those of the parts");
    assert!(!info.checksums.composite);
    assert_eq!(complete(&world, id, &parts).await.unwrap(), info, "completing may be repeated");

    drop((reader, staged));
    world.put("k", "replaced").await;
    world.sweep().await;
    assert_eq!(world.blobs.count(), 0);
    for kind in [0x0220, 0x0221, 0x0222, 0x0223, 0x0224, 0x0800] {
        assert_eq!(world.facts(kind).await, 0, "{kind:#x}");
    }
    assert!(matches!(complete(&world, id, &parts).await, Err(ObjectError::NoSuchUpload(_))));
}

#[tokio::test]
async fn completions_that_lie_are_refused() {
    let world = World::new().await;
    let id = begin(&world, UploadOptions::default()).await;
    let small = put(&world, id, 1, pattern(10, 1)).await;
    let last = put(&world, id, 2, pattern(10, 2)).await;
    let missing = CompletedPart { number: 3, ..last.clone() };
    let wrong = CompletedPart { etag: small.etag.clone(), ..last.clone() };
    let refused = |parts: Vec<CompletedPart>| {
        let world = &world;
        async move { complete(world, id, &parts).await.unwrap_err() }
    };
    assert!(matches!(refused(vec![]).await, ObjectError::InvalidPartOrder));
    assert!(matches!(refused(vec![last.clone(), small.clone()]).await, ObjectError::InvalidPartOrder));
    assert!(matches!(refused(vec![missing]).await, ObjectError::InvalidPart(3)));
    assert!(matches!(refused(vec![wrong]).await, ObjectError::InvalidPart(2)));
    assert!(matches!(refused(vec![small, last.clone()]).await, ObjectError::PartTooSmall { number: 1, .. }));
    assert!(world.objects.head(&world.bucket, &key("k")).await.is_err());
}

#[tokio::test]
async fn what_is_said_of_the_object_is_held_against_it() {
    let world = World::new().await;
    let id = begin(&world, UploadOptions::default()).await;
    let parts = [put(&world, id, 1, pattern(PART, 1)).await, put(&world, id, 2, pattern(5, 2)).await];
    let said = DeclaredObject::default;
    let checksum = |algorithm: ChecksumAlgorithm, value: &str| Some((algorithm, value.to_owned()));
    let (right, size) =
        (ChecksumAlgorithm::Crc64Nvme.of(&[pattern(PART, 1), pattern(5, 2)].concat()), PART as u64 + 5);
    let wrong = async |declared| complete_as(&world, id, &parts, declared).await.unwrap_err();
    let error = wrong(DeclaredObject { size: Some(size - 1), ..said() }).await;
    assert!(matches!(error, CompletionError::WrongSize { said, found } if said + 1 == found));
    let error = wrong(DeclaredObject { composite: Some(true), ..said() }).await;
    assert!(matches!(error, CompletionError::OtherType { composite: false }));
    let lie = checksum(ChecksumAlgorithm::Crc64Nvme, "AAAAAAAAAAA=");
    let error = wrong(DeclaredObject { checksum: lie, ..said() }).await;
    assert!(matches!(error, CompletionError::Object(ObjectError::BadDigest(_))));
    let other = checksum(ChecksumAlgorithm::Crc32, "AAAAAA==");
    let error = wrong(DeclaredObject { checksum: other, ..said() }).await;
    assert!(matches!(error, CompletionError::OtherAlgorithm { said: ChecksumAlgorithm::Crc32, .. }));
    assert!(world.objects.head(&world.bucket, &key("k")).await.is_err());

    let checksum = checksum(ChecksumAlgorithm::Crc64Nvme, &right);
    let true_words = DeclaredObject { checksum, composite: Some(false), size: Some(size) };
    let info = complete_as(&world, id, &parts, true_words.clone()).await.unwrap();
    assert_eq!(complete_as(&world, id, &parts, true_words).await.unwrap(), info);
    let error = wrong(DeclaredObject { size: Some(1), ..said() }).await;
    assert!(matches!(error, CompletionError::WrongSize { .. }), "also of one completed before");
}

#[tokio::test]
async fn composite_checksums_are_of_the_parts_checksums() {
    let world = World::new().await;
    let id = begin(&world, options(ChecksumAlgorithm::Sha256, true)).await;
    let mut parts = Vec::new();
    for (number, body) in [(1, pattern(PART, 1)), (2, pattern(5, 2))] {
        let checksum = Some((ChecksumAlgorithm::Sha256, ChecksumAlgorithm::Sha256.of(&body)));
        parts.push(CompletedPart { checksum, ..put(&world, id, number, body).await });
    }
    let wrong = async |checksum| {
        let parts = [parts[0].clone(), CompletedPart { checksum, ..parts[1].clone() }];
        complete_as(&world, id, &parts, DeclaredObject::default()).await.unwrap_err()
    };
    let crc = ChecksumAlgorithm::Crc32;
    assert!(matches!(wrong(None).await, CompletionError::ChecksumMissing { number: 2, .. }));
    let lie = wrong(Some((ChecksumAlgorithm::Sha256, ChecksumAlgorithm::Sha256.of(b"x")))).await;
    assert!(matches!(lie, CompletionError::Object(ObjectError::InvalidPart(2))));
    let other = wrong(Some((crc, crc.of(&pattern(5, 2))))).await;
    assert!(matches!(other, CompletionError::PartDigest { number: 2, algorithm } if algorithm == crc));
    let info = complete(&world, id, &parts).await.unwrap();
    assert!(info.checksums.composite);
    assert!(info.checksums.values["SHA256"].ends_with("-2"));
}

#[tokio::test]
async fn checksums_of_parts_are_verified_by_whatever_algorithm() {
    for options in [UploadOptions::default(), options(ChecksumAlgorithm::Crc32, false)] {
        let world = World::new().await;
        let id = begin(&world, options).await;
        let part = put(&world, id, 1, pattern(5, 1)).await;
        let with = |algorithm: ChecksumAlgorithm, body: &[u8]| {
            [CompletedPart { checksum: Some((algorithm, algorithm.of(body))), ..part.clone() }]
        };
        for algorithm in ChecksumAlgorithm::ALL {
            let lie = with(algorithm, b"another body");
            let refused = complete_as(&world, id, &lie, DeclaredObject::default()).await;
            assert!(refused.is_err(), "{algorithm:?}");
        }
        complete(&world, id, &with(ChecksumAlgorithm::Sha1, &pattern(5, 1))).await.unwrap();
    }
}

#[tokio::test]
async fn a_part_uploaded_again_replaces_the_first() {
    let world = World::new().await;
    let id = begin(&world, UploadOptions::default()).await;
    let first = put(&world, id, 1, pattern(PART, 1)).await;
    let second = put(&world, id, 1, pattern(PART, 2)).await;
    assert!(matches!(complete(&world, id, &[first]).await, Err(ObjectError::InvalidPart(1))));
    complete(&world, id, &[second]).await.unwrap();
    world.sweep().await;
    assert_eq!(world.blobs.count(), 1);
    assert_eq!(world.get("k").await, pattern(PART, 2));
}

#[tokio::test]
async fn aborted_uploads_are_swept() {
    let world = World::new().await;
    let id = begin(&world, UploadOptions::default()).await;
    put(&world, id, 1, pattern(PART, 1)).await;
    put(&world, id, 2, pattern(10, 1)).await;
    world.sweep().await;
    assert_eq!(world.blobs.count(), 1, "an upload under way is left alone");
    world.objects.abort_upload(&world.bucket, &key("k"), id).await.unwrap();
    let again = world.objects.abort_upload(&world.bucket, &key("k"), id).await;
    assert!(matches!(again, Err(ObjectError::NoSuchUpload(_))));
    let staged = world.objects.stage_bytes(&world.bucket, "x".into(), false).await.unwrap();
    let late = world.objects.put_part(&world.bucket, &key("k"), id, 3, &staged).await;
    assert!(matches!(late, Err(ObjectError::NoSuchUpload(_))));
    world.sweep().await;
    assert_eq!(world.blobs.count(), 0);
    for kind in [0x0220, 0x0221, 0x0222, 0x0224, 0x0800] {
        assert_eq!(world.facts(kind).await, 0, "{kind:#x}");
    }
}

#[tokio::test]
async fn uploads_of_a_deleted_bucket_are_swept() {
    let world = World::new().await;
    let id = begin(&world, UploadOptions::default()).await;
    put(&world, id, 1, pattern(PART, 1)).await;
    world.objects.delete_bucket(&world.bucket).await.unwrap();
    world.sweep().await;
    assert_eq!(world.blobs.count(), 0);
    for kind in [0x0220, 0x0221, 0x0224, 0x0800] {
        assert_eq!(world.facts(kind).await, 0, "{kind:#x}");
    }
}

#[tokio::test]
async fn copies_of_multipart_objects_share_their_parts() {
    let world = World::new().await;
    let id = begin(&world, UploadOptions::default()).await;
    let parts = [put(&world, id, 1, pattern(PART, 1)).await, put(&world, id, 2, pattern(5, 2)).await];
    let source = complete(&world, id, &parts).await.unwrap();
    let copy = world.copy(&source, "copy", Attributes::default()).await;
    assert_eq!(copy.unwrap().etag, source.etag);
    world.objects.delete(&world.bucket, &key("k")).await.unwrap();
    world.sweep().await;
    assert_eq!(world.get("copy").await, [pattern(PART, 1), pattern(5, 2)].concat());
    let listed = world.objects.object_parts(&world.bucket, &key("copy"), None).await.unwrap().unwrap();
    assert_eq!(
        listed.iter().map(|part| (part.number, part.size)).collect::<Vec<_>>(),
        [(1, PART as u64), (2, 5)]
    );
    world.objects.delete(&world.bucket, &key("copy")).await.unwrap();
    world.sweep().await;
    assert_eq!(world.blobs.count(), 0);
}

#[tokio::test]
async fn a_reader_keeps_the_parts() {
    let world = World::new().await;
    let id = begin(&world, UploadOptions::default()).await;
    let parts = [put(&world, id, 1, pattern(PART, 1)).await, put(&world, id, 2, pattern(200_000, 2)).await];
    complete(&world, id, &parts).await.unwrap();
    let reader = world.objects.open(&world.bucket, &key("k")).await.unwrap();
    let mut stream = reader.stream(0..reader.info.size);
    drop(reader);
    world.objects.delete(&world.bucket, &key("k")).await.unwrap();
    world.sweep().await;
    let mut all = Vec::new();
    while let Some(piece) = stream.next().await {
        all.extend_from_slice(&piece.unwrap());
    }
    assert_eq!(all, [pattern(PART, 1), pattern(200_000, 2)].concat());
    drop(stream);
    world.sweep().await;
    assert_eq!(world.blobs.count(), 0, "and then they go");
}

#[tokio::test]
async fn uploads_and_parts_are_listed_in_pages() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for name in ["a/1", "a/2", "b", "b"] {
        let options = UploadOptions::default();
        let id = world.objects.create_upload(&world.bucket, &key(name), Attributes::default(), options).await;
        ids.push(id.unwrap());
    }
    let mut query = UploadQuery {
        list: ListQuery { limit: 1, delimiter: Some("/".into()), ..ListQuery::default() },
        after_upload: None,
    };
    let mut seen = Vec::new();
    loop {
        let page = world.objects.list_uploads(&world.bucket, &query).await.unwrap();
        match &page.entries[0] {
            UploadedEntry::Prefix(prefix) => {
                seen.push(prefix.clone());
                query.list.after = Some(prefix.clone());
                query.after_upload = None;
            }
            UploadedEntry::Upload(info) => {
                seen.push(info.key.to_string());
                query.list.after = Some(info.key.to_string());
                query.after_upload = Some(info.id);
            }
        }
        if !page.truncated {
            break;
        }
    }
    assert_eq!(seen, ["a/", "b", "b"]);
    let staged = world.objects.stage_bytes(&world.bucket, "x".into(), false).await.unwrap();
    for number in [1, 5, 9] {
        world.objects.put_part(&world.bucket, &key("a/1"), ids[0], number, &staged).await.unwrap();
    }
    let page = world.objects.list_parts(&world.bucket, &key("a/1"), ids[0], 1, 1).await.unwrap();
    assert_eq!((page.parts[0].number, page.truncated), (5, true));
    let page = world.objects.list_parts(&world.bucket, &key("a/1"), ids[0], 5, 1).await.unwrap();
    assert_eq!((page.parts[0].number, page.truncated), (9, false));
    for number in [0, 10_001] {
        let refused = world.objects.put_part(&world.bucket, &key("a/1"), ids[0], number, &staged).await;
        assert!(matches!(refused, Err(ObjectError::Invalid(_))));
    }
}
