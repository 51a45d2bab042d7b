//! Multipart uploads: completed by naming, refused when the parts are not as said.

use bytes::Bytes;
use futures::StreamExt;
use headwater_objects::{
    Attributes, ChecksumAlgorithm, CompletedPart, Condition, ListQuery, ObjectError, ObjectInfo, Sealing,
    UploadId, UploadOptions, UploadQuery, UploadedEntry,
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
    world.objects.complete_upload(&world.bucket, &key("k"), id, parts, None, &Condition::Anything).await
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
    let sum = (ChecksumAlgorithm::Crc64Nvme, "AAAAAAAAAAA=".to_owned());
    let (k, parts) = (key("k"), [last]);
    let lied =
        world.objects.complete_upload(&world.bucket, &k, id, &parts, Some(&sum), &Condition::Anything).await;
    assert!(matches!(lied, Err(ObjectError::BadDigest(_))));
    assert!(world.objects.head(&world.bucket, &key("k")).await.is_err());
}

#[tokio::test]
async fn composite_checksums_are_of_the_parts_checksums() {
    let world = World::new().await;
    let options =
        UploadOptions { algorithm: Some(ChecksumAlgorithm::Sha256), composite: true, ..Default::default() };
    let id = begin(&world, options).await;
    let parts = [put(&world, id, 1, pattern(PART, 1)).await, put(&world, id, 2, pattern(5, 2)).await];
    let info = complete(&world, id, &parts).await.unwrap();
    assert!(info.checksums.composite);
    assert!(info.checksums.values["SHA256"].ends_with("-2"));
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
