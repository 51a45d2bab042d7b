//! What a node is told: a TOML file, and flags that change single fields.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use headwater_base::{AccountId, ByteSize, InvalidName};
use headwater_identity::User;
use headwater_objects::{BucketName, Day, NamedKey, ObjectOptions, Quota, Quotas, ScrubOptions};
use serde::Deserialize;

/// Everything a node is told. Every field has a default; unknown fields are refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where it listens. Default `127.0.0.1:4566`; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The certificate to speak TLS with. `None` speaks plain HTTP.
    pub tls: Option<TlsConfig>,
    /// Where everything is kept. `None` keeps it in memory, for tests.
    pub data: Option<PathBuf>,
    /// Where bodies of the colder storage classes lie: a directory of their own, perhaps on another device.
    /// Without one they lie beside all others. Once there was one, the data directory knows where it is.
    pub cold: Option<PathBuf>,
    /// How long a day of lifecycles and of restored copies is, such as `2s`, for trying rules out. Days of
    /// 24 hours unless it is said.
    pub lifecycle_day: Option<String>,
    /// Development: test credentials and the reset of all state. Loopback only.
    pub dev: bool,
    /// Whether anyone who reaches the port may read the metrics; else only this machine.
    pub metrics_public: bool,
    /// The most connections at once.
    pub connections_max: usize,
    /// The most requests at once; more wait on their connections.
    pub requests_max: usize,
    /// Memory for request bodies that are read whole, in MiB.
    pub body_memory_mib: u32,
    /// What statements of Athena and of jobs may use.
    pub queries: QueriesConfig,
    /// Streams (`*`: all) whose shards are held to AWS' limits: 1 MiB and 1,000 records a second in,
    /// 2 MiB and five reads a second out. None by default.
    pub limited_streams: Vec<String>,
    /// What buckets may hold.
    pub buckets: Vec<BucketConfig>,
    /// How stored bodies are read again.
    pub scrub: ScrubConfig,
    /// How long, and how many, events of buckets wait for their destinations.
    pub events: EventsConfig,
    /// The addresses that stand for the destinations of bucket events.
    pub event_targets: Vec<EventTargetConfig>,
    /// Who may sign requests, besides the root credentials.
    pub users: Vec<UserConfig>,
    /// KMS keys that objects may be sealed with, besides each account's own (`alias/aws/s3`).
    pub kms_keys: Vec<KmsKeyConfig>,
}

/// One `[[buckets]]` entry: a bucket that is there, or may come to be.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BucketConfig {
    /// Its name; `*` is every bucket that has no entry of its own.
    pub name: String,
    /// The most bytes it may hold, such as `"10GB"` or `"512 MiB"`.
    #[serde(default)]
    pub quota: Option<String>,
    /// The most objects it may hold.
    #[serde(default)]
    pub objects: Option<u64>,
}

/// The `[scrub]` section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScrubConfig {
    /// How many KiB a second are read again, at most; 0 reads nothing.
    pub kib_per_second: u32,
    /// How many days after the beginning of a round the next one begins.
    pub days: u16,
}

impl Default for ScrubConfig {
    fn default() -> Self {
        Self { kib_per_second: 8 << 10, days: 7 }
    }
}

/// The `[tls]` section. Both files are in PEM and may be replaced while the node runs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate, and behind it those that lead to its authority.
    pub cert: PathBuf,
    /// Its private key, without a passphrase.
    pub key: PathBuf,
    /// The host name in the endpoint that the node prints and notes for the client verbs: one the
    /// certificate is good for. By default the address it listens on.
    #[serde(default)]
    pub name: Option<String>,
}

/// The `[queries]` section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueriesConfig {
    /// Athena executions that run at a time; more wait in their queue.
    pub at_once: usize,
    /// Memory for all statements together, in MiB; beyond it they spill or fail.
    pub memory_mib: u32,
    /// Threads that run statements.
    pub threads: usize,
    /// Disk for what they spill, in GiB.
    pub spill_gib: u32,
}

impl Default for QueriesConfig {
    fn default() -> Self {
        Self { at_once: 4, memory_mib: 512, threads: 2, spill_gib: 16 }
    }
}

