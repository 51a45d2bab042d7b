//! Sealed bodies: every kind, every place, and what does not open.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt;
use headwater_objects::{
    Asked, Attributes, BucketEncryption, Condition, CustomerKey, DeclaredObject, DefaultAlgorithm,
    ObjectError, ObjectInfo, SealedWith, UploadOptions,
};

use super::*;

fn kms(key: Option<&str>) -> Asked {
    let context = BTreeMap::from([("team".to_owned(), "ml".to_owned())]);
    Asked::Kms { key: key.map(str::to_owned), context, bucket_key: Some(true) }
}

fn customer(seed: u8) -> CustomerKey {
    CustomerKey([seed; 32])
}

async fn put(world: &World, name: &str, body: &Bytes, asked: &Asked) -> ObjectInfo {
    let sealing = world.objects.sealing(&world.bucket, asked).await.unwrap();
    let pieces: Vec<_> = body.chunks(70_001).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let body =
        world.objects.stage(futures::stream::iter(pieces).boxed(), &BTreeSet::new(), &sealing).await.unwrap();
    world
        .objects
        .put(&world.bucket, &key(name), &body, Attributes::default(), &Condition::Anything)
        .await
        .unwrap()
}

/// Whether `needle` lies in any fact or blob.
async fn is_found(world: &World, needle: &[u8]) -> bool {
    use headwater_store::{Direction, KeyRange, Kind};
    let holds = |bytes: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    for kind in [0x0210, 0x0212, 0x0222] {
        let range = KeyRange::prefix(&headwater_store::Key::of(Kind(kind)).build());
        let rows = world.objects.store().scan(&range, 1000, Direction::Forward).await.unwrap();
        if rows.iter().any(|row| holds(&row.fact.value)) {
            return true;
        }
    }
    for id in world.blobs.list().await.unwrap() {
        let reader = world.blobs.open(id).await.unwrap();
        if holds(&reader.read(0..reader.len()).await.unwrap()) {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn sealed_bodies_read_back_and_lie_nowhere_in_the_clear() {
    let world = World::new().await;
    for (name, asked) in [("s3", Asked::S3), ("kms", kms(None)), ("customer", Asked::Customer(customer(1)))] {
        for size in [0, 1, 5_000, 128 << 10, BIG, 2_500_000] {
            let body = pattern(size, 3);
            let info = put(&world, name, &body, &asked).await;
            assert_eq!(info.size, size as u64);
            let mut reader = world.objects.open(&world.bucket, &key(name)).await.unwrap();
            if name == "customer" {
                assert!(matches!(reader.read(0..0).await, Err(ObjectError::CustomerKeyNeeded)) || size > 0);
                reader.unlock(Some(&customer(1))).unwrap();
            }
            assert!(whole(&reader).await == body, "{name} {size}");
            for range in [0..1, 65_530..65_540, 131_071..131_073, 1_048_575..1_048_580] {
                if range.end <= size as u64 {
                    let part = body.slice(range.start as usize..range.end as usize);
                    assert_eq!(reader.read(range).await.unwrap(), part);
                }
            }
            if size >= 5_000 {
                assert!(!is_found(&world, &body[1000..1064]).await, "{name} {size}");
            }
        }
    }
    put(&world, "plain", &pattern(BIG, 3), &Asked::Default).await;
    assert!(is_found(&world, &pattern(BIG, 3)[1000..1064]).await, "the search finds what is not sealed");
}

#[tokio::test]
async fn etags_are_md5_only_where_s3_says_so() {
    let world = World::new().await;
    let body = pattern(BIG, 1);
    let plain = put(&world, "plain", &body, &Asked::Default).await;
    assert_eq!(put(&world, "s3", &body, &Asked::S3).await.etag, plain.etag);
    for asked in [kms(None), Asked::Customer(customer(1))] {
        let sealed = put(&world, "k", &body, &asked).await;
        assert_ne!(sealed.etag, plain.etag);
        assert_eq!(sealed.etag.len(), 32);
        assert_eq!(sealed.checksums, plain.checksums, "checksums are of the plaintext");
    }
}

#[tokio::test]
async fn what_was_asked_for_is_kept_with_the_object() {
    let world = World::new().await;
    put(&world, "k", &pattern(10, 1), &kms(Some("alias/aws/s3"))).await;
    let info = world.objects.head(&world.bucket, &key("k")).await.unwrap();
    let encryption = info.encryption.unwrap();
    let SealedWith::Kms { arn, context, bucket_key } = encryption.with() else { panic!("{encryption:?}") };
    assert!(arn.starts_with("arn:aws:kms:eu-west-1:000000000042:key/"), "{arn}");
    assert_eq!((context["team"].as_str(), bucket_key), ("ml", true));
    // The same key by its ARN; an unknown one is refused before anything is written.
    let by_arn = put(&world, "k2", &pattern(10, 1), &kms(Some(arn))).await;
    assert_eq!(by_arn.encryption, Some(encryption.clone()));
    let unknown = world.objects.sealing(&world.bucket, &kms(Some("alias/none"))).await;
    assert!(matches!(unknown, Err(ObjectError::NoSuchKmsKey(_))));
}

#[tokio::test]
async fn a_customers_key_must_be_the_same() {
    let world = World::new().await;
    put(&world, "k", &pattern(BIG, 1), &Asked::Customer(customer(1))).await;
    let mut reader = world.objects.open(&world.bucket, &key("k")).await.unwrap();
    assert!(matches!(reader.read(0..1).await, Err(ObjectError::CustomerKeyNeeded)));
    assert!(matches!(reader.unlock(None), Err(ObjectError::CustomerKeyNeeded)));
    assert!(matches!(reader.unlock(Some(&customer(2))), Err(ObjectError::CustomerKeyWrong)));
    assert!(reader.stream(0..1).next().await.unwrap().is_err());
    reader.unlock(Some(&customer(1))).unwrap();
    assert_eq!(whole(&reader).await, pattern(BIG, 1));
    // The key is nowhere.
    assert!(!is_found(&world, &[1; 32]).await);
    put(&world, "plain", &pattern(10, 1), &Asked::Default).await;
    let mut plain = world.objects.open(&world.bucket, &key("plain")).await.unwrap();
    assert!(matches!(plain.unlock(Some(&customer(1))), Err(ObjectError::CustomerKeyUnneeded)));
}

#[tokio::test]
async fn a_buckets_default_holds_for_every_writer() {
    let world = World::new().await;
    let default = BucketEncryption { algorithm: DefaultAlgorithm::Kms(None), bucket_key: true };
    world.objects.set_bucket_encryption(&world.bucket, Some(&default)).await.unwrap();
    let bucket = world.objects.bucket(&world.bucket.name).await.unwrap();
    assert_eq!(bucket.encryption.as_ref(), Some(&default));
    let put =
        world.objects.put_bytes(&bucket, &key("a"), pattern(BIG, 1), Attributes::default()).await.unwrap();
    assert!(matches!(put.encryption.unwrap().with(), SealedWith::Kms { bucket_key: true, .. }));
    // An engine that stages into a commit of its own.
    let body = world.objects.stage_bytes(&bucket, pattern(100, 2), true).await.unwrap();
    let mut commit = headwater_store::Commit::new();
    let now = Timestamp::from_ms(5);
    world
        .objects
        .stage_put(&mut commit, &bucket, &key("b"), &body, Attributes::default(), now)
        .await
        .unwrap();
    world.objects.store().commit(commit).await.unwrap();
    let info = world.objects.head(&bucket, &key("b")).await.unwrap();
    assert!(info.encryption.is_some());
    assert_eq!(world.get("b").await, pattern(100, 2));
    // Uploads, too; and a writer may ask for something else.
    let id = world
        .objects
        .create_upload(&bucket, &key("c"), Attributes::default(), UploadOptions::default())
        .await;
    let upload = world.objects.upload(&bucket, &key("c"), id.unwrap()).await.unwrap();
    assert!(matches!(upload.encryption.unwrap().with(), SealedWith::Kms { .. }));
    let s3 = world.objects.sealing(&bucket, &Asked::S3).await.unwrap();
    assert_eq!(s3.encryption().unwrap().with(), SealedWith::S3);
    world.objects.set_bucket_encryption(&bucket, None).await.unwrap();
    let bucket = world.objects.bucket(&world.bucket.name).await.unwrap();
    assert_eq!(bucket.encryption, None);
    assert_eq!(world.get("a").await, pattern(BIG, 1), "what was sealed stays readable");
}

#[tokio::test]
async fn parts_are_sealed_each_with_a_key_of_its_own() {
    let world = World::new().await;
    for (asked, given) in [(Asked::S3, None), (Asked::Customer(customer(7)), Some(customer(7)))] {
        let options = UploadOptions { asked, ..UploadOptions::default() };
        let id = world
            .objects
            .create_upload(&world.bucket, &key("m"), Attributes::default(), options)
            .await
            .unwrap();
        let upload = world.objects.upload(&world.bucket, &key("m"), id).await.unwrap();
        if given.is_some() {
            let missing = world.objects.sealing_of_part(&upload, None);
            assert!(matches!(missing, Err(ObjectError::CustomerKeyNeeded)));
            let other = world.objects.sealing_of_part(&upload, Some(&customer(8)));
            assert!(matches!(other, Err(ObjectError::CustomerKeyWrong)));
        }
        let (mut all, mut named) = (Vec::new(), Vec::new());
        for (number, size) in [(1, 5 << 20), (2, (5 << 20) + 70_000), (3, 100)] {
            let sealing = world.objects.sealing_of_part(&upload, given.as_ref()).unwrap();
            let body = pattern(size, number as u8);
            all.extend_from_slice(&body);
            let body = futures::stream::iter([Ok(body)]).boxed();
            let body = world.objects.stage(body, &BTreeSet::new(), &sealing).await.unwrap();
            let part = world.objects.put_part(&world.bucket, &key("m"), id, number, &body).await.unwrap();
            named.push(headwater_objects::CompletedPart { number, etag: part.etag, checksum: None });
        }
        let nothing = Condition::Anything;
        let done = world
            .objects
            .complete_upload(&world.bucket, &key("m"), id, &named, &DeclaredObject::default(), &nothing)
            .await
            .unwrap();
        assert!(done.encryption.is_some());
        let mut reader = world.objects.open(&world.bucket, &key("m")).await.unwrap();
        reader.unlock(given.as_ref()).unwrap();
        assert!(whole(&reader).await == all);
        let border = 5 << 20;
        for range in [border - 1..border + 1, 2 * border + 69_990..2 * border + 70_050, border..border] {
            let expected = &all[range.start as usize..range.end as usize];
            assert!(reader.read(range.clone()).await.unwrap() == expected, "{range:?}");
        }
        assert!(!is_found(&world, &all[..64]).await);
        assert!(!is_found(&world, &all[all.len() - 64..]).await);
    }
}

#[tokio::test]
async fn copies_are_sealed_anew_when_they_are_to_be_sealed_otherwise() {
    let world = World::new().await;
    let body = pattern(BIG, 9);
    let kinds =
        [Asked::Default, Asked::S3, kms(None), Asked::Customer(customer(1)), Asked::Customer(customer(2))];
    let key_of = |asked: &Asked| match asked {
        Asked::Customer(key) => Some(key.clone()),
        _ => None,
    };
    for (n, from) in kinds.iter().enumerate() {
        let source = put(&world, "source", &body, from).await;
        for (m, to) in kinds.iter().enumerate() {
            let sealing = world.objects.sealing(&world.bucket, to).await.unwrap();
            assert_eq!(sealing.is_that_of(source.encryption.as_ref()), n == m, "{n} {m}");
            let mut reader = world.objects.open(&world.bucket, &key("source")).await.unwrap();
            reader.unlock(key_of(from).as_ref()).unwrap();
            let nothing = Condition::Anything;
            let (bucket, attributes) = (&world.bucket, Attributes::default());
            let copy = if n == m {
                world.copy(&source, "copy", attributes).await.unwrap()
            } else {
                world
                    .objects
                    .copy_sealed(&reader, bucket, &key("copy"), (&sealing, None), attributes, &nothing)
                    .await
                    .unwrap()
            };
            assert_eq!(copy.checksums, source.checksums);
            let mut reader = world.objects.open(&world.bucket, &key("copy")).await.unwrap();
            reader.unlock(key_of(to).as_ref()).unwrap();
            assert!(whole(&reader).await == body, "{n} {m}");
        }
    }
}

#[tokio::test]
async fn a_flipped_bit_is_an_error_also_where_no_checksum_sees_it() {
    use headwater_store::{Commit, Direction, KeyRange, Kind};
    let world = World::new().await;
    put(&world, "k", &pattern(100_000, 1), &Asked::S3).await;
    let range = KeyRange::prefix(&headwater_store::Key::of(Kind(0x0212)).build());
    let row = world.objects.store().scan(&range, 1, Direction::Forward).await.unwrap().remove(0);
    let current = KeyRange::prefix(&headwater_store::Key::of(Kind(0x0210)).build());
    let object = world.objects.store().scan(&current, 1, Direction::Forward).await.unwrap().remove(0);
    let mut damaged = row.fact.value.to_vec();
    damaged[70_000] ^= 4;
    // The same commit writes the object's fact again: the body carries its LSN.
    let commit = Commit::new().put(row.key.clone(), damaged).put(object.key, object.fact.value);
    world.objects.store().commit(commit).await.unwrap();
    let reader = world.objects.open(&world.bucket, &key("k")).await.unwrap();
    assert_eq!(
        reader.read(0..1000).await.unwrap(),
        pattern(100_000, 1).slice(..1000),
        "the first piece is whole"
    );
    assert!(matches!(reader.read(65_000..66_000).await, Err(ObjectError::SealBroken(1))));
    assert!(reader.stream(0..100_000).next().await.unwrap().is_err());
}

#[tokio::test]
async fn without_its_key_a_body_is_an_error() {
    let world = World::new().await;
    put(&world, "k", &pattern(10, 1), &Asked::S3).await;
    assert_eq!(world.facts(0x0208).await, 1, "the use of a key is noted");
    let seams = Seams::simulated(Timestamp::from_ms(1), 99);
    let other = world.objects.clone().with_keyring(Arc::new(headwater_objects::Keyring::in_memory(seams)));
    let opened = other.open(&world.bucket, &key("k")).await;
    assert!(matches!(opened, Err(ObjectError::KeyMissing(_))), "{opened:?}");
    assert!(other.head(&world.bucket, &key("k")).await.is_ok());
}
