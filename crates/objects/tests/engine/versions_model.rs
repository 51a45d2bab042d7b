//! Versions against a naive model: a list of versions per key, in the three states of a bucket.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use headwater_objects::{
    Attributes, Bucket, Bypass, CompletedPart, Condition, DeclaredObject, ListQuery, Listed, ObjectError,
    UploadOptions, VersionId, Versioning,
};
use proptest::prelude::*;

use crate::{BIG, World, key, pattern, whole};

#[derive(Clone, Debug)]
enum Step {
    Put {
        key: usize,
        big: bool,
    },
    Complete {
        key: usize,
    },
    Copy {
        from: usize,
        pick: usize,
        to: usize,
    },
    Delete {
        key: usize,
    },
    DeleteVersion {
        key: usize,
        pick: usize,
    },
    Tag {
        key: usize,
        pick: usize,
    },
    Versioning {
        enabled: bool,
    },
    /// Goes on with a fresh handle of the bucket.
    Look,
    Sweep,
}

const KEYS: [&str; 3] = ["a/1", "a/2", "b"];

fn step() -> impl Strategy<Value = Step> {
    let (key, pick) = (0..KEYS.len(), 0..6usize);
    prop_oneof![
        6 => (key.clone(), any::<bool>()).prop_map(|(key, big)| Step::Put { key, big }),
        2 => key.clone().prop_map(|key| Step::Complete { key }),
        3 => (key.clone(), pick.clone(), key.clone()).prop_map(|(from, pick, to)| Step::Copy { from, pick, to }),
        4 => key.clone().prop_map(|key| Step::Delete { key }),
        5 => (key.clone(), pick.clone()).prop_map(|(key, pick)| Step::DeleteVersion { key, pick }),
        2 => (key, pick).prop_map(|(key, pick)| Step::Tag { key, pick }),
        2 => any::<bool>().prop_map(|enabled| Step::Versioning { enabled }),
        2 => Just(Step::Look),
        1 => Just(Step::Sweep),
    ]
}

#[derive(Clone, Debug)]
struct Version {
    id: VersionId,
    /// None of a delete marker.
    body: Option<Bytes>,
    tag: Option<u8>,
}

/// What there should be. Of each key the oldest version comes first.
#[derive(Default)]
struct Model {
    versioning: Versioning,
    keys: BTreeMap<usize, Vec<Version>>,
}

impl Model {
    fn add(&mut self, key: usize, id: VersionId, body: Option<Bytes>) {
        let versions = self.keys.entry(key).or_default();
        assert_eq!(id.is_null(), self.versioning != Versioning::Enabled);
        match self.versioning {
            Versioning::Never => versions.clear(),
            Versioning::Enabled => {}
            Versioning::Suspended => versions.retain(|version| !version.id.is_null()),
        }
        versions.push(Version { id, body, tag: None });
    }

    fn of(&self, key: usize) -> &[Version] {
        self.keys.get(&key).map_or(&[], Vec::as_slice)
    }

    fn picked(&self, key: usize, pick: usize) -> Option<&Version> {
        let versions = self.of(key);
        versions.get(pick % versions.len().max(1))
    }
}

struct Trial {
    world: World,
    /// Perhaps from before the last change of versioning.
    handle: Arc<Bucket>,
    model: Model,
    seed: u8,
}

impl Trial {
    async fn new() -> Self {
        let world = World::new().await;
        let handle = world.bucket.clone();
        Self { world, handle, model: Model::default(), seed: 0 }
    }

    fn body(&mut self, big: bool) -> Bytes {
        self.seed += 1;
        pattern(if big { BIG } else { 9 }, self.seed)
    }

    async fn take(&mut self, step: &Step) {
        let (objects, handle) = (self.world.objects.clone(), self.handle.clone());
        match *step {
            Step::Put { key: k, big } => {
                let body = self.body(big);
                let put =
                    objects.put_bytes(&handle, &key(KEYS[k]), body.clone(), Attributes::default()).await;
                self.model.add(k, put.unwrap().version, Some(body));
            }
            Step::Complete { key: k } => {
                let (body, name) = (self.body(true), key(KEYS[k]));
                let (attributes, options) = (Attributes::default(), UploadOptions::default());
                let id = objects.create_upload(&handle, &name, attributes, options).await.unwrap();
                let staged = objects.stage_bytes(&handle, body.clone(), false).await.unwrap();
                let part = objects.put_part(&handle, &name, id, 1, &staged).await.unwrap();
                let parts = [CompletedPart { number: 1, etag: part.etag, checksum: None }];
                let completed = objects
                    .complete_upload(
                        &handle,
                        &name,
                        id,
                        &parts,
                        &DeclaredObject::default(),
                        &Condition::Anything,
                    )
                    .await;
                self.model.add(k, completed.unwrap().version, Some(body));
            }
            Step::Copy { from, pick, to } => {
                let Some(source) = self.model.picked(from, pick).cloned() else { return };
                let found = objects.head_version(&handle, &key(KEYS[from]), Some(source.id)).await;
                let Some(body) = source.body else {
                    assert!(matches!(found, Err(ObjectError::DeleteMarker { .. })));
                    return;
                };
                let (found, name) = (found.unwrap(), key(KEYS[to]));
                let (attributes, anything) = (Attributes::default(), Condition::Anything);
                let copied = objects.copy(&handle, &found, &handle, &name, attributes, &anything).await;
                self.model.add(to, copied.unwrap().version, Some(body));
            }
            Step::Delete { key: k } => {
                let deletion = objects.delete(&handle, &key(KEYS[k])).await.unwrap();
                assert_eq!(deletion.marker, self.model.versioning != Versioning::Never);
                match deletion.version {
                    Some(marker) => self.model.add(k, marker, None),
                    None => self.model.keys.entry(k).or_default().clear(),
                }
            }
            Step::DeleteVersion { key: k, pick } => {
                let Some(gone) = self.model.picked(k, pick).cloned() else { return };
                let (name, anything) = (key(KEYS[k]), Condition::Anything);
                let deletion = objects
                    .delete_version(&handle, &name, gone.id, &anything, Bypass::Nothing)
                    .await
                    .unwrap();
                assert_eq!((deletion.version, deletion.marker), (Some(gone.id), gone.body.is_none()));
                self.model.keys.entry(k).or_default().retain(|version| version.id != gone.id);
            }
            Step::Tag { key: k, pick } => self.tag(k, pick).await,
            Step::Versioning { enabled } => {
                objects.set_versioning(&handle, enabled).await.unwrap();
                self.model.versioning = if enabled { Versioning::Enabled } else { Versioning::Suspended };
            }
            Step::Look => {
                self.handle = objects.bucket(&handle.name).await.unwrap();
                assert_eq!(self.handle.versioning, self.model.versioning);
            }
            Step::Sweep => self.world.sweep().await,
        }
    }