impl QueriesConfig {
    fn check(&self) -> Result<(), ConfigError> {
        if self.at_once == 0 || self.threads == 0 {
            return Err(ConfigError::Refused(
                "queries.at_once and queries.threads must be at least 1".into(),
            ));
        }
        // Below this no statement could sort or join a batch.
        if self.memory_mib < 64 {
            return Err(ConfigError::Refused("queries.memory_mib must be at least 64".into()));
        }
        Ok(())
    }
}

/// The `[events]` section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventsConfig {
    /// Hours an event waits for its destination before it becomes a dead letter.
    pub keep_hours: u32,
    /// Events that wait for one destination, in MiB; beyond it the oldest become dead letters.
    pub queue_mib: u32,
}

impl Default for EventsConfig {
    fn default() -> Self {
        Self { keep_hours: 96, queue_mib: 256 }
    }
}

/// One `[[event_targets]]` entry.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventTargetConfig {
    /// The destination, as notification configurations name it: a queue, a topic, a function, or
    /// an account's default event bus.
    pub arn: String,
    /// The `http://` address its messages are posted to.
    pub url: String,
}

/// One `[[kms_keys]]` entry. The key is made when the node starts and is not in its keyring yet; it is
/// never removed from there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KmsKeyConfig {
    /// Its id, a UUID; drawn at the first start when not given.
    #[serde(default)]
    pub id: Option<String>,
    /// Its alias, `alias/` and a name. Without an id it is what the key is found by.
    #[serde(default)]
    pub alias: Option<String>,
    /// The twelve-digit account whose buckets may use it; the root credentials' when not given.
    #[serde(default)]
    pub account: Option<String>,
    /// The region whose buckets may use it.
    pub region: String,
}

impl KmsKeyConfig {
    /// The key as the keyring takes it.
    fn named(&self, root: AccountId) -> Result<NamedKey, ConfigError> {
        let name = self.alias.as_deref().or(self.id.as_deref()).unwrap_or("without id and alias");
        let refused = |what: String| ConfigError::Refused(format!("kms_keys: the key {name}: {what}"));
        let id = self.id.as_deref().map(str::parse).transpose();
        let id = id.map_err(|_| refused("its id must be a UUID".into()))?;
        let is_alias =
            |alias: &str| alias.len() > 6 && alias.starts_with("alias/") && !alias.starts_with("alias/aws/");
        if !self.alias.as_deref().map_or(id.is_some(), is_alias) {
            return Err(refused(
                "it needs an id, or an alias that begins with alias/ and not with alias/aws/".into(),
            ));
        }
        let account = self.account.as_deref().map_or(Ok(root), str::parse);
        let account = account.map_err(|error| refused(error.to_string()))?;
        let region = self.region.parse().map_err(|error: InvalidName| refused(error.to_string()))?;
        Ok(NamedKey { id, alias: self.alias.clone(), account, region })
    }
}

/// One `[[users]]` entry.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserConfig {
    /// The access key.
    pub access_key: String,
    /// The secret access key.
    pub secret: String,
    /// The twelve-digit account.
    pub account: String,
    /// The user's name within the account.
    pub name: String,
    /// S3's canonical id of the account; derived from the account when not given.
    #[serde(default)]
    pub canonical_id: Option<String>,
    /// Where to reach its owner. Kept for people; nothing is sent.
    #[serde(default)]
    pub email: Option<String>,
}

impl std::fmt::Debug for UserConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserConfig")
            .field("access_key", &self.access_key)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// Why a configuration is not accepted: fix it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("the configuration {path} is not valid: {reason}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// A field makes no sense, alone or beside others.
    #[error("{0}")]
    Refused(String),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 4566)),
            tls: None,
            data: None,
            cold: None,
            lifecycle_day: None,
            dev: false,
            metrics_public: false,
            connections_max: 10_000,
            requests_max: 2_000,
            body_memory_mib: 256,
            queries: QueriesConfig::default(),
            limited_streams: Vec::new(),
            buckets: Vec::new(),
            scrub: ScrubConfig::default(),
            events: EventsConfig::default(),
            event_targets: Vec::new(),
            users: Vec::new(),
            kms_keys: Vec::new(),
        }
    }
}

