//! Objects: put, read, overwrite, conditions, copies, tags, damage.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::StreamExt;
use headwater_base::Timestamp;
use headwater_objects::{
    Acl, AclOwner, Attributes, ChecksumAlgorithm, Condition, Grant, Grantee, INLINE_BYTES_MAX, ObjectError,
    ObjectLock, Permission, Sealing,
};
use headwater_store::{Commit, CommitError};

use crate::{BIG, World, create, key, pattern, whole};

#[tokio::test]
async fn bodies_of_every_size_read_back() {
    let world = World::new().await;
    for len in [0, 1, 4096, INLINE_BYTES_MAX, INLINE_BYTES_MAX + 1, BIG, (2 << 20) + 5] {
        let body = pattern(len, 3);
        let info = world.put("k", body.clone()).await;
        assert_eq!(info.size, len as u64);
        assert_eq!(world.get("k").await, body);
        let reader = world.objects.open(&world.bucket, &key("k")).await.unwrap();
        assert_eq!(reader.info, info);
        let pieces: Vec<Bytes> = reader.stream(0..u64::MAX).map(|piece| piece.unwrap()).collect().await;
        assert_eq!(pieces.concat(), body);
        let (from, to) = (len / 3, len / 2);
        assert_eq!(reader.read(from as u64..to as u64).await.unwrap(), body.slice(from..to));
        let past = reader.read(0..len as u64 + 1).await;
        assert!(matches!(past, Err(ObjectError::BadRange(size)) if size == len as u64));
        assert_eq!((reader.part_count(), reader.part_range(1)), (None, Some(0..len as u64)));
    }
}

