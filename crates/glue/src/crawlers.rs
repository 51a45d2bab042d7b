//! Crawlers: what they are, and how their crawls are begun and asked to stop.

use headwater_base::{Scope, Timestamp};
use headwater_store::{Commit, CommitError, Lsn};
use headwater_wire::Fault;

use crate::crawl::S3Path;
use crate::records::crawler::{CrawlRecord, CrawlerRecord, LastCrawlRecord};
use crate::records::keys::{self, DueKind};
use crate::records::{decode, encode};
use crate::schedule::Schedule;
use crate::shapes::CrawlerShape;
use crate::{State, fault};

/// A crawler as it is kept.
#[derive(Debug)]
pub(crate) struct Crawler {
    pub(crate) name: String,
    pub(crate) shape: CrawlerShape,
    pub(crate) record: CrawlerRecord,
    version: Lsn,
}

/// Refuses crawlers this node can't run.
fn check(shape: &CrawlerShape) -> Result<(), Fault> {
    let targets = shape.targets.as_ref().ok_or_else(|| fault::invalid("A crawler has Targets."))?;
    let others = targets.rest.iter().find(|(_, list)| list.as_array().is_some_and(|list| !list.is_empty()));
    if let Some((kind, _)) = others {
        return Err(fault::invalid(format!(
            "{kind} are not supported by this node yet; it crawls S3Targets."
        )));
    }
    let s3_targets = targets.s3_targets.as_deref().unwrap_or_default();
    if s3_targets.is_empty() {
        return Err(fault::invalid("A crawler has at least one of S3Targets."));
    }
    for target in s3_targets {
        let path = target.path.as_deref().unwrap_or_default();
        S3Path::parse(path).map_err(fault::invalid)?;
        for pattern in target.exclusions.iter().flatten() {
            crate::crawl::exclusion(pattern).map_err(fault::invalid)?;
        }
    }
    if shape.database_name.as_deref().unwrap_or_default().is_empty() {
        return Err(fault::invalid("A crawler has a DatabaseName."));
    }
    if let Some(schedule) = shape.schedule.as_deref().filter(|text| !text.is_empty()) {
        Schedule::parse(schedule).map_err(fault::invalid)?;
    }
    check_policy(shape)
}

fn check_policy(shape: &CrawlerShape) -> Result<(), Fault> {
    let policy = shape.schema_change_policy.clone().unwrap_or_default();
    let update = policy.update_behavior.as_deref().unwrap_or("UPDATE_IN_DATABASE");
    let delete = policy.delete_behavior.as_deref().unwrap_or("DEPRECATE_IN_DATABASE");
    let known = matches!(update, "LOG" | "UPDATE_IN_DATABASE")
        && matches!(delete, "LOG" | "DELETE_FROM_DATABASE" | "DEPRECATE_IN_DATABASE");
    if known { Ok(()) } else { Err(fault::invalid("SchemaChangePolicy has a behavior that does not exist.")) }
}

impl State {
    /// The crawler.
    pub(crate) async fn crawler(&self, scope: &Scope, name: &str) -> Result<Crawler, Fault> {
        let key = keys::named(keys::CRAWLER, scope, name);
        let fact = self.ground.store.get(&key).await.map_err(fault::of_store)?;
        let fact =
            fact.ok_or_else(|| fault::not_found(&format!("Crawler entry with name {name} does not exist")))?;
        crawler_of(name.to_owned(), &key, &fact)
    }