impl Config {
    /// The configuration in a TOML file.
    ///
    /// # Errors
    /// When it cannot be read, is no TOML, or has unknown or missing fields.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        toml::from_str(&text)
            .map_err(|error| ConfigError::Invalid { path: path.to_owned(), reason: error.to_string() })
    }

    /// Checks what no single field shows.
    ///
    /// # Errors
    /// [`ConfigError::Refused`] with what to change.
    pub fn check(&self) -> Result<(), ConfigError> {
        let refused = |text: String| Err(ConfigError::Refused(text));
        if self.dev && !self.listen.ip().is_loopback() {
            return refused(format!(
                "--dev hands out test credentials, so it listens on this machine only; {} is not a loopback address: \
                 use --listen 127.0.0.1:{} or leave --dev away",
                self.listen,
                self.listen.port()
            ));
        }
        if self.connections_max == 0 || self.requests_max == 0 {
            return refused("connections_max and requests_max must be at least 1".into());
        }
        // Below this the largest body of some service would never fit.
        if self.body_memory_mib < 16 {
            return refused("body_memory_mib must be at least 16".into());
        }
        if self.cold.is_some() && self.data.is_none() {
            return refused(
                "a cold tier needs a data directory: what is kept in memory would not find it again".into(),
            );
        }
        self.lifecycle_day()?;
        self.quotas()?;
        self.check_events()?;
        self.queries.check()
    }

    fn check_events(&self) -> Result<(), ConfigError> {
        if self.events.keep_hours == 0 || self.events.queue_mib == 0 {
            return Err(ConfigError::Refused(
                "events.keep_hours and events.queue_mib must be at least 1".into(),
            ));
        }
        let mut arns = BTreeSet::new();
        for target in self.event_options().targets {
            let refused = |why: &str| ConfigError::Refused(format!("event target {}: {why}", target.arn));
            target.check().map_err(|why| refused(&why))?;
            if !arns.insert(target.arn.clone()) {
                return Err(refused("it is listed twice"));
            }
        }
        Ok(())
    }

    /// The events' configuration as their engine takes it.
    pub(crate) fn event_options(&self) -> headwater_events::Options {
        let target = |target: &EventTargetConfig| headwater_events::Target {
            arn: target.arn.clone(),
            url: target.url.clone(),
        };
        headwater_events::Options {
            targets: self.event_targets.iter().map(target).collect(),
            keep: Duration::from_secs(u64::from(self.events.keep_hours) * 3600),
            queue_bytes_max: u64::from(self.events.queue_mib) << 20,
        }
    }

    /// How long a lifecycle's day is.
    pub(crate) fn lifecycle_day(&self) -> Result<Day, ConfigError> {
        let Some(text) = &self.lifecycle_day else {
            return Ok(Day::default());
        };
        duration(text).and_then(Day::lasting).ok_or_else(|| {
            ConfigError::Refused(format!(
                "lifecycle_day is {text:?}; it is a number with ms, s, m or h behind it, at most 24h"
            ))
        })
    }

    /// Memory for bodies that are read whole.
    pub fn body_memory(&self) -> ByteSize {
        ByteSize::mib(u64::from(self.body_memory_mib))
    }

    /// What the engine of objects is told.
    pub(crate) fn objects(&self) -> Result<ObjectOptions, ConfigError> {
        let scrub = ScrubOptions {
            bytes_per_second: u64::from(self.scrub.kib_per_second) << 10,
            every: Duration::from_secs(u64::from(self.scrub.days) * 24 * 3600),
        };
        Ok(ObjectOptions { quotas: self.quotas()?, scrub })
    }

    fn quotas(&self) -> Result<Quotas, ConfigError> {
        let mut quotas = Quotas::default();
        let mut seen = HashSet::new();
        for bucket in &self.buckets {
            let refused = |why: &dyn Display| ConfigError::Refused(format!("bucket {}: {why}", bucket.name));
            if !seen.insert(&bucket.name) {
                return Err(refused(&"it has two entries"));
            }
            let bytes = bucket.quota.as_deref().map(str::parse::<ByteSize>).transpose();
            let bytes = bytes.map_err(|error| refused(&error))?.map(ByteSize::bytes);
            let quota = Quota { bytes, objects: bucket.objects };
            if bucket.name == "*" {
                quotas.others = quota;
                continue;
            }
            let name = BucketName::new(&bucket.name).map_err(|error| refused(&error))?;
            quotas.named.insert(name, quota);
        }
        Ok(quotas)
    }

    /// The KMS keys as the keyring takes them.
    pub(crate) fn named_keys(&self, root: AccountId) -> Result<Vec<NamedKey>, ConfigError> {
        self.kms_keys.iter().map(|key| key.named(root)).collect()
    }

    /// The users as `identity` takes them.
    pub(crate) fn identity_users(&self) -> Result<Vec<User>, ConfigError> {
        let user = |user: &UserConfig| {
            let account: AccountId = user
                .account
                .parse()
                .map_err(|error| ConfigError::Refused(format!("user {}: {error}", user.name)))?;
            Ok(User {
                access_key: user.access_key.clone(),
                secret: user.secret.clone(),
                account,
                name: user.name.clone(),
                canonical_id: user.canonical_id.clone(),
            })
        };
        self.users.iter().map(user).collect()
    }
}