#[tokio::test]
async fn digests_are_of_the_body_however_it_arrives() {
    let world = World::new().await;
    let body = pattern(BIG, 9);
    let at_once = world.objects.stage_bytes(&world.bucket, body.clone(), true).await.unwrap();
    for step in [1000, 65_536, BIG] {
        let pieces: Vec<_> = body.chunks(step).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
        let all = ChecksumAlgorithm::ALL.into();
        let staged =
            world.objects.stage(futures::stream::iter(pieces).boxed(), &all, &Sealing::none()).await.unwrap();
        assert_eq!((&staged.md5, &staged.sha256, staged.size), (&at_once.md5, &at_once.sha256, BIG as u64));
        assert_eq!(staged.checksums.len(), 5);
        for (algorithm, value) in &at_once.checksums {
            assert_eq!(staged.checksums[algorithm], *value);
        }
        staged.require(ChecksumAlgorithm::Crc32, &staged.checksums[&ChecksumAlgorithm::Crc32]).unwrap();
        let wrong = staged.require(ChecksumAlgorithm::Crc32, "AAAAAA==");
        assert!(matches!(wrong, Err(ObjectError::BadDigest(_))));
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_nothing() {
    let world = World::new().await;
    for good in [0, 1000, BIG] {
        let pieces = vec![Ok(pattern(good, 0)), Err(ObjectError::Body("connection reset".into()))];
        let staged =
            world.objects.stage_body(&world.bucket, futures::stream::iter(pieces).boxed(), false).await;
        assert!(matches!(staged, Err(ObjectError::Body(_))));
        assert_eq!(world.blobs.count(), 0);
    }
}

#[tokio::test]
async fn attributes_are_kept_and_replaced() {
    let world = World::new().await;
    let map = |k: &str, v: &str| BTreeMap::from([(k.to_owned(), v.to_owned())]);
    let attributes = Attributes {
        content_type: Some("text/plain".into()),
        headers: map("cache-control", "no-store"),
        metadata: map("color", "blue"),
        tags: map("team", "ml"),
        system: map("plan", "7"),
        lock: ObjectLock::default(),
        acl: Some(Acl {
            owner: AclOwner { account: None, canonical_id: "nobody".into() },
            grants: vec![Grant { grantee: Grantee::AllUsers, permission: Permission::Read }],
        }),
        storage_class: headwater_objects::StorageClass::OnezoneIa,
    };
    world.objects.put_bytes(&world.bucket, &key("k"), "x".into(), attributes.clone()).await.unwrap();
    assert_eq!(world.objects.head(&world.bucket, &key("k")).await.unwrap().attributes, attributes);
    world.put("k", "y").await;
    assert_eq!(world.objects.head(&world.bucket, &key("k")).await.unwrap().attributes, Attributes::default());
}

#[tokio::test]
async fn changing_tags_changes_nothing_else() {
    let world = World::new().await;
    for body in [pattern(10, 1), pattern(BIG, 1)] {
        let before = world.put("k", body.clone()).await;
        let tags = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        world.objects.set_tags(&world.bucket, &key("k"), None, tags.clone()).await.unwrap();
        let after = world.objects.head(&world.bucket, &key("k")).await.unwrap();
        assert_eq!((after.lsn, after.modified, &after.etag), (before.lsn, before.modified, &before.etag));
        assert_eq!(after.attributes.tags, tags);
        assert_eq!(world.get("k").await, body);
    }
    let missing = world.objects.set_tags(&world.bucket, &key("never"), None, BTreeMap::new()).await;
    assert!(matches!(missing, Err(ObjectError::NoSuchKey(_))));
}

#[tokio::test]
async fn conditions_hold_in_the_commit() {
    let world = World::new().await;
    let body = world.objects.stage_bytes(&world.bucket, "x".into(), false).await.unwrap();
    let put = |condition: Condition| {
        let world = &world;
        let body = &body;
        async move { world.objects.put(&world.bucket, &key("k"), body, Attributes::default(), &condition).await }
    };
    assert!(matches!(put(Condition::Present).await, Err(ObjectError::NoSuchKey(_))));
    assert!(matches!(put(Condition::Etag("e".into())).await, Err(ObjectError::NoSuchKey(_))));
    let info = put(Condition::Absent).await.unwrap();
    assert!(matches!(put(Condition::Absent).await, Err(ObjectError::PreconditionFailed)));
    assert!(matches!(put(Condition::Etag("e".into())).await, Err(ObjectError::PreconditionFailed)));
    put(Condition::Etag(info.etag.clone())).await.unwrap();
    put(Condition::Present).await.unwrap();
    let refused = world.objects.delete_if(&world.bucket, &key("k"), &Condition::Etag("e".into())).await;
    assert!(matches!(refused, Err(ObjectError::PreconditionFailed)));
    world.objects.delete_if(&world.bucket, &key("k"), &Condition::Etag(info.etag)).await.unwrap();
}

#[tokio::test]
async fn of_many_that_must_be_first_one_is() {
    let world = World::new().await;
    let puts = (0..16).map(|n| {
        let world = &world;
        async move {
            let body = world.objects.stage_bytes(&world.bucket, format!("{n}").into(), false).await.unwrap();
            world
                .objects
                .put(&world.bucket, &key("k"), &body, Attributes::default(), &Condition::Absent)
                .await
        }
    });
    let outcomes = futures::future::join_all(puts).await;
    assert_eq!(outcomes.iter().filter(|o| o.is_ok()).count(), 1);
    assert!(outcomes.iter().all(|o| matches!(o, Ok(_) | Err(ObjectError::PreconditionFailed))));
}

#[tokio::test]
async fn plain_writers_never_conflict_and_bodies_belong_to_their_objects() {
    let world = World::new().await;
    let writes = (0..24u8).map(|n| {
        let world = &world;
        async move {
            let len = if n % 2 == 0 { 100 } else { BIG };
            world.put("k", pattern(len, n)).await
        }
    });
    let reads = (0..48).map(|_| async {
        tokio::task::yield_now().await;
        if let Ok(reader) = world.objects.open(&world.bucket, &key("k")).await {
            let body = whole(&reader).await;
            let staged = world.objects.stage_bytes(&world.bucket, body, false).await.unwrap();
            assert_eq!(staged.md5, reader.info.etag);
        }
    });
    let (infos, _) = tokio::join!(futures::future::join_all(writes), futures::future::join_all(reads));
    let last = infos.iter().max_by_key(|info| info.lsn).unwrap();
    assert_eq!(world.objects.head(&world.bucket, &key("k")).await.unwrap().etag, last.etag);
    drop(infos);
    world.sweep().await;
    assert!(world.blobs.count() <= 1 && world.facts(0x0800).await <= 1, "at most the last body is left");
    world.get("k").await;
}

#[tokio::test]
async fn copies_share_the_body_and_outlive_the_source() {
    let world = World::new().await;
    let other = create(&world.objects, "other").await;
    for body in [pattern(100, 5), pattern(BIG, 5)] {
        let source = world.put("from", body.clone()).await;
        let blobs = world.blobs.count();
        let copied = world
            .objects
            .copy(&world.bucket, &source, &other, &key("to"), Attributes::default(), &Condition::Anything)
            .await
            .unwrap();
        assert_eq!((copied.etag.as_str(), world.blobs.count()), (source.etag.as_str(), blobs));
        world.objects.delete(&world.bucket, &key("from")).await.unwrap();
        world.sweep().await;
        let reader = world.objects.open(&other, &key("to")).await.unwrap();
        assert_eq!(whole(&reader).await, body);
        world.objects.delete(&other, &key("to")).await.unwrap();
        world.sweep().await;
        assert_eq!((world.blobs.count(), world.facts(0x0800).await), (0, 0));
    }
}

#[tokio::test]
async fn a_copy_onto_itself_keeps_the_body() {
    let world = World::new().await;
    for body in [pattern(100, 5), pattern(BIG, 5)] {
        let source = world.put("k", body.clone()).await;
        let attributes = Attributes { content_type: Some("a/b".into()), ..Attributes::default() };
        let copied = world.copy(&source, "k", attributes).await;
        assert_eq!(copied.unwrap().attributes.content_type.as_deref(), Some("a/b"));
        world.sweep().await;
        assert_eq!(world.get("k").await, body);
    }
}

#[tokio::test]
async fn a_source_replaced_meanwhile_is_not_copied() {
    let world = World::new().await;
    let source = world.put("from", pattern(BIG, 1)).await;
    world.put("from", pattern(BIG, 2)).await;
    let copy = world.copy(&source, "to", Attributes::default()).await;
    assert!(matches!(copy, Err(ObjectError::Contended)));
}

#[tokio::test]
async fn puts_and_deletes_join_a_bigger_commit() {
    let world = World::new().await;
    let old = world.put("old", pattern(BIG, 1)).await;
    let body = world.objects.stage_bytes(&world.bucket, pattern(BIG, 2), false).await.unwrap();
    let mut commit = Commit::new();
    let modified = Timestamp::from_ms(77);
    world
        .objects
        .stage_put(&mut commit, &world.bucket, &key("new"), &body, Attributes::default(), modified)
        .await
        .unwrap();
    world.objects.stage_delete(&mut commit, &world.bucket, &old).await.unwrap();
    assert!(world.objects.head(&world.bucket, &key("new")).await.is_err(), "nothing before the commit");
    let committed = world.objects.store().commit(commit).await.unwrap();
    drop(body);
    let info = world.objects.head(&world.bucket, &key("new")).await.unwrap();
    assert_eq!((info.lsn, info.modified), (committed.lsn, modified));
    assert!(world.objects.head(&world.bucket, &key("old")).await.is_err());
    world.sweep().await;
    assert_eq!(world.blobs.count(), 1);

    let mut stale = Commit::new();
    world.objects.stage_delete(&mut stale, &world.bucket, &info).await.unwrap();
    world.put("new", "replaced").await;
    assert!(matches!(world.objects.store().commit(stale).await, Err(CommitError::Conflict(_))));
    let mut replaced = Commit::new();
    world.objects.stage_delete(&mut replaced, &world.bucket, &info).await.unwrap();
    assert!(matches!(world.objects.store().commit(replaced).await, Err(CommitError::Conflict(_))));
}

#[tokio::test]
async fn a_staged_put_into_a_bucket_that_went_conflicts() {
    let world = World::new().await;
    let body = world.objects.stage_bytes(&world.bucket, "x".into(), false).await.unwrap();
    let mut commit = Commit::new();
    let now = Timestamp::from_ms(1);
    world
        .objects
        .stage_put(&mut commit, &world.bucket, &key("k"), &body, Attributes::default(), now)
        .await
        .unwrap();
    world.objects.delete_bucket(&world.bucket).await.unwrap();
    assert!(matches!(world.objects.store().commit(commit).await, Err(CommitError::Conflict(_))));
    assert_eq!(world.facts(0x0210).await, 0);
}

#[tokio::test]
async fn a_flipped_bit_is_an_error_and_never_bytes() {
    let world = World::new().await;
    world.put("k", pattern(BIG, 1)).await;
    let blob = headwater_blob::Blobs::list(&world.blobs).await.unwrap()[0];
    world.blobs.flip_bit(blob, 1234);
    let reader = world.objects.open(&world.bucket, &key("k")).await.unwrap();
    assert!(matches!(reader.read(0..10).await, Err(ObjectError::Blob(_))));
    assert!(reader.stream(0..10).next().await.unwrap().is_err());
}
