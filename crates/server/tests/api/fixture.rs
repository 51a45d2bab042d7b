//! A node to ask, and users to ask it as.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use headwater_base::Seams;
use headwater_server::{Config, Node, UserConfig};
use headwater_wire::client::{Answer, Client, ClientError, Credentials};
use serde_json::Value;

pub const REGION: &str = "eu-central-1";
pub const ALICE: (&str, &str, &str) = ("AKIAALICE00000000001", "alice-secret-for-tests-only", "111111111111");
pub const BOB: (&str, &str, &str) = ("AKIABOB0000000000002", "bob-secret-for-tests-only", "222222222222");

/// A node of its own on a directory of its own. Both go away with it.
pub struct Fixture {
    pub node: Node,
    pub alice: Client,
    pub bob: Client,
    data: Option<tempfile::TempDir>,
}

impl Fixture {
    /// A node on the real store, in a temporary directory.
    pub async fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let config = Config { data: Some(data.path().to_owned()), ..Self::config() };
        Self { data: Some(data), ..Self::start_with(config).await }
    }

    /// A node that keeps its facts in memory: for tests that need no disk.
    pub async fn start_in_memory() -> Self {
        Self::start_with(Self::config()).await
    }

    /// A node in memory whose time passes only when it is told to.
    pub async fn start_simulated(seams: Seams) -> Self {
        Self::of(Node::start_with(Self::config(), seams).await.unwrap())
    }

    /// A node as configured.
    pub async fn start_with(config: Config) -> Self {
        Self::of(Node::start(config).await.unwrap())
    }

    fn of(node: Node) -> Self {
        let client = |user| client(&node.endpoint(), user);
        let (alice, bob) = (client(ALICE), client(BOB));
        Self { node, alice, bob, data: None }
    }

    /// Alice and Bob on a free port.
    pub fn config() -> Config {
        let user = |name: &str, (access_key, secret, account): (&str, &str, &str)| UserConfig {
            access_key: access_key.into(),
            secret: secret.into(),
            account: account.into(),
            name: name.into(),
            canonical_id: None,
            email: None,
        };
        Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            users: vec![user("alice", ALICE), user("bob", BOB)],
            ..Config::default()
        }
    }

    /// Calls a JSON operation (`Kinesis_20131202.ListStreams`) as Alice; panics if it is refused.
    pub async fn call(&self, target: &str, input: Value) -> Value {
        let answer = self.try_call(&self.alice, target, input).await;
        answer.unwrap_or_else(|error| panic!("{target}: {error}"))
    }

    /// Calls a JSON operation as Alice and gives the code it is refused with; panics if it is not.
    pub async fn refusal(&self, target: &str, input: Value) -> String {
        match self.try_call(&self.alice, target, input).await {
            Ok(answer) => panic!("{target} was not refused but answered {answer}"),
            Err(error) => error.code().unwrap_or_else(|| panic!("{target}: {error}")).to_owned(),
        }
    }

    /// Calls a JSON operation as somebody.
    pub async fn try_call(&self, client: &Client, target: &str, input: Value) -> Result<Value, ClientError> {
        let id = format!("{:032x}", unique_number());
        let body = Bytes::from(input.to_string());
        let answer = client.json_once(service_of(target), target, body, &id).await?;
        Ok(if answer.is_empty() { Value::Null } else { serde_json::from_slice(&answer).unwrap() })
    }

    /// One signed S3 request as Alice. `path` is percent-encoded and may have a query.
    pub async fn s3(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        self.alice.send("s3", method, path, headers, body.into()).await.unwrap()
    }

    /// Stops the node and starts another on the same directory.
    pub async fn restart(self) -> Self {
        let Self { node, data, .. } = self;
        node.stop().await;
        let path = data.as_ref().map(|dir| dir.path().to_owned());
        let config = Config { data: path, ..Self::config() };
        Self { data, ..Self::start_with(config).await }
    }
}

/// A name nobody has had before in this process.
pub fn unique(prefix: &str) -> String {
    format!("{prefix}-{}", unique_number())
}

/// A client of an endpoint as a user.
pub fn client(endpoint: &str, (access_key, secret, _): (&str, &str, &str)) -> Client {
    let credentials = Credentials { access_key: access_key.into(), secret: secret.into() };
    Client::new(endpoint, REGION.parse().unwrap(), credentials, 16, Seams::system()).unwrap()
}

fn unique_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The signing name that goes with a target's prefix.
fn service_of(target: &str) -> &'static str {
    match target.split(['_', '.']).next().unwrap_or_default() {
        "Kinesis" => "kinesis",
        "Firehose" => "firehose",
        "AWSGlue" => "glue",
        "AmazonAthena" => "athena",
        "DynamoDB" => "dynamodb",
        "GraniteServiceVersion20100801" => "monitoring",
        other => panic!("no service is known for {other}"),
    }
}
