//! The engine's handle, and the verbs about a bucket's configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use headwater_base::Seams;
use headwater_objects::{Bucket, CommitError, Lsn, ObjectError, Objects, StoreError};
use headwater_store::{Commit, Store};
use headwater_work::{Signal, Work};
use tokio::sync::watch;

use crate::queue::{DestinationStatus, Queue};
use crate::records::rules::RulesRecord;
use crate::records::{decode, encode, keys};
use crate::{
    Carrier, DeadLetter, DestinationKind, EventError, Lane, Message, Notification, Router, Target, message,
};

/// How often the router and the lanes look, beside the signals they get.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// How often an operation starts over because others changed what it works on.
const TRIES_MAX: usize = 16;

/// How many test messages are sent at a time.
const TESTS_AT_ONCE: usize = 8;

/// How long a change of rules waits for the events before it to be routed by the old ones.
const ROUTED_WAIT_MAX: Duration = Duration::from_secs(2);

/// What the engine is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Every destination that events can be delivered to.
    pub targets: Vec<Target>,
    /// How long an event waits for its destination before it becomes a dead letter.
    pub keep: Duration,
    /// How many bytes of events wait for one destination; beyond it the oldest become dead letters.
    pub queue_bytes_max: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { targets: Vec::new(), keep: Duration::from_secs(4 * 24 * 3600), queue_bytes_max: 256 << 20 }
    }
}

/// The engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Events {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) objects: Objects,
    pub(crate) seams: Seams,
    pub(crate) targets: BTreeMap<String, Target>,
    pub(crate) carrier: Arc<dyn Carrier>,
    pub(crate) keep: Duration,
    pub(crate) queue_bytes_max: u64,
    /// Every event committed up to here is in its queues.
    pub(crate) routed: watch::Sender<Lsn>,
    /// How the tasks are woken, once they run.
    signals: OnceLock<Signals>,
}

#[derive(Debug)]
struct Signals {
    router: Signal,
    lanes: BTreeMap<String, Signal>,
}

impl Events {
    /// The engine; its router and lanes run with `work`.
    pub fn new(objects: Objects, options: Options, carrier: Arc<dyn Carrier>, work: &Work) -> Self {
        let events = Self::without_tasks(objects, options, carrier);
        let inner = &events.inner;
        let lane = |arn: &String| Some((arn.clone(), events.lane(arn, Some(work.clone()))?));
        let lanes: Vec<(String, Lane)> = inner.targets.keys().filter_map(lane).collect();
        let lanes = lanes.into_iter().map(|(arn, lane)| {
            let running = work.reconcile(Arc::new(lane), LOOK_EVERY);
            (arn, running.signal)
        });
        let lanes = lanes.collect();
        let router = work.reconcile(Arc::new(events.router()), LOOK_EVERY).signal;
        work.service(
            "events: watch the outbox",
            watch_outbox(inner.objects.clone(), router.clone(), work.clone()).boxed(),
        );
        // Set once: this is the only place that starts tasks for this engine.
        let _ = inner.signals.set(Signals { router, lanes });
        events
    }

