//! Triggers: what starts jobs and crawlers on demand and on schedule.
//!
//! A trigger that is due starts its actions and moves its due time on in one commit, so it fires
//! once for each moment, also when the node ends in between. What was missed while the node was
//! down is made up once.

use std::collections::HashMap;

use async_trait::async_trait;
use headwater_base::{Scope, Timestamp};
use headwater_store::{Commit, CommitError, Direction, KeyRange, Lsn};
use headwater_wire::Fault;
use headwater_work::{Pass, Reconciler, TaskResult};

use crate::jobs::StartRun;
use crate::records::job::{CallerRecord, TriggerRecord};
use crate::records::keys::{self, DueKind};
use crate::records::{decode, encode};
use crate::schedule::Schedule;
use crate::shapes::TriggerShape;
use crate::{State, fault};

/// The most actions a trigger has.
const ACTIONS_MAX: usize = 10;
/// How many due things a pass starts.
const DUE_ROWS: usize = 100;

/// A trigger as it is kept.
pub(crate) struct Trigger {
    pub(crate) name: String,
    pub(crate) shape: TriggerShape,
    pub(crate) record: TriggerRecord,
    version: Lsn,
}

impl Trigger {
    pub(crate) fn is_scheduled(&self) -> bool {
        self.shape.r#type.as_deref() == Some("SCHEDULED")
    }
}

/// Refuses triggers this node can't fire.
fn check(shape: &TriggerShape) -> Result<(), Fault> {
    match shape.r#type.as_deref() {
        Some("ON_DEMAND") => {}
        Some("SCHEDULED") => {
            let text = shape
                .schedule
                .as_deref()
                .ok_or_else(|| fault::invalid("A SCHEDULED trigger has a Schedule."))?;
            Schedule::parse(text).map_err(fault::invalid)?;
        }
        Some(other @ ("CONDITIONAL" | "EVENT")) => {
            return Err(fault::invalid(format!(
                "Triggers of type {other} are not supported by this node yet."
            )));
        }
        _ => return Err(fault::invalid("A trigger's Type is ON_DEMAND or SCHEDULED.")),
    }
    if shape.workflow_name.is_some() || shape.predicate.is_some() {
        return Err(fault::invalid("Workflows and predicates are not supported by this node yet."));
    }
    let actions = shape.actions.as_deref().unwrap_or_default();
    if actions.is_empty() || actions.len() > ACTIONS_MAX {
        return Err(fault::invalid(format!("A trigger has 1 to {ACTIONS_MAX} Actions.")));
    }
    if actions.iter().any(|action| action.job_name.is_some() == action.crawler_name.is_some()) {
        return Err(fault::invalid("An action names either a job or a crawler."));
    }
    Ok(())
}

impl State {
    /// The trigger.
    pub(crate) async fn trigger(&self, scope: &Scope, name: &str) -> Result<Trigger, Fault> {
        let key = keys::named(keys::TRIGGER, scope, name);
        let fact = self.ground.store.get(&key).await.map_err(fault::of_store)?;
        let fact = fact.ok_or_else(|| fault::not_found(&format!("Trigger {name} not found.")))?;
        trigger_of(name.to_owned(), &key, &fact)
    }

