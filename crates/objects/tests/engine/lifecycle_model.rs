//! What the reconciler does by its index, against a naive scan of everything.
//!
//! A plan of puts, deletes, tag changes, rule changes and nights is played on the engine and on a model that
//! keeps every key's versions in a list and, each night, goes over all of them with the rules as they are.

use std::collections::BTreeMap;
use std::time::Duration;

use headwater_objects::{
    Attributes, Expiration, Filter, ListQuery, ListedVersion, NoncurrentExpiration, Rule, VersionQuery, When,
};
use proptest::prelude::*;

use crate::{World, key};

const DAY_MS: i64 = 86_400_000;

#[derive(Clone, Debug)]
enum Step {
    Put { key: u8, tagged: bool },
    Delete { key: u8 },
    Tag { key: u8, tagged: bool },
    Rules(Vec<Plan>),
    NoRules,
    Night,
}

/// A rule, small enough to be modelled.
#[derive(Clone, Copy, Debug)]
enum Plan {
    Expire { days: i32, tagged: bool },
    Noncurrent { days: i32, kept: Option<i32> },
    Markers,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Version {
    /// Its size; none of a marker.
    size: Option<usize>,
    put_ms: i64,
    tagged: bool,
}

/// Versions by key, newest first.
#[derive(Clone, Default, Debug)]
struct Model {
    keys: BTreeMap<u8, Vec<Version>>,
    rules: Vec<Plan>,
    versioned: bool,
}

fn due(from_ms: i64, days: i32) -> i64 {
    (from_ms + i64::from(days) * DAY_MS + DAY_MS - 1).div_euclid(DAY_MS) * DAY_MS
}

impl Model {
    fn put(&mut self, key: u8, size: usize, now: i64, tagged: bool) {
        let versions = self.keys.entry(key).or_default();
        if !self.versioned {
            versions.clear();
        }
        versions.insert(0, Version { size: Some(size), put_ms: now, tagged });
    }

    fn delete(&mut self, key: u8, now: i64) {
        if !self.versioned {
            self.keys.remove(&key);
            return;
        }
        self.keys.entry(key).or_default().insert(0, Version { size: None, put_ms: now, tagged: false });
    }

    /// Everything looked at, until nothing changes.
    fn night(&mut self, now: i64) {
        let rules = self.rules.clone();
        let keys: Vec<u8> = self.keys.keys().copied().collect();
        for key in keys {
            while self.look(key, &rules, now) {}
        }
        self.keys.retain(|_, versions| !versions.is_empty());
    }

    fn look(&mut self, key: u8, rules: &[Plan], now: i64) -> bool {
        let versions = self.keys.get_mut(&key).unwrap();
        let before = versions.clone();
        let mut kept = Vec::new();
        for (place, version) in before.iter().enumerate() {
            let goes = place > 0
                && rules.iter().any(|rule| match rule {
                    Plan::Noncurrent { days, kept } => {
                        due(before[place - 1].put_ms, *days) <= now
                            && kept.is_none_or(|kept| place > kept as usize)
                    }
                    _ => false,
                });
            if !goes {
                kept.push(version.clone());
            }
        }
        *versions = kept;
        let Some(newest) = versions.first().cloned() else { return false };
        if newest.size.is_none() {
            let goes = versions.len() == 1
                && rules.iter().any(|rule| match rule {
                    Plan::Markers => due(newest.put_ms, 0) <= now,
                    Plan::Expire { days, tagged } => !tagged && due(newest.put_ms, *days) <= now,
                    Plan::Noncurrent { .. } => false,
                });
            if goes {
                versions.clear();
            }
        } else if rules.iter().any(|rule| match rule {
            Plan::Expire { days, tagged } => (!tagged || newest.tagged) && due(newest.put_ms, *days) <= now,
            _ => false,
        }) {
            self.delete(key, now);
        }
        self.keys.get(&key).is_some_and(|versions| *versions != before)
    }