/// A whole number with its unit.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let unit_ms: u64 = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(unit_ms)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_changes_what_it_names() {
        let config: Config = toml::from_str(
            "listen = \"127.0.0.1:0\"\n[[users]]\naccess_key = \"AKIA1\"\nsecret = \"s\"\naccount = \"111111111111\"\nname = \"ada\"\nemail = \"a@b\"\n",
        )
        .unwrap();
        assert_eq!(config.listen.port(), 0);
        assert_eq!(config.requests_max, Config::default().requests_max);
        assert_eq!(config.identity_users().unwrap()[0].name, "ada");
        assert!(!format!("{config:?}").contains("\"s\""));
    }

    #[test]
    fn what_queries_may_use_is_configured_and_checked() {
        let config: Config = toml::from_str("[queries]\nmemory_mib = 2048\nat_once = 8\n").unwrap();
        assert_eq!(config.queries, QueriesConfig { memory_mib: 2048, at_once: 8, ..Default::default() });
        assert!(config.check().is_ok());
        for bad in ["at_once = 0", "threads = 0", "memory_mib = 63"] {
            let config: Config = toml::from_str(&format!("[queries]\n{bad}\n")).unwrap();
            assert!(config.check().unwrap_err().to_string().contains("queries."), "{bad}");
        }
    }

    #[test]
    fn quotas_are_by_name_and_for_all_others() {
        let read = |text: &str| toml::from_str::<Config>(text).unwrap();
        let config = read(
            "[[buckets]]\nname = \"logs\"\nquota = \"10GB\"\n[[buckets]]\nname = \"*\"\nobjects = 5\n[scrub]\nkib_per_second = 1\ndays = 2\n",
        );
        assert!(config.check().is_ok());
        let options = config.objects().unwrap();
        let of = |name| options.quotas.of(&BucketName::new(name).unwrap());
        assert_eq!(of("logs"), Quota { bytes: Some(10_000_000_000), objects: None });
        assert_eq!(of("other"), Quota { bytes: None, objects: Some(5) });
        assert_eq!(
            options.scrub,
            ScrubOptions { bytes_per_second: 1024, every: Duration::from_secs(172_800) }
        );
        for bad in [
            "[[buckets]]\nname = \"logs\"\nquota = \"plenty\"",
            "[[buckets]]\nname = \"Not A Bucket\"",
            "[[buckets]]\nname = \"logs\"\n[[buckets]]\nname = \"logs\"",
        ] {
            assert!(read(bad).check().unwrap_err().to_string().contains("bucket "), "{bad}");
        }
    }

    #[test]
    fn the_length_of_a_day_is_said_with_its_unit() {
        let day =
            |text: &str| Config { lifecycle_day: Some(text.into()), ..Config::default() }.lifecycle_day();
        assert_eq!(Config::default().lifecycle_day().unwrap(), Day::default());
        assert_eq!(day("2s").unwrap().length(), Duration::from_secs(2));
        assert_eq!(day("500ms").unwrap().length(), Duration::from_millis(500));
        assert_eq!(day("24h").unwrap(), Day::default());
        for bad in ["", "2", "s", "0s", "25h", "2 s", "-1s", "2d", "99999999999999999999s"] {
            assert!(day(bad).unwrap_err().to_string().contains("lifecycle_day"), "{bad}");
        }
    }

    #[test]
    fn tls_takes_both_files() {
        let config: Config = toml::from_str("[tls]\ncert = \"a.pem\"\nkey = \"b.pem\"\n").unwrap();
        assert_eq!(config.tls.unwrap().key, Path::new("b.pem"));
        assert!(toml::from_str::<Config>("[tls]\ncert = \"a.pem\"\n").is_err());
    }

    #[test]
    fn event_targets_are_read_and_checked() {
        let arn = "arn:aws:sqs:eu-west-1:000000000001:q";
        let target = |arn: &str, url: &str| format!("[[event_targets]]\narn = \"{arn}\"\nurl = \"{url}\"\n");
        let good = format!("[events]\nkeep_hours = 1\n{}", target(arn, "http://127.0.0.1:9/q"));
        let config: Config = toml::from_str(&good).unwrap();
        assert!(config.check().is_ok());
        assert_eq!(config.event_options().targets[0].arn, arn);
        assert_eq!(config.event_options().keep, Duration::from_secs(3600));
        for bad in [
            target("queue", "http://127.0.0.1:9/q"),
            target(arn, "https://127.0.0.1:9/q"),
            target(arn, "http://127.0.0.1:9/q").repeat(2),
            "[events]\nqueue_mib = 0\n".to_owned(),
        ] {
            let config: Config = toml::from_str(&bad).unwrap();
            assert!(config.check().unwrap_err().to_string().contains("event"), "{bad}");
        }
    }

    #[test]
    fn kms_keys_have_an_id_or_an_alias() {
        let root: AccountId = "000000000001".parse().unwrap();
        let named = |text: &str| {
            let config: Config =
                toml::from_str(&format!("[[kms_keys]]\nregion = \"eu-west-1\"\n{text}")).unwrap();
            config.named_keys(root).map(|mut keys| keys.remove(0))
        };
        let key = named("alias = \"alias/lake\"").unwrap();
        assert_eq!((key.id, key.account), (None, root));
        let key = named("id = \"1234abcd-12ab-34cd-56ef-1234567890ab\"\naccount = \"000000000042\"").unwrap();
        assert_eq!(key.account.to_string(), "000000000042");
        for bad in [
            "",
            "id = \"x\"",
            "alias = \"lake\"",
            "alias = \"alias/aws/s3\"",
            "alias = \"alias/a\"\naccount = \"1\"",
        ] {
            assert!(named(bad).unwrap_err().to_string().contains("kms_keys"), "{bad}");
        }
    }

    #[test]
    fn a_cold_tier_needs_a_data_directory() {
        let mut config = Config { cold: Some("cold".into()), ..Config::default() };
        assert!(config.check().unwrap_err().to_string().contains("cold"));
        config.data = Some("data".into());
        assert!(config.check().is_ok());
    }

    #[test]
    fn unknown_fields_are_refused() {
        assert!(toml::from_str::<Config>("lissten = \"127.0.0.1:0\"").is_err());
        assert!(toml::from_str::<Config>("[queries]\nmemory = 1").is_err());
    }

    #[test]
    fn development_stays_on_loopback() {
        let mut config = Config { dev: true, ..Config::default() };
        assert!(config.check().is_ok());
        config.listen = "0.0.0.0:4566".parse().unwrap();
        assert!(config.check().unwrap_err().to_string().contains("--listen 127.0.0.1:4566"));
        config.dev = false;
        assert!(config.check().is_ok());
    }
}
