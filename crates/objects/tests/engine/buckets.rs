//! Buckets: names, owners, tags, and deletion against puts.

use std::collections::BTreeMap;

use headwater_objects::{Attributes, BucketName, ObjectError, Removal};

use crate::{World, create, key};

#[tokio::test]
async fn names_are_unique_until_deleted() {
    let world = World::new().await;
    let name = BucketName::new("bucket").unwrap();
    let region = "eu-west-1".parse().unwrap();
    let again = world.objects.create_bucket(&name, "000000000001".parse().unwrap(), &region).await;
    assert!(matches!(again, Err(ObjectError::BucketExists(_))));
    world.objects.delete_bucket(&world.bucket).await.unwrap();
    assert!(matches!(world.objects.bucket(&name).await, Err(ObjectError::NoSuchBucket(_))));
    let reborn = create(&world.objects, "bucket").await;
    assert_ne!(reborn.incarnation, world.bucket.incarnation);
    let put = world.objects.put_bytes(&world.bucket, &key("k"), "x".into(), Attributes::default()).await;
    assert!(
        matches!(put, Err(ObjectError::NoSuchBucket(_))),
        "another bucket of that name is another bucket"
    );
    let delete = world.objects.delete_bucket(&world.bucket).await;
    assert!(matches!(delete, Err(ObjectError::NoSuchBucket(_))));
}

#[tokio::test]
async fn only_empty_buckets_are_deleted() {
    let world = World::new().await;
    world.put("k", "x").await;
    let refused = world.objects.delete_bucket(&world.bucket).await;
    assert!(matches!(refused, Err(ObjectError::BucketNotEmpty(_))));
    world.put("k2", "still writable").await;
    let gone = [Removal::of(key("k")), Removal::of(key("k2"))];
    let outcomes = world.objects.delete_many(&world.bucket, &gone).await.unwrap();
    assert!(outcomes.iter().all(Result::is_ok));
    world.objects.delete_bucket(&world.bucket).await.unwrap();
    for kind in [0x0200, 0x0201, 0x0202, 0x0203, 0x0210, 0x0212] {
        assert_eq!(world.facts(kind).await, 0, "{kind:#x}");
    }
}

#[tokio::test]
async fn a_deletion_and_puts_never_lose_an_acknowledged_object() {
    for round in 0..30 {
        let world = World::new().await;
        let puts = async {
            let mut acknowledged = 0;
            for n in 0..4 {
                let name = key(&format!("k{n}"));
                let put = world.objects.put_bytes(&world.bucket, &name, "x".into(), Attributes::default());
                acknowledged += usize::from(put.await.is_ok());
                for _ in 0..round % 5 {
                    tokio::task::yield_now().await;
                }
            }
            acknowledged
        };
        let (acknowledged, deleted) = tokio::join!(puts, world.objects.delete_bucket(&world.bucket));
        match deleted {
            Ok(()) => assert_eq!((acknowledged, world.facts(0x0210).await), (0, 0)),
            Err(ObjectError::BucketNotEmpty(_)) => assert_eq!(world.facts(0x0210).await, acknowledged),
            Err(other) => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn owners_see_their_own() {
    let world = World::new().await;
    create(&world.objects, "another").await;
    let other: headwater_base::AccountId = "000000000007".parse().unwrap();
    let name = BucketName::new("theirs").unwrap();
    world.objects.create_bucket(&name, other, &"eu-west-1".parse().unwrap()).await.unwrap();
    let names = |buckets: Vec<headwater_objects::Bucket>| {
        buckets.into_iter().map(|b| b.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(world.objects.list_buckets(world.bucket.owner).await.unwrap()), ["another", "bucket"]);
    assert_eq!(names(world.objects.list_buckets(other).await.unwrap()), ["theirs"]);
}

#[tokio::test]
async fn tags_come_and_go() {
    let world = World::new().await;
    assert_eq!(world.objects.bucket_tags(&world.bucket).await.unwrap(), None);
    let tags = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    world.objects.set_bucket_tags(&world.bucket, Some(tags.clone())).await.unwrap();
    assert_eq!(world.objects.bucket_tags(&world.bucket).await.unwrap(), Some(tags));
    world.objects.set_bucket_tags(&world.bucket, None).await.unwrap();
    assert_eq!(world.objects.bucket_tags(&world.bucket).await.unwrap(), None);
}