    async fn tag(&mut self, k: usize, pick: usize) {
        let Some(id) = self.model.picked(k, pick).map(|version| version.id) else { return };
        self.seed += 1;
        let (seed, tags) = (self.seed, [("t".to_owned(), self.seed.to_string())].into());
        let set = self.world.objects.set_tags(&self.handle, &key(KEYS[k]), Some(id), tags).await;
        let version =
            self.model.keys.entry(k).or_default().iter_mut().find(|version| version.id == id).unwrap();
        match version.body {
            None => assert!(matches!(set, Err(ObjectError::DeleteMarker { .. }))),
            Some(_) => {
                assert_eq!(set.unwrap(), id);
                version.tag = Some(seed);
            }
        }
    }

    async fn check(&self) {
        let (objects, handle) = (&self.world.objects, &self.handle);
        for (k, name) in KEYS.iter().enumerate() {
            let versions = self.model.of(k);
            for version in versions {
                let reader = objects.open_version(handle, &key(name), Some(version.id)).await;
                match &version.body {
                    None => assert!(matches!(reader, Err(ObjectError::DeleteMarker { .. }))),
                    Some(body) => {
                        let reader = reader.unwrap();
                        assert_eq!(whole(&reader).await, *body);
                        let tag = version.tag.map(|tag| tag.to_string());
                        assert_eq!(reader.info.attributes.tags.get("t"), tag.as_ref());
                        assert_eq!(reader.info.version, version.id);
                    }
                }
            }
            let current = objects.open(handle, &key(name)).await;
            match versions.last().and_then(|version| version.body.as_ref()) {
                Some(body) => assert_eq!(whole(&current.unwrap()).await, *body),
                None => assert!(matches!(current, Err(ObjectError::NoSuchKey(_)))),
            }
            if !versions.iter().any(|version| version.id.is_null()) {
                let null = objects.head_version(handle, &key(name), Some(VersionId::NULL)).await;
                assert!(matches!(null, Err(ObjectError::NoSuchVersion { .. })));
            }
        }
        self.check_listings().await;
    }

    async fn check_listings(&self) {
        let mut expected = Vec::new();
        for (k, name) in KEYS.iter().enumerate() {
            for (n, version) in self.model.of(k).iter().rev().enumerate() {
                let size = version.body.as_ref().map(|body| body.len() as u64);
                expected.push(((*name).to_owned(), version.id, size, n == 0));
            }
        }
        for limit in [1, 2, 1000] {
            let listed = self.world.all_versions(ListQuery { limit, ..ListQuery::default() }).await;
            assert_eq!(listed, expected, "in pages of {limit}");
        }
        let query = ListQuery { limit: 1000, ..ListQuery::default() };
        let listing = self.world.objects.list(&self.handle, &query).await.unwrap();
        let listed: Vec<(String, VersionId)> = listing
            .entries
            .into_iter()
            .map(|entry| match entry {
                Listed::Object(info) => (info.key.as_str().to_owned(), info.version),
                Listed::Prefix(prefix) => panic!("no delimiter, but {prefix}"),
            })
            .collect();
        let current = expected.into_iter().filter(|(.., size, latest)| *latest && size.is_some());
        assert_eq!(listed, current.map(|(name, id, ..)| (name, id)).collect::<Vec<_>>());
    }

    /// After a sweep there is a blob for each large body and no other.
    async fn check_bodies(&self) {
        self.world.sweep().await;
        let versions = self.model.keys.values().flatten();
        let bodies: BTreeSet<&Bytes> =
            versions.filter_map(|version| version.body.as_ref()).filter(|body| body.len() == BIG).collect();
        assert_eq!(self.world.blobs.count(), bodies.len());
    }

    /// Nothing is left of versions that are gone.
    async fn check_clean_end(mut self) {
        for k in 0..KEYS.len() {
            while !self.model.of(k).is_empty() {
                self.take(&Step::DeleteVersion { key: k, pick: 0 }).await;
            }
        }
        self.check().await;
        self.world.sweep().await;
        assert_eq!(self.world.blobs.count(), 0);
        for kind in [0x0210, 0x0211, 0x0212, 0x0213, 0x0220, 0x0221, 0x0222, 0x0223, 0x0224, 0x0800] {
            assert_eq!(self.world.facts(kind).await, 0, "{kind:04x}");
        }
        self.world.objects.delete_bucket(&self.handle).await.unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn versions_are_what_the_model_says(steps in proptest::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut trial = Trial::new().await;
            for step in &steps {
                trial.take(step).await;
                trial.check().await;
            }
            trial.check_bodies().await;
            trial.check_clean_end().await;
        });
    }
}
