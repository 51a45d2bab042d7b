//! ListShards: shards in order, page by page, filtered by when they were open.
//!
//! A paging token carries the stream (also its incarnation), the last shard listed and the filter,
//! and expires after 300 seconds.

use std::time::Duration;

use headwater_base::{AccountId, Scope, Timestamp};
use headwater_streams::{Shard, Stream, StreamKey, StreamName};
use headwater_wire::{Access, Context, EpochTime, Fault, Operation};

use crate::checks::Checks;
use crate::shapes::{ListShardsInput, ListShardsOutput, ShardFilter};
use crate::{State, convert, fault, target};

const PAGE_MAX: usize = 1000;
const TOKEN_LIFETIME: Duration = Duration::from_secs(300);
const PURPOSE: &str = "list shards";

pub(crate) struct ListShards;

impl Operation<State> for ListShards {
    const NAME: &'static str = "ListShards";
    type Input = ListShardsInput;
    type Output = ListShardsOutput;

    fn access(_: &State, cx: &Context, input: &ListShardsInput) -> Result<Access, Fault> {
        if input.next_token.is_some() {
            // The stream is sealed in the token: `page` asks about it once it is open.
            return Ok(Access { action: ACTION, resource: None });
        }
        let key = target::of(cx, input)?;
        Ok(target::access(ACTION, &key))
    }

    async fn call(state: &State, cx: &Context, input: ListShardsInput) -> Result<ListShardsOutput, Fault> {
        check(&input)?;
        let page = page(state, cx, &input).await?;
        let stream = state.stream_created(&page.key, input.stream_creation_timestamp).await?;
        if page.incarnation.is_some_and(|incarnation| incarnation != stream.incarnation) {
            return Err(fault::no_such_stream(page.key.name.as_str(), page.key.scope.account));
        }
        let limit = input.max_results.map_or(PAGE_MAX, |limit| (limit as usize).min(PAGE_MAX));
        let later = |shard: &&Shard| page.after.is_none_or(|after| shard.index > after);
        let mut shards =
            stream.shards.iter().filter(later).filter(|shard| page.filter.admits(cx, &stream, shard));
        let listed: Vec<&Shard> = shards.by_ref().take(limit).collect();
        let last = listed.last().filter(|_| shards.next().is_some());
        let next_token = match last {
            None => None,
            Some(last) => Some(page.next(&stream, last, cx.time).seal(state, cx).await?),
        };
        Ok(ListShardsOutput { shards: listed.into_iter().map(convert::shard).collect(), next_token })
    }
}

const ACTION: &str = "kinesis:ListShards";

fn check(input: &ListShardsInput) -> Result<(), Fault> {
    let mut checks = Checks::new();
    checks.range("maxResults", input.max_results, 1, 10_000);
    checks.shard_id("exclusiveStartShardId", input.exclusive_start_shard_id.as_deref());
    checks.length("nextToken", input.next_token.as_deref(), 1, 1_048_576);
    checks.stream_id(input.stream_id.as_deref());
    if let Some(filter) = &input.shard_filter {
        checks.present("shardFilter.type", filter.kind.as_ref());
        checks.one_of("shardFilter.type", filter.kind.as_deref(), &FILTER_TYPES);
        checks.shard_id("shardFilter.shardId", filter.shard_id.as_deref());
    }
    checks.finish()?;
    if input.next_token.is_none() {
        return Ok(());
    }
    let others = [
        ("StreamName", input.stream_name.is_some()),
        ("StreamARN", input.stream_arn.is_some()),
        ("ExclusiveStartShardId", input.exclusive_start_shard_id.is_some()),
        ("StreamCreationTimestamp", input.stream_creation_timestamp.is_some()),
        ("ShardFilter", input.shard_filter.is_some()),
    ];
    match others.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(fault::invalid(format!("NextToken and {name} cannot be provided together."))),
        None => Ok(()),
    }
}

const FILTER_TYPES: [&str; 6] =
    ["FROM_TRIM_HORIZON", "AT_TIMESTAMP", "FROM_TIMESTAMP", "AT_TRIM_HORIZON", "AFTER_SHARD_ID", "AT_LATEST"];

/// What a request or its token asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Page {
    key: StreamKey,
    /// Set by a token: the stream must still be the same.
    incarnation: Option<u64>,
    issued: Timestamp,
    after: Option<u32>,
    filter: Filter,
}

/// Which shards are listed, by when they were open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Filter {
    All,
    OpenNow,
    OpenAt(Timestamp),
    OpenFrom(Timestamp),
}

async fn page(state: &State, cx: &Context, input: &ListShardsInput) -> Result<Page, Fault> {
    match &input.next_token {
        Some(token) => {
            let page = Page::open(state, cx, token).await?;
            cx.authority.check(&cx.caller, &target::access(ACTION, &page.key), None).await?;
            Ok(page)
        }
        None => {
            let key = target::of(cx, input)?;
            let after = input.exclusive_start_shard_id.as_deref().map(|id| index_of(&key, id)).transpose()?;
            let mut page = Page { key, incarnation: None, issued: cx.time, after, filter: Filter::All };
            if let Some(filter) = &input.shard_filter {
                page.apply(filter)?;
            }
            Ok(page)
        }
    }
}

