//! A bucket's rules: set, read, and held in memory for those who put into it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use headwater_base::Timestamp;
use headwater_store::{Commit, Direction, KeyRange, Lsn, StoreError};
use headwater_work::Signal;

use super::decide::Seen;
use super::due::Day;
use super::rules::{Lifecycle, Rule, TransitionMinimum};
use crate::history::Standing;
use crate::records::lifecycle::{LifecycleRecord, NameRecord, RuleRecord, WalkRecord};
use crate::records::{decode, encode, keys};
use crate::{Bucket, ObjectError, ObjectInfo, ObjectKey, Objects};

/// Of how many buckets rules are held in memory.
const HELD_MAX: usize = 256;

/// Rules that were read, by bucket, and how those are woken who act on them.
#[derive(Debug, Default)]
pub(crate) struct Rulebook {
    held: Mutex<HashMap<u64, (Lsn, Arc<Lifecycle>)>>,
    signal: OnceLock<Signal>,
    restores: OnceLock<Signal>,
}

impl Rulebook {
    /// What wakes who acts on rules, and who brings copies back.
    pub(crate) fn wake_with(&self, signal: Signal, restores: Signal) {
        // Set once, when the engine starts.
        let _ = (self.signal.set(signal), self.restores.set(restores));
    }

    pub(crate) fn wake_restores(&self) {
        if let Some(signal) = self.restores.get() {
            signal.notify();
        }
    }

    pub(crate) fn wake(&self) {
        if let Some(signal) = self.signal.get() {
            signal.notify();
        }
    }

    fn get(&self, incarnation: u64, version: Lsn) -> Option<Arc<Lifecycle>> {
        let held = self.held.lock().expect("no holder of this lock panics");
        let (of, rules) = held.get(&incarnation)?;
        (*of == version).then(|| rules.clone())
    }

    fn keep(&self, incarnation: u64, version: Lsn, rules: Arc<Lifecycle>) {
        let mut held = self.held.lock().expect("no holder of this lock panics");
        if held.len() >= HELD_MAX && !held.contains_key(&incarnation) {
            held.clear();
        }
        held.insert(incarnation, (version, rules));
    }
}

/// A bucket's rules and the moment they are asked.
#[derive(Clone, Debug)]
pub(crate) struct RulesNow {
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) day: Day,
    pub(crate) now: Timestamp,
}

/// When something comes to its end, and by which rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ending {
    /// When.
    pub at: Timestamp,
    /// The rule's id.
    pub rule: String,
}

impl Objects {
    /// The bucket's lifecycle, if it has one.
    ///
    /// # Errors
    /// The store's.
    pub async fn lifecycle(&self, bucket: &Bucket) -> Result<Option<Arc<Lifecycle>>, ObjectError> {
        let standing = self.standing_now(bucket).await?;
        Ok(self.rules_now(bucket, &standing).await?.map(|rules| rules.lifecycle))
    }

    /// Replaces the bucket's lifecycle, or removes it. What is due by the new rules is found by a walk
    /// over the bucket, in the background.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchBucket`] when the bucket went meanwhile.
    pub async fn set_lifecycle(
        &self,
        bucket: &Bucket,
        lifecycle: Option<&Lifecycle>,
    ) -> Result<(), ObjectError> {
        let incarnation = bucket.incarnation;
        self.change_bucket(bucket, |record, commit| {
            let before = record.lifecycle.map_or(0, |lifecycle| lifecycle.rules);
            let rules = lifecycle.map_or(&[][..], Lifecycle::rules);
            let count = rules.len() as u32;
            record.lifecycle = lifecycle.map(|lifecycle| LifecycleRecord {
                rules: count,
                varies_by_class: lifecycle.minimum() == TransitionMinimum::VariesByClass,
            });
            for (number, rule) in (0..).zip(rules) {
                commit.stage(|c| c.put(keys::rule(incarnation, number), encode(&RuleRecord::of(rule))));
            }
            for number in count..before {
                commit.stage(|c| c.delete(keys::rule(incarnation, number)));
            }
            stage_walk(commit, bucket, lifecycle.is_some());
            Ok(())
        })
        .await?;
        self.rulebook.wake();
        Ok(())
    }

