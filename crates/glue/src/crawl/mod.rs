//! A crawl: list what lies under the targets, look into it, say it in the catalog.
//!
//! ```text
//! objects ──list──► folders ──sample──► what each folder holds ──group──► tables ──apply──► catalog
//! ```
//!
//! **Failure.** A crawl under way when the node ended begins again when it starts. Every step may
//! be repeated: tables and partitions that are there already are left or brought up to date.

mod apply;
mod folder;
mod group;
mod sample;

use std::sync::OnceLock;

use async_trait::async_trait;
use headwater_base::Scope;
use headwater_catalog::Catalog;
use headwater_objects::{BucketName, ListQuery, Listed};
use headwater_store::{Commit, Direction, KeyRange, StoreError};
use headwater_work::{Pass, Reconciler, Signal, TaskResult};
use regex::Regex;

use crate::State;
use crate::crawlers::Crawler;
use crate::records::crawler::{CrawlEnd, CrawlRecord, LastCrawlRecord};
use crate::records::keys;
use crate::records::{decode, encode};
use folder::Folder;

/// The most objects a target holds.
const OBJECTS_MAX: usize = 5_000_000;
/// How many keys are listed at once.
const LIST_PAGE: usize = 1000;

/// Wakes the reconciler, once there is one.
#[derive(Debug, Default)]
pub(crate) struct Crawls {
    pub(crate) wake: OnceLock<Signal>,
}

impl Crawls {
    /// Looks for crawls soon.
    pub(crate) fn wake(&self) {
        if let Some(signal) = self.wake.get() {
            signal.notify();
        }
    }
}

/// What a crawl changed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) tables_created: u64,
    pub(crate) tables_updated: u64,
    pub(crate) tables_deleted: u64,
    pub(crate) partitions_added: u64,
}

/// Why a crawl ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CrawlError {
    /// Somebody asked for it.
    #[error("cancelled")]
    Cancelled,
    /// What it should crawl, or write to, is not there or not the account's.
    #[error("{0}")]
    Target(String),
    /// The node failed.
    #[error("{0}")]
    Failed(String),
}

/// `s3://bucket/prefix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct S3Path {
    pub(crate) bucket: BucketName,
    pub(crate) prefix: String,
}

impl S3Path {
    /// Reads a path. The error is a sentence for the client.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let refuse = || format!("The S3 location {text:?} has the form s3://bucket/prefix.");
        let rest = text.strip_prefix("s3://").ok_or_else(refuse)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        Ok(Self { bucket: BucketName::new(bucket).map_err(|_| refuse())?, prefix: prefix.to_owned() })
    }

    /// The location of something below this bucket.
    fn location(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket.as_str())
    }
}

/// A target's exclusion: a glob over what follows the target's path.
pub(crate) fn exclusion(pattern: &str) -> Result<Regex, String> {
    let mut text = String::from("^");
    let mut letters = pattern.chars().peekable();
    let mut in_braces = false;
    while let Some(letter) = letters.next() {
        match letter {
            '*' if letters.peek() == Some(&'*') => {
                letters.next();
                text.push_str(".*");
            }
            '*' => text.push_str("[^/]*"),
            '?' => text.push_str("[^/]"),
            '{' => {
                in_braces = true;
                text.push_str("(?:");
            }
            '}' if in_braces => {
                in_braces = false;
                text.push(')');
            }
            ',' if in_braces => text.push('|'),
            '[' | ']' | '-' => text.push(letter),
            '!' if text.ends_with('[') => text.push('^'),
            '\\' => text.push_str(&regex::escape(&letters.next().unwrap_or('\\').to_string())),
            other => text.push_str(&regex::escape(&other.to_string())),
        }
    }
    text.push('$');
    Regex::new(&text).map_err(|_| format!("The exclusion {pattern:?} is not a valid pattern."))
}

/// Finds crawls to do and does them, one after another.
pub(crate) struct CrawlReconciler(pub(crate) State);

#[async_trait]
impl Reconciler for CrawlReconciler {
    fn name(&self) -> String {
        "glue: crawls".to_owned()
    }

    async fn pass(&self) -> TaskResult<Pass> {
        let store = &self.0.ground.store;
        let range = KeyRange::prefix(&keys::everywhere(keys::CRAWL));
        let rows = store.scan(&range, 2, Direction::Forward).await?;
        let Some(row) = rows.first() else { return Ok(Pass::Done) };
        let Some((scope, name)) = keys::name_of(&row.key) else {
            return Err(StoreError::Corrupt(format!("{:?} is no crawl's key", row.key)).into());
        };
        let record: CrawlRecord = decode(&row.key, &row.fact.value)?;
        let last = self.crawl(&scope, &name, &record).await;
        tracing::info!(crawler = name, status = last.end.name(), "crawl ended");
        metrics::counter!("headwater_glue_crawls_total", "status" => last.end.name()).increment(1);
        let commit = Commit::new()
            .delete(row.key.clone())
            .put(keys::named(keys::LAST_CRAWL, &scope, &name), encode(&last))
            .freeing();
        store.commit(commit).await?;
        Ok(if rows.len() > 1 { Pass::More } else { Pass::Done })
    }
}