fn index_of(key: &StreamKey, id: &str) -> Result<u32, Fault> {
    convert::shard_index(id).ok_or_else(|| fault::no_such_shard(id, key.name.as_str(), key.scope.account))
}

impl Page {
    fn apply(&mut self, filter: &ShardFilter) -> Result<(), Fault> {
        let kind = filter.kind.as_deref().unwrap_or_default();
        let missing =
            |what: &str| fault::invalid(format!("{what} must be provided for a ShardFilter of type {kind}."));
        let time = || filter.timestamp.map(|EpochTime(time)| time).ok_or_else(|| missing("Timestamp"));
        self.filter = match kind {
            "AT_LATEST" => Filter::OpenNow,
            "AT_TRIM_HORIZON" => Filter::OpenAt(Timestamp::EPOCH),
            "AT_TIMESTAMP" => Filter::OpenAt(time()?),
            "FROM_TIMESTAMP" => Filter::OpenFrom(time()?),
            "AFTER_SHARD_ID" => {
                let id = filter.shard_id.as_deref().ok_or_else(|| missing("ShardId"))?;
                self.after = self.after.max(Some(index_of(&self.key, id)?));
                Filter::All
            }
            _ => Filter::All,
        };
        Ok(())
    }

    /// The page after this one, which ended with `last`.
    fn next(&self, stream: &Stream, last: &Shard, now: Timestamp) -> Self {
        Self { incarnation: Some(stream.incarnation), issued: now, after: Some(last.index), ..self.clone() }
    }

    async fn seal(&self, state: &State, cx: &Context) -> Result<String, Fault> {
        let sealed = state.streams.seal(PURPOSE, &cx.scope(), &self.encode()).await;
        sealed.map_err(|error| fault::internal(&error))
    }

    async fn open(state: &State, cx: &Context, token: &str) -> Result<Self, Fault> {
        let refused = || fault::invalid("Invalid NextToken.");
        let opened = state.streams.unseal(PURPOSE, &cx.scope(), token).await;
        let bytes = opened.map_err(|error| fault::internal(&error))?.ok_or_else(refused)?;
        let page = Self::decode(cx, &bytes).ok_or_else(refused)?;
        if cx.time.since(page.issued) > TOKEN_LIFETIME {
            return Err(Fault::client(
                "ExpiredNextTokenException",
                "The NextToken is older than 300 seconds.",
            ));
        }
        Ok(page)
    }

    fn encode(&self) -> Vec<u8> {
        let (kind, time) = match self.filter {
            Filter::All => (0, 0),
            Filter::OpenNow => (1, 0),
            Filter::OpenAt(time) => (2, time.ms()),
            Filter::OpenFrom(time) => (3, time.ms()),
        };
        let mut out = vec![2, kind];
        out.extend_from_slice(&time.to_be_bytes());
        out.extend_from_slice(&self.issued.ms().to_be_bytes());
        out.extend_from_slice(&self.incarnation.unwrap_or_default().to_be_bytes());
        out.extend_from_slice(&self.after.unwrap_or_default().to_be_bytes());
        out.extend_from_slice(&self.key.scope.account.number().to_be_bytes());
        out.extend_from_slice(self.key.name.as_str().as_bytes());
        out
    }

    fn decode(cx: &Context, bytes: &[u8]) -> Option<Self> {
        let ([2, kind], rest) = bytes.split_first_chunk()? else { return None };
        let (time, rest) = rest.split_first_chunk()?;
        let (issued, rest) = rest.split_first_chunk()?;
        let (incarnation, rest) = rest.split_first_chunk()?;
        let (after, rest) = rest.split_first_chunk()?;
        let (account, name) = rest.split_first_chunk()?;
        let account = AccountId::from_number(u64::from_be_bytes(*account)).ok()?;
        let time = Timestamp::from_ms(i64::from_be_bytes(*time));
        let filter = match kind {
            0 => Filter::All,
            1 => Filter::OpenNow,
            2 => Filter::OpenAt(time),
            3 => Filter::OpenFrom(time),
            _ => return None,
        };
        let name = StreamName::new(std::str::from_utf8(name).ok()?).ok()?;
        Some(Self {
            key: StreamKey { scope: Scope::new(account, cx.region.clone()), name },
            incarnation: Some(u64::from_be_bytes(*incarnation)),
            issued: Timestamp::from_ms(i64::from_be_bytes(*issued)),
            after: Some(u32::from_be_bytes(*after)),
            filter,
        })
    }
}

impl Filter {
    fn admits(self, cx: &Context, stream: &Stream, shard: &Shard) -> bool {
        // A moment before the oldest record that is kept stands for that horizon.
        let horizon = cx.time.minus(stream.retention).max(stream.created);
        let closed = shard.closed;
        match self {
            Self::All => true,
            Self::OpenNow => shard.closed_at.is_none(),
            Self::OpenAt(time) => {
                let time = time.max(horizon);
                shard.opened <= time && closed.is_none_or(|closed| closed > time)
            }
            Self::OpenFrom(time) => closed.is_none_or(|closed| closed >= time.max(horizon)),
        }
    }
}
