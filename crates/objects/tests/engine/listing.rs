//! Listings against a naive model, page by page, and bookmarks.

use std::collections::BTreeSet;

use headwater_objects::{ListQuery, Listed, Lsn};
use proptest::prelude::*;

use crate::{World, key};

/// What a listing must be, computed the slow way.
fn model(keys: &BTreeSet<String>, query: &ListQuery) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in keys.iter().filter(|name| name.starts_with(&query.prefix)) {
        let rest = &name[query.prefix.len()..];
        let folded = query.delimiter.as_deref().and_then(|d| rest.find(d).map(|at| at + d.len()));
        let shown = folded.map_or(name.clone(), |end| name[..query.prefix.len() + end].to_owned());
        let is_after = query.after.as_ref().is_none_or(|after| shown > *after);
        if is_after && names.last() != Some(&shown) {
            names.push(shown);
        }
    }
    names
}

async fn pages(world: &World, query: &ListQuery) -> Vec<String> {
    let mut query = query.clone();
    let mut names: Vec<String> = Vec::new();
    loop {
        let page = world.objects.list(&world.bucket, &query).await.unwrap();
        assert!(page.entries.len() <= query.limit);
        names.extend(page.entries.iter().map(|entry| entry.name().to_owned()));
        if !page.truncated {
            return names;
        }
        assert_eq!(page.entries.len(), query.limit);
        query.after = names.last().cloned();
    }
}

fn names() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(vec!["a", "b", "/", "\0", "ü", "\u{10FFFF}"]), 1..6)
        .prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn pages_are_what_the_model_says(
        keys in proptest::collection::btree_set(names(), 0..60),
        prefix in prop_oneof![Just(String::new()), names()],
        delimiter in proptest::option::of(prop_oneof![Just("/".to_owned()), Just("a/".to_owned()), Just("\0".to_owned())]),
        after in proptest::option::of(names()),
        limit in 1usize..7,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            for name in &keys {
                world.put(name, "x").await;
            }
            let query = ListQuery { prefix, delimiter, after, limit };
            assert_eq!(pages(&world, &query).await, model(&keys, &query), "{query:?} over {keys:?}");
        });
    }
}

#[tokio::test]
async fn big_folders_fold_to_one_entry() {
    let world = World::new().await;
    for n in 0..1500 {
        world.put(&format!("folder/{n:04}"), "x").await;
    }
    world.put("after", "x").await;
    world.put("zz", "x").await;
    let query = ListQuery { delimiter: Some("/".into()), limit: 10, ..ListQuery::default() };
    let page = world.objects.list(&world.bucket, &query).await.unwrap();
    let names: Vec<&str> = page.entries.iter().map(Listed::name).collect();
    assert_eq!((names, page.truncated), (vec!["after", "folder/", "zz"], false));
    let all = ListQuery { limit: 10_000, ..ListQuery::default() };
    assert_eq!(world.objects.list(&world.bucket, &all).await.unwrap().entries.len(), 1502);
    let none = ListQuery { limit: 0, ..ListQuery::default() };
    let page = world.objects.list(&world.bucket, &none).await.unwrap();
    assert!(page.entries.is_empty() && !page.truncated);
}

#[tokio::test]
async fn a_bookmark_covers_what_was_put_in_its_range() {
    let world = World::new().await;
    let first = world.put("t/a", "x").await;
    let second = world.put("t/b", "x").await;
    world.put("other", "x").await;
    let third = world.put("t/c", "x").await;
    world
        .objects
        .set_tags(&world.bucket, &key("t/a"), None, [("k".into(), "v".into())].into())
        .await
        .unwrap();
    let names = |from: Lsn, to: Lsn| {
        let world = &world;
        async move {
            let page = world.objects.list_changed(&world.bucket, "t/", (from, to), None, 100).await.unwrap();
            page.entries.iter().map(|entry| entry.name().to_owned()).collect::<Vec<_>>()
        }
    };
    assert_eq!(names(Lsn(0), third.lsn).await, ["t/a", "t/b", "t/c"]);
    assert_eq!(
        names(first.lsn, third.lsn).await,
        ["t/b", "t/c"],
        "the beginning is left out; tags are no change"
    );
    assert_eq!(names(first.lsn, second.lsn).await, ["t/b"]);
    let page =
        world.objects.list_changed(&world.bucket, "t/", (Lsn(0), third.lsn), Some("t/a"), 1).await.unwrap();
    assert_eq!((page.entries[0].name(), page.truncated), ("t/b", true));
}