    /// The engine alone: nothing is routed or delivered unless [`Events::router`] and
    /// [`Events::lane`] are run. For tests.
    pub fn without_tasks(objects: Objects, options: Options, carrier: Arc<dyn Carrier>) -> Self {
        let targets = options.targets.into_iter().map(|target| (target.arn.clone(), target)).collect();
        let inner = Inner {
            store: objects.store().clone(),
            seams: objects.seams().clone(),
            objects,
            targets,
            carrier,
            keep: options.keep,
            queue_bytes_max: options.queue_bytes_max,
            routed: watch::Sender::new(Lsn(0)),
            signals: OnceLock::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The reconciler that moves events from the outbox to the queues.
    pub fn router(&self) -> Router {
        Router::new(self.inner.clone())
    }

    /// The reconciler that delivers one destination's queue; `None` if no target stands for it.
    /// With `work` it ends early when the node stops.
    pub fn lane(&self, arn: &str, work: Option<Work>) -> Option<Lane> {
        let target = self.inner.targets.get(arn)?;
        Some(Lane::new(self.inner.clone(), target.clone(), work))
    }

    /// What a bucket notifies about.
    ///
    /// # Errors
    /// The store's.
    pub async fn notification(&self, bucket: &Bucket) -> Result<Notification, EventError> {
        let key = keys::rules(bucket.incarnation);
        match self.inner.store.get(&key).await? {
            Some(fact) => Ok(read_rules(&key, &fact.value)?),
            None => Ok(Notification::default()),
        }
    }

    /// Replaces what a bucket notifies about. Unless `skip_validation`, every destination must have
    /// a target, and queues and topics must take a test message. Changes committed before are
    /// routed by the rules they met, if the router keeps up.
    ///
    /// # Errors
    /// [`EventError::Unvalidated`], [`ObjectError::NoSuchBucket`].
    pub async fn set_notification(
        &self,
        bucket: &Bucket,
        notification: &Notification,
        skip_validation: bool,
        request_id: &str,
    ) -> Result<(), EventError> {
        if !skip_validation {
            self.validate(bucket, notification, request_id).await?;
        }
        self.wait_until_routed().await;
        let rules = keys::rules(bucket.incarnation);
        for _ in 0..TRIES_MAX {
            let mut commit = Commit::new();
            self.inner.objects.stage_notifies(&mut commit, bucket, !notification.is_empty()).await?;
            commit.stage(|c| match notification.is_empty() {
                true => c.delete(rules.clone()),
                false => c.put(rules.clone(), encode(&RulesRecord::from(notification))),
            });
            match self.inner.store.commit(commit).await {
                Ok(_) => return Ok(()),
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ObjectError::Contended.into())
    }

    /// How each destination's queue stands, by ARN: every target, and every other destination that
    /// has a queue.
    ///
    /// # Errors
    /// The store's.
    pub async fn status(&self) -> Result<Vec<DestinationStatus>, EventError> {
        let mut arns: BTreeSet<String> = self.inner.targets.keys().cloned().collect();
        arns.extend(Queue::destinations(&*self.inner.store).await?);
        let mut all = Vec::with_capacity(arns.len());
        for arn in arns {
            let url = self.inner.targets.get(&arn).map(|target| target.url.clone());
            all.push(Queue::new(self.inner.clone(), arn).status(url).await?);
        }
        Ok(all)
    }

    /// The oldest dead letters of a destination.
    ///
    /// # Errors
    /// The store's.
    pub async fn dead_letters(&self, arn: &str, limit: usize) -> Result<Vec<DeadLetter>, EventError> {
        Ok(Queue::new(self.inner.clone(), arn.to_owned()).dead_letters(limit).await?)
    }

    /// Every destination has a target; queues and topics take a test message. (AWS asks a
    /// function's policy and sends it none.)
    async fn validate(
        &self,
        bucket: &Bucket,
        notification: &Notification,
        request_id: &str,
    ) -> Result<(), EventError> {
        let (mut failed, mut tests) = (BTreeSet::new(), BTreeMap::new());
        for rule in notification.rules() {
            match (self.inner.targets.get(&rule.arn), rule.kind) {
                (None, _) => {
                    failed.insert(rule.arn.clone());
                }
                (Some(target), DestinationKind::Queue | DestinationKind::Topic) => {
                    tests.insert(rule.arn.clone(), target.clone());
                }
                (Some(_), DestinationKind::Function) => {}
            }
        }
        if !failed.is_empty() {
            return Err(EventError::Unvalidated(failed.into_iter().collect()));
        }
        let time = self.inner.seams.clock.now().iso();
        let message = Message {
            id: format!("test-{request_id}"),
            body: message::test_event(bucket.name.as_str(), &time, request_id),
        };
        let tests = tests.into_values().map(|target: Target| {
            let (carrier, message) = (self.inner.carrier.clone(), message.clone());
            async move {
                let outcome = carrier.carry(&target, &message).await;
                (target.arn, outcome)
            }
        });
        let mut tests = futures::stream::iter(tests).buffer_unordered(TESTS_AT_ONCE);
        while let Some((arn, outcome)) = tests.next().await {
            if let Err(error) = outcome {
                tracing::warn!(arn, %error, "a destination did not take its test message");
                failed.insert(arn);
            }
        }
        if failed.is_empty() { Ok(()) } else { Err(EventError::Unvalidated(failed.into_iter().collect())) }
    }

    /// Waits a moment until the events of all commits so far are in their queues.
    async fn wait_until_routed(&self) {
        let Some(signals) = self.inner.signals.get() else { return };
        let until = self.inner.store.status().published;
        let mut routed = self.inner.routed.subscribe();
        signals.router.notify();
        let done = async {
            // The sender lives as long as `self`, so this ends only by the value.
            let _ = routed.wait_for(|routed| *routed >= until).await;
        };
        if self.inner.seams.clock.timeout(ROUTED_WAIT_MAX, done).await.is_none() {
            tracing::warn!("rules change before earlier events were routed");
        }
    }
}

impl Inner {
    pub(crate) fn wake_lane(&self, arn: &str) {
        if let Some(signal) = self.signals.get().and_then(|signals| signals.lanes.get(arn)) {
            signal.notify();
        }
    }
}

pub(crate) fn read_rules(key: &headwater_store::Key, value: &[u8]) -> Result<Notification, StoreError> {
    let record: RulesRecord = decode(key, value)?;
    record.notification().ok_or_else(|| StoreError::Corrupt(format!("{key:?}: unknown rules")))
}

/// Wakes the router when events come.
async fn watch_outbox(objects: Objects, router: Signal, work: Work) -> headwater_work::TaskResult<()> {
    let mut watch = objects.watch_outbox();
    let changes = async {
        while watch.changed().await {
            router.notify();
        }
    };
    tokio::select! {
        () = changes => {}
        () = work.stopping() => {}
    }
    Ok(())
}