    /// Crawlers in name order after `after`.
    pub(crate) async fn crawlers(
        &self,
        scope: &Scope,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Crawler>, Fault> {
        let rows = self.page_of(keys::CRAWLER, scope, after, limit).await?;
        rows.iter().map(|(name, row)| crawler_of(name.clone(), &row.key, &row.fact)).collect()
    }

    /// Creates a crawler.
    pub(crate) async fn create_crawler(
        &self,
        scope: &Scope,
        name: &str,
        shape: &CrawlerShape,
    ) -> Result<(), Fault> {
        check(shape)?;
        let now = self.ground.seams.clock.now().ms();
        let record = CrawlerRecord {
            definition_json: definition(shape)?,
            created_ms: now,
            updated_ms: now,
            version: 1,
            scheduled: true,
            due_ms: None,
        };
        let mut commit = Commit::new().expect_absent(keys::named(keys::CRAWLER, scope, name));
        self.stage_crawler(&mut commit, scope, name, shape, record);
        match self.ground.store.commit(commit).await {
            Ok(_) => Ok(()),
            Err(CommitError::Conflict(_)) => Err(fault::exists(&format!("{name} already exists"))),
            Err(error) => Err(fault::of_commit(error, &format!("Crawler {name}"))),
        }
    }

    /// Adds to `commit` what a crawler is now: its record, and when it is due.
    fn stage_crawler(
        &self,
        commit: &mut Commit,
        scope: &Scope,
        name: &str,
        shape: &CrawlerShape,
        record: CrawlerRecord,
    ) {
        let text = shape.schedule.as_deref().filter(|_| record.scheduled);
        let schedule = text.and_then(|text| Schedule::parse(text).ok());
        let due = schedule.and_then(|schedule| schedule.next_after(self.ground.seams.clock.now()));
        let before = record.due_ms;
        let record = CrawlerRecord { due_ms: due.map(Timestamp::ms), ..record };
        commit.stage(|mut commit| {
            if let Some(before) = before {
                commit = commit.delete(keys::due(before, scope, DueKind::Crawler, name));
            }
            if let Some(due_ms) = record.due_ms {
                commit = commit.put(keys::due(due_ms, scope, DueKind::Crawler, name), Vec::new());
            }
            commit.put(keys::named(keys::CRAWLER, scope, name), encode(&record))
        });
    }

    /// Changes a crawler: what `update` says replaces what was there.
    pub(crate) async fn update_crawler(
        &self,
        scope: &Scope,
        name: &str,
        update: CrawlerShape,
    ) -> Result<(), Fault> {
        let crawler = self.crawler(scope, name).await?;
        self.refuse_running(scope, name).await?;
        let before = crawler.shape;
        let mut rest = before.rest;
        rest.extend(update.rest);
        let shape = CrawlerShape {
            name: before.name,
            role: update.role.or(before.role),
            database_name: update.database_name.or(before.database_name),
            description: update.description.or(before.description),
            targets: update.targets.or(before.targets),
            schedule: update.schedule.or(before.schedule),
            table_prefix: update.table_prefix.or(before.table_prefix),
            schema_change_policy: update.schema_change_policy.or(before.schema_change_policy),
            tags: None,
            rest,
        };
        check(&shape)?;
        self.put_crawler(scope, name, &shape, crawler.record, crawler.version).await
    }

    async fn put_crawler(
        &self,
        scope: &Scope,
        name: &str,
        shape: &CrawlerShape,
        record: CrawlerRecord,
        version: Lsn,
    ) -> Result<(), Fault> {
        let record = CrawlerRecord {
            definition_json: definition(shape)?,
            updated_ms: self.ground.seams.clock.now().ms(),
            version: record.version + 1,
            ..record
        };
        let mut commit = Commit::new().expect(keys::named(keys::CRAWLER, scope, name), version);
        self.stage_crawler(&mut commit, scope, name, shape, record);
        self.commit(commit, &format!("Crawler {name}")).await
    }

    /// Has a crawler's schedule count, or not; with a new schedule if there is one.
    pub(crate) async fn schedule_crawler(
        &self,
        scope: &Scope,
        name: &str,
        schedule: Option<String>,
        scheduled: bool,
    ) -> Result<(), Fault> {
        let crawler = self.crawler(scope, name).await?;
        let shape = CrawlerShape { schedule: schedule.or(crawler.shape.schedule.clone()), ..crawler.shape };
        check(&shape)?;
        if shape.schedule.as_deref().unwrap_or_default().is_empty() {
            return Err(Fault::client("NoScheduleException", format!("Crawler {name} has no schedule.")));
        }
        let record = CrawlerRecord { scheduled, ..crawler.record };
        self.put_crawler(scope, name, &shape, record, crawler.version).await
    }

    /// Deletes a crawler. What it found stays.
    pub(crate) async fn delete_crawler(&self, scope: &Scope, name: &str) -> Result<(), Fault> {
        let crawler = self.crawler(scope, name).await?;
        self.refuse_running(scope, name).await?;
        let key = keys::named(keys::CRAWLER, scope, name);
        let mut commit = Commit::new()
            .expect(key.clone(), crawler.version)
            .expect_absent(keys::named(keys::CRAWL, scope, name))
            .delete(key)
            .delete(keys::named(keys::LAST_CRAWL, scope, name))
            .freeing();
        if let Some(due_ms) = crawler.record.due_ms {
            commit = commit.delete(keys::due(due_ms, scope, DueKind::Crawler, name));
        }
        self.commit(commit, &format!("Crawler {name}")).await
    }

    async fn refuse_running(&self, scope: &Scope, name: &str) -> Result<(), Fault> {
        match self.crawl(scope, name).await? {
            Some(_) => Err(running(name)),
            None => Ok(()),
        }
    }

    /// The crawl under way, if there is one.
    pub(crate) async fn crawl(&self, scope: &Scope, name: &str) -> Result<Option<CrawlRecord>, Fault> {
        let key = keys::named(keys::CRAWL, scope, name);
        match self.ground.store.get(&key).await.map_err(fault::of_store)? {
            Some(fact) => decode(&key, &fact.value).map(Some).map_err(fault::of_store),
            None => Ok(None),
        }
    }

    /// How the last crawl went.
    pub(crate) async fn last_crawl(
        &self,
        scope: &Scope,
        name: &str,
    ) -> Result<Option<LastCrawlRecord>, Fault> {
        let key = keys::named(keys::LAST_CRAWL, scope, name);
        match self.ground.store.get(&key).await.map_err(fault::of_store)? {
            Some(fact) => decode(&key, &fact.value).map(Some).map_err(fault::of_store),
            None => Ok(None),
        }
    }

    /// Adds to `commit` the beginning of a crawl.
    pub(crate) async fn stage_crawl(
        &self,
        commit: &mut Commit,
        scope: &Scope,
        name: &str,
    ) -> Result<(), Fault> {
        self.crawler(scope, name).await?;
        self.refuse_running(scope, name).await?;
        let key = keys::named(keys::CRAWL, scope, name);
        let record = CrawlRecord { started_ms: self.ground.seams.clock.now().ms(), stopping: false };
        commit.stage(|commit| {
            commit
                .expect_present(keys::named(keys::CRAWLER, scope, name))
                .expect_absent(key.clone())
                .put(key, encode(&record))
        });
        Ok(())
    }

    /// Begins a crawl.
    pub(crate) async fn start_crawl(&self, scope: &Scope, name: &str) -> Result<(), Fault> {
        let mut commit = Commit::new();
        self.stage_crawl(&mut commit, scope, name).await?;
        match self.ground.store.commit(commit).await {
            Ok(_) => {
                self.wake();
                Ok(())
            }
            Err(CommitError::Conflict(_)) => Err(running(name)),
            Err(error) => Err(fault::of_commit(error, &format!("Crawler {name}"))),
        }
    }

    /// Asks the crawl under way to stop.
    pub(crate) async fn stop_crawl(&self, scope: &Scope, name: &str) -> Result<(), Fault> {
        self.crawler(scope, name).await?;
        let not_running =
            || Fault::client("CrawlerNotRunningException", format!("Crawler with name {name} isn't running"));
        let record = self.crawl(scope, name).await?.ok_or_else(not_running)?;
        if record.stopping {
            return Err(Fault::client(
                "CrawlerStoppingException",
                format!("Crawler with name {name} is stopping"),
            ));
        }
        let key = keys::named(keys::CRAWL, scope, name);
        let record = CrawlRecord { stopping: true, ..record };
        match self
            .ground
            .store
            .commit(Commit::new().expect_present(key.clone()).put(key, encode(&record)))
            .await
        {
            Ok(_) => Ok(()),
            Err(CommitError::Conflict(_)) => Err(not_running()),
            Err(error) => Err(fault::of_commit(error, &format!("Crawler {name}"))),
        }
    }

    /// Begins a crawl that was due at `due_ms`, and moves the due time on.
    pub(crate) async fn fire_crawler(&self, due_ms: i64, scope: &Scope, name: &str) -> Result<(), Fault> {
        let due_key = keys::due(due_ms, scope, DueKind::Crawler, name);
        let crawler = match self.crawler(scope, name).await {
            Ok(crawler) if crawler.record.due_ms == Some(due_ms) => crawler,
            // It was changed or deleted meanwhile.
            _ => return self.commit(Commit::new().delete(due_key).freeing(), "Crawler").await,
        };
        let mut commit = Commit::new().expect(keys::named(keys::CRAWLER, scope, name), crawler.version);
        // A crawl that still runs is not begun again: the next time counts.
        if self.crawl(scope, name).await?.is_none() {
            let record = CrawlRecord { started_ms: self.ground.seams.clock.now().ms(), stopping: false };
            commit = commit.put_if_absent(keys::named(keys::CRAWL, scope, name), encode(&record));
        }
        self.stage_crawler(&mut commit, scope, name, &crawler.shape, crawler.record);
        self.commit(commit, &format!("Crawler {name}")).await
    }
}

fn running(name: &str) -> Fault {
    Fault::client("CrawlerRunningException", format!("Crawler with name {name} has already started"))
}

fn definition(shape: &CrawlerShape) -> Result<String, Fault> {
    serde_json::to_string(shape).map_err(|error| fault::internal(&error))
}

fn crawler_of(
    name: String,
    key: &headwater_store::Key,
    fact: &headwater_store::Fact,
) -> Result<Crawler, Fault> {
    let record: CrawlerRecord = decode(key, &fact.value).map_err(fault::of_store)?;
    let shape: CrawlerShape =
        serde_json::from_str(&record.definition_json).map_err(|error| fault::internal(&error))?;
    Ok(Crawler { name, shape, record, version: fact.version })
}