    /// Triggers in name order after `after`.
    pub(crate) async fn triggers(
        &self,
        scope: &Scope,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Trigger>, Fault> {
        let rows = self.page_of(keys::TRIGGER, scope, after, limit).await?;
        rows.iter().map(|(name, row)| trigger_of(name.clone(), &row.key, &row.fact)).collect()
    }

    /// Creates a trigger; a scheduled one is activated if it says so.
    pub(crate) async fn create_trigger(
        &self,
        scope: &Scope,
        name: &str,
        shape: &TriggerShape,
        caller: CallerRecord,
    ) -> Result<(), Fault> {
        check(shape)?;
        let record =
            TriggerRecord { definition_json: definition(shape)?, caller, due_ms: None, activated: false };
        let key = keys::named(keys::TRIGGER, scope, name);
        let activate = shape.start_on_creation.unwrap_or_default();
        let mut commit = Commit::new().expect_absent(key);
        self.stage_trigger(&mut commit, scope, name, shape, TriggerRecord { activated: activate, ..record });
        match self.ground.store.commit(commit).await {
            Ok(_) => Ok(()),
            Err(CommitError::Conflict(_)) => Err(fault::exists(&format!("Trigger {name} already exists."))),
            Err(error) => Err(fault::of_commit(error, &format!("Trigger {name}"))),
        }
    }

    /// Adds to `commit` what a trigger is now: its record, and when it is due.
    fn stage_trigger(
        &self,
        commit: &mut Commit,
        scope: &Scope,
        name: &str,
        shape: &TriggerShape,
        record: TriggerRecord,
    ) {
        let scheduled = shape.schedule.as_deref().filter(|_| shape.r#type.as_deref() == Some("SCHEDULED"));
        let schedule = scheduled.filter(|_| record.activated).and_then(|text| Schedule::parse(text).ok());
        let due = schedule.and_then(|schedule| schedule.next_after(self.ground.seams.clock.now()));
        let before = record.due_ms;
        let record = TriggerRecord { due_ms: due.map(Timestamp::ms), ..record };
        commit.stage(|mut commit| {
            if let Some(before) = before {
                commit = commit.delete(keys::due(before, scope, DueKind::Trigger, name));
            }
            if let Some(due_ms) = record.due_ms {
                commit = commit.put(keys::due(due_ms, scope, DueKind::Trigger, name), Vec::new());
            }
            commit.put(keys::named(keys::TRIGGER, scope, name), encode(&record))
        });
    }

    /// Replaces a trigger's definition; its type stays, and whether it is activated.
    pub(crate) async fn update_trigger(
        &self,
        scope: &Scope,
        name: &str,
        update: TriggerShape,
    ) -> Result<Trigger, Fault> {
        let trigger = self.trigger(scope, name).await?;
        let shape = TriggerShape {
            name: Some(name.to_owned()),
            r#type: trigger.shape.r#type.clone(),
            schedule: update.schedule.or(trigger.shape.schedule.clone()),
            description: update.description.or(trigger.shape.description.clone()),
            actions: update.actions.or(trigger.shape.actions.clone()),
            ..TriggerShape::default()
        };
        check(&shape)?;
        let record = TriggerRecord { definition_json: definition(&shape)?, ..trigger.record };
        let mut commit = Commit::new().expect(keys::named(keys::TRIGGER, scope, name), trigger.version);
        self.stage_trigger(&mut commit, scope, name, &shape, record);
        self.commit(commit, &format!("Trigger {name}")).await?;
        self.trigger(scope, name).await
    }

    /// Deletes a trigger; nothing happens if it is not there.
    pub(crate) async fn delete_trigger(&self, scope: &Scope, name: &str) -> Result<(), Fault> {
        let key = keys::named(keys::TRIGGER, scope, name);
        let Ok(trigger) = self.trigger(scope, name).await else { return Ok(()) };
        let mut commit = Commit::new().expect(key.clone(), trigger.version).delete(key).freeing();
        if let Some(due_ms) = trigger.record.due_ms {
            commit = commit.delete(keys::due(due_ms, scope, DueKind::Trigger, name));
        }
        self.commit(commit, &format!("Trigger {name}")).await
    }

    /// Activates a scheduled trigger; fires one that is on demand.
    pub(crate) async fn start_trigger(&self, scope: &Scope, name: &str) -> Result<(), Fault> {
        let trigger = self.trigger(scope, name).await?;
        if trigger.is_scheduled() {
            return self.activate(scope, trigger, true).await;
        }
        let mut commit = Commit::new().expect(keys::named(keys::TRIGGER, scope, name), trigger.version);
        self.stage_actions(&mut commit, scope, &trigger).await?;
        self.commit(commit, &format!("Trigger {name}")).await?;
        self.wake();
        Ok(())
    }

    /// Deactivates a scheduled trigger.
    pub(crate) async fn stop_trigger(&self, scope: &Scope, name: &str) -> Result<(), Fault> {
        let trigger = self.trigger(scope, name).await?;
        self.activate(scope, trigger, false).await
    }

    async fn activate(&self, scope: &Scope, trigger: Trigger, activated: bool) -> Result<(), Fault> {
        let mut commit =
            Commit::new().expect(keys::named(keys::TRIGGER, scope, &trigger.name), trigger.version);
        let record = TriggerRecord { activated, ..trigger.record };
        self.stage_trigger(&mut commit, scope, &trigger.name, &trigger.shape, record);
        self.commit(commit, &format!("Trigger {}", trigger.name)).await
    }

    async fn stage_actions(
        &self,
        commit: &mut Commit,
        scope: &Scope,
        trigger: &Trigger,
    ) -> Result<(), Fault> {
        let mut begun: HashMap<&str, usize> = HashMap::new();
        for action in trigger.shape.actions.iter().flatten() {
            if let Some(job) = &action.job_name {
                let of_job = begun.entry(job.as_str()).or_default();
                let start = StartRun {
                    scope,
                    job,
                    arguments: action.arguments.clone().unwrap_or_default(),
                    caller: trigger.record.caller.clone(),
                    timeout: action.timeout,
                    trigger: Some(trigger.name.clone()),
                    beside: *of_job,
                };
                self.stage_run(commit, start).await?;
                *of_job += 1;
            }
            if let Some(crawler) = &action.crawler_name {
                self.stage_crawl(commit, scope, crawler).await?;
            }
        }
        Ok(())
    }

    /// Fires a trigger that was due at `due_ms`.
    async fn fire_trigger(&self, due_ms: i64, scope: &Scope, name: &str) -> Result<(), Fault> {
        let due_key = keys::due(due_ms, scope, DueKind::Trigger, name);
        let trigger = match self.trigger(scope, name).await {
            Ok(trigger) if trigger.record.due_ms == Some(due_ms) => trigger,
            // It was changed or deleted meanwhile.
            _ => return self.commit(Commit::new().delete(due_key).freeing(), "Trigger").await,
        };
        let mut commit = Commit::new().expect(keys::named(keys::TRIGGER, scope, name), trigger.version);
        if let Err(fault) = self.stage_actions(&mut commit, scope, &trigger).await {
            // What can't be started now is skipped, as a job that still runs is: the next time counts.
            tracing::warn!(trigger = name, reason = fault.message, "a trigger could not start its actions");
            commit = Commit::new().expect(keys::named(keys::TRIGGER, scope, name), trigger.version);
        }
        self.stage_trigger(&mut commit, scope, name, &trigger.shape, trigger.record.clone());
        self.commit(commit, &format!("Trigger {name}")).await
    }

    /// Starts what is due; says whether there may be more.
    async fn start_due(&self) -> Result<bool, Fault> {
        let now = self.ground.seams.clock.now().ms();
        let range = KeyRange::prefix(&keys::everywhere(keys::DUE));
        let rows =
            self.ground.store.scan(&range, DUE_ROWS, Direction::Forward).await.map_err(fault::of_store)?;
        let due =
            rows.iter().filter_map(|row| keys::due_of(&row.key)).take_while(|(due_ms, ..)| *due_ms <= now);
        let mut started = 0;
        for (due_ms, scope, kind, name) in due {
            match kind {
                DueKind::Trigger => self.fire_trigger(due_ms, &scope, &name).await?,
                DueKind::Crawler => self.fire_crawler(due_ms, &scope, &name).await?,
            }
            started += 1;
        }
        if started > 0 {
            self.wake();
        }
        Ok(started == DUE_ROWS)
    }
}

/// Looks what is due.
pub(crate) struct ScheduleReconciler(pub(crate) State);

#[async_trait]
impl Reconciler for ScheduleReconciler {
    fn name(&self) -> String {
        "glue: schedules".to_owned()
    }

    async fn pass(&self) -> TaskResult<Pass> {
        Ok(if self.0.start_due().await? { Pass::More } else { Pass::Done })
    }
}

fn definition(shape: &TriggerShape) -> Result<String, Fault> {
    serde_json::to_string(shape).map_err(|error| fault::internal(&error))
}

fn trigger_of(
    name: String,
    key: &headwater_store::Key,
    fact: &headwater_store::Fact,
) -> Result<Trigger, Fault> {
    let record: TriggerRecord = decode(key, &fact.value).map_err(fault::of_store)?;
    let shape: TriggerShape =
        serde_json::from_str(&record.definition_json).map_err(|error| fault::internal(&error))?;
    Ok(Trigger { name, shape, record, version: fact.version })
}