    fn shown(&self) -> Vec<String> {
        let mut shown = Vec::new();
        for (key, versions) in &self.keys {
            shown.extend(versions.iter().map(|version| match version.size {
                Some(size) => format!("k{key}:{size}"),
                None => format!("k{key}-"),
            }));
        }
        shown
    }
}

fn rule(plan: Plan) -> Rule {
    let rule = Rule { enabled: true, ..Rule::default() };
    match plan {
        Plan::Expire { days, tagged } => {
            let tags = if tagged { vec![("t".into(), "v".into())] } else { Vec::new() };
            let filter = Filter { tags, ..Filter::default() };
            Rule { filter, expiration: Some(Expiration::At(When::Days(days))), ..rule }
        }
        Plan::Noncurrent { days, kept } => {
            Rule { noncurrent_expiration: Some(NoncurrentExpiration { days, newer_kept: kept }), ..rule }
        }
        Plan::Markers => Rule { expiration: Some(Expiration::ExpiredMarkers), ..rule },
    }
}

fn tags(tagged: bool) -> BTreeMap<String, String> {
    if tagged { [("t".into(), "v".into())].into() } else { BTreeMap::new() }
}

async fn shown(world: &World) -> Vec<String> {
    let list = ListQuery { limit: 1000, ..ListQuery::default() };
    let query = VersionQuery { list, after_version: None };
    let listed = world.objects.list_versions(&world.bucket, &query).await.unwrap();
    let one = |entry: &ListedVersion| match entry {
        ListedVersion::Version { info, .. } => format!("{}:{}", info.key, info.size),
        ListedVersion::Marker { key, .. } => format!("{key}-"),
        ListedVersion::Prefix(prefix) => panic!("{prefix}"),
    };
    listed.entries.iter().map(one).collect()
}

async fn play(versioned: bool, steps: &[Step]) {
    let mut world = if versioned { World::versioned().await } else { World::new().await };
    let mut model = Model { versioned, ..Model::default() };
    for (n, step) in steps.iter().enumerate() {
        // Every step has a moment of its own.
        world.objects.seams().clock.advance(Duration::from_millis(10));
        let now = world.objects.seams().clock.now().ms();
        match step {
            Step::Put { key: k, tagged } => {
                let attributes = Attributes { tags: tags(*tagged), ..Attributes::default() };
                let body = vec![0; n + 1].into();
                world
                    .objects
                    .put_bytes(&world.bucket, &key(&format!("k{k}")), body, attributes)
                    .await
                    .unwrap();
                model.put(*k, n + 1, now, *tagged);
            }
            Step::Delete { key: k } => {
                world.objects.delete(&world.bucket, &key(&format!("k{k}"))).await.unwrap();
                model.delete(*k, now);
            }
            Step::Tag { key: k, tagged } => {
                let name = key(&format!("k{k}"));
                let done = world.objects.set_tags(&world.bucket, &name, None, tags(*tagged)).await.is_ok();
                let newest = model.keys.get_mut(k).and_then(|versions| versions.first_mut());
                let newest = newest.filter(|newest| newest.size.is_some());
                assert_eq!(done, newest.is_some());
                if let Some(newest) = newest {
                    newest.tagged = *tagged;
                }
            }
            Step::Rules(plans) => {
                world.set_rules(plans.iter().copied().map(rule).collect()).await;
                model.rules.clone_from(plans);
            }
            Step::NoRules => {
                world.objects.set_lifecycle(&world.bucket, None).await.unwrap();
                model.rules.clear();
            }
            Step::Night => {
                night(&world, &mut model).await;
                assert_eq!(shown(&world).await, model.shown(), "after step {n} of {steps:?}");
            }
        }
    }
    night(&world, &mut model).await;
    assert_eq!(shown(&world).await, model.shown(), "{steps:?}");
}

/// A moment after the next midnight, when everything is done that is due.
async fn night(world: &World, model: &mut Model) {
    let clock = &world.objects.seams().clock;
    let to_midnight = DAY_MS - clock.now().ms().rem_euclid(DAY_MS) + 1;
    clock.advance(Duration::from_millis(to_midnight as u64));
    world.live().await;
    model.night(clock.now().ms());
}

fn plan() -> impl Strategy<Value = Plan> {
    prop_oneof![
        (1..4, any::<bool>()).prop_map(|(days, tagged)| Plan::Expire { days, tagged }),
        (1..4, proptest::option::of(1..3)).prop_map(|(days, kept)| Plan::Noncurrent { days, kept }),
        Just(Plan::Markers),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3u8, any::<bool>()).prop_map(|(key, tagged)| Step::Put { key, tagged }),
        2 => (0..3u8).prop_map(|key| Step::Delete { key }),
        1 => (0..3u8, any::<bool>()).prop_map(|(key, tagged)| Step::Tag { key, tagged }),
        1 => proptest::collection::vec(plan(), 1..4).prop_map(Step::Rules),
        1 => Just(Step::NoRules),
        4 => Just(Step::Night),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_index_finds_what_a_scan_finds(versioned: bool, steps in proptest::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(versioned, &steps));
    }
}