impl CrawlReconciler {
    async fn crawl(&self, scope: &Scope, name: &str, record: &CrawlRecord) -> LastCrawlRecord {
        let mut changes = Changes::default();
        let result = match self.0.crawler(scope, name).await {
            Ok(crawler) => self.crawl_targets(scope, &crawler, &mut changes).await,
            Err(fault) => Err(CrawlError::Failed(fault.message)),
        };
        let (end, error) = match result {
            Ok(()) => (CrawlEnd::Succeeded, None),
            Err(CrawlError::Cancelled) => (CrawlEnd::Cancelled, None),
            Err(error @ (CrawlError::Target(_) | CrawlError::Failed(_))) => {
                (CrawlEnd::Failed, Some(error.to_string()))
            }
        };
        LastCrawlRecord {
            end,
            error,
            started_ms: record.started_ms,
            ended_ms: self.0.ground.seams.clock.now().ms(),
            tables_created: changes.tables_created,
            tables_updated: changes.tables_updated,
            tables_deleted: changes.tables_deleted,
            partitions_added: changes.partitions_added,
        }
    }

    async fn crawl_targets(
        &self,
        scope: &Scope,
        crawler: &Crawler,
        changes: &mut Changes,
    ) -> Result<(), CrawlError> {
        let targets = crawler.shape.targets.clone().unwrap_or_default().s3_targets.unwrap_or_default();
        let mut seen = Vec::new();
        for target in &targets {
            let path =
                S3Path::parse(target.path.as_deref().unwrap_or_default()).map_err(CrawlError::Target)?;
            let exclusions: Result<Vec<Regex>, String> =
                target.exclusions.iter().flatten().map(|pattern| exclusion(pattern)).collect();
            let mut root =
                self.list(scope, &crawler.name, &path, &exclusions.map_err(CrawlError::Target)?).await?;
            sample::look_into(&self.0.ground.objects, scope, &path.bucket, &mut root).await?;
            self.stop_if_asked(scope, &crawler.name).await?;
            for table in group::tables(&root, &base_of(&path)) {
                self.stop_if_asked(scope, &crawler.name).await?;
                seen.push(apply::table(&self.0, scope, crawler, &path, &table, changes).await?);
            }
        }
        let paths: Vec<String> = targets.iter().filter_map(|target| target.path.clone()).collect();
        apply::vanished(&self.0, scope, crawler, &paths, &seen, changes).await
    }

    async fn stop_if_asked(&self, scope: &Scope, name: &str) -> Result<(), CrawlError> {
        match self.0.crawl(scope, name).await {
            Ok(Some(record)) if !record.stopping => Ok(()),
            Ok(_) => Err(CrawlError::Cancelled),
            Err(fault) => Err(CrawlError::Failed(fault.message)),
        }
    }

    /// The folders under a target.
    async fn list(
        &self,
        scope: &Scope,
        name: &str,
        path: &S3Path,
        exclusions: &[Regex],
    ) -> Result<Folder, CrawlError> {
        let objects = &self.0.ground.objects;
        let target = |error: headwater_objects::ObjectError| CrawlError::Target(error.to_string());
        let bucket = objects.bucket(&path.bucket).await.map_err(target)?;
        if bucket.owner != scope.account {
            return Err(CrawlError::Target(format!("Access to bucket {} is denied.", path.bucket.as_str())));
        }
        let base = base_of(path);
        let mut root = Folder::default();
        let mut query = ListQuery { prefix: base.clone(), delimiter: None, after: None, limit: LIST_PAGE };
        let mut count = 0;
        loop {
            let listing = objects.list(&bucket, &query).await.map_err(target)?;
            for entry in &listing.entries {
                let Listed::Object(object) = entry else { continue };
                let key = object.key.as_str();
                let Some(below) = key.strip_prefix(base.as_str()) else { continue };
                let excluded = exclusions.iter().any(|pattern| pattern.is_match(below));
                if !excluded && object.size > 0 {
                    root.add(below, key, object.size);
                    count += 1;
                }
            }
            if count > OBJECTS_MAX {
                return Err(CrawlError::Target(format!("A target holds at most {OBJECTS_MAX} objects.")));
            }
            query.after = listing.entries.last().map(|entry| entry.name().to_owned());
            if !listing.truncated || query.after.is_none() {
                return Ok(root);
            }
            self.stop_if_asked(scope, name).await?;
        }
    }
}

/// What the keys below a target begin with: `data` names the folder `data/`, and not `database/`.
fn base_of(path: &S3Path) -> String {
    match &path.prefix {
        prefix if prefix.is_empty() || prefix.ends_with('/') => prefix.clone(),
        prefix => format!("{prefix}/"),
    }
}

/// Removes what a crash left of dropped tables.
pub(crate) struct SweepReconciler(pub(crate) Catalog);

#[async_trait]
impl Reconciler for SweepReconciler {
    fn name(&self) -> String {
        "glue: leftovers of dropped tables".to_owned()
    }

    async fn pass(&self) -> TaskResult<Pass> {
        Ok(if self.0.sweep_dropped().await? { Pass::More } else { Pass::Done })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exclusions_are_globs() {
        for (pattern, path, excluded) in [
            ("**.csv", "a/b.csv", true),
            ("*.csv", "a/b.csv", false),
            ("*.csv", "b.csv", true),
            ("a/**", "a/b/c", true),
            ("{tmp,old}/**", "old/x", true),
            ("file?.json", "file1.json", true),
            ("[a-c]*", "bx", true),
            ("[!a-c]*", "bx", false),
            ("a.b", "axb", false),
        ] {
            assert_eq!(exclusion(pattern).unwrap().is_match(path), excluded, "{pattern} {path}");
        }
        assert!(exclusion("{a").is_err());
    }

    #[test]
    fn locations_are_read() {
        let path = S3Path::parse("s3://my-bucket/a/b").unwrap();
        assert_eq!((path.bucket.as_str(), path.prefix.as_str()), ("my-bucket", "a/b"));
        assert_eq!(base_of(&path), "a/b/");
        assert_eq!(S3Path::parse("s3://my-bucket").unwrap().prefix, "");
        assert!(S3Path::parse("/tmp").is_err());
        assert!(S3Path::parse("s3://B").is_err());
    }
}