    /// When a current object comes to its end by the bucket's rules.
    ///
    /// # Errors
    /// The store's.
    pub async fn expiry(&self, bucket: &Bucket, object: &ObjectInfo) -> Result<Option<Ending>, ObjectError> {
        let Some(rules) = self.rules_of(bucket).await? else {
            return Ok(None);
        };
        let seen = Seen {
            key: object.key.as_str(),
            size: object.size,
            tags: &object.attributes.tags,
            class: object.attributes.storage_class,
            modified: object.modified,
            is_marker: false,
        };
        Ok(rules.lifecycle.expiry(rules.day, &seen).map(ending))
    }

    /// When an upload is given up by the bucket's rules.
    ///
    /// # Errors
    /// The store's.
    pub async fn upload_end(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        initiated: Timestamp,
    ) -> Result<Option<Ending>, ObjectError> {
        let rules = self.rules_of(bucket).await?;
        Ok(rules.and_then(|rules| rules.lifecycle.upload_end(rules.day, key.as_str(), initiated).map(ending)))
    }

    /// The rules, if the bucket's handle says that there are any. Costs nothing else.
    async fn rules_of(&self, bucket: &Bucket) -> Result<Option<RulesNow>, ObjectError> {
        if !bucket.lifecycle {
            return Ok(None);
        }
        let standing = self.standing_now(bucket).await?;
        self.rules_now(bucket, &standing).await
    }

    /// The rules of a bucket that stands so.
    pub(crate) async fn rules_now(
        &self,
        bucket: &Bucket,
        standing: &Standing,
    ) -> Result<Option<RulesNow>, ObjectError> {
        let (Some(record), Some(version)) = (standing.lifecycle, standing.version) else {
            return Ok(None);
        };
        let lifecycle = match self.rulebook.get(bucket.incarnation, version) {
            Some(held) => held,
            None => {
                let read = Arc::new(self.read_rules(bucket, record).await?);
                self.rulebook.keep(bucket.incarnation, version, read.clone());
                read
            }
        };
        Ok(Some(RulesNow { lifecycle, day: self.day, now: self.seams.clock.now() }))
    }

    async fn read_rules(&self, bucket: &Bucket, record: LifecycleRecord) -> Result<Lifecycle, ObjectError> {
        let range = KeyRange::prefix(&keys::rules(bucket.incarnation));
        let rows = self.store.scan(&range, record.rules as usize, Direction::Forward).await?;
        let mut rules = Vec::with_capacity(rows.len());
        for row in rows {
            let rule = decode::<RuleRecord>(&row.key, &row.fact.value)?.rule();
            rules.push(rule.ok_or_else(|| StoreError::Corrupt(format!("{:?}: not a rule", row.key)))?);
        }
        let minimum = if record.varies_by_class {
            TransitionMinimum::VariesByClass
        } else {
            TransitionMinimum::All128K
        };
        Ok(Lifecycle::stored(rules, minimum))
    }
}

/// Stages that the bucket is walked over from its beginning, or not any more.
fn stage_walk(commit: &mut Commit, bucket: &Bucket, begins: bool) {
    let walk = keys::walk(bucket.incarnation);
    if !begins {
        commit.stage(|c| c.delete(walk));
        return;
    }
    stage_name(commit, bucket);
    commit.stage(|c| c.put(walk, encode(&WalkRecord { phase: 0, after: None, seen: 0 })));
}

/// Stages what the bucket of an incarnation is called.
pub(crate) fn stage_name(commit: &mut Commit, bucket: &Bucket) {
    let record = NameRecord { bucket: bucket.name.as_str().to_owned() };
    commit.stage(|c| c.put(keys::name(bucket.incarnation), encode(&record)));
}

fn ending((at, rule): (Timestamp, &Rule)) -> Ending {
    Ending { at, rule: rule.id.clone() }
}
