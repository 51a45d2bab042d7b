//! Conditional writes, alone and in transactions.

use std::collections::BTreeSet;
use std::sync::Arc;

use headwater_store::{Commit, Lsn};

use super::define::TOKEN_MS;
use super::{Reason, Table, TableError, Tables};
use crate::expression::{Condition, Update, UpdateError};
use crate::item::{Item, NESTING_MAX, PrimaryKey, size_of_item};
use crate::records::token::TokenRecord;
use crate::records::{self, decode, encode, keys};

/// How often a write that lost a race is tried again. Each race has a winner, so this many writers
/// of one item at once all come through.
pub(super) const RACES_MAX: usize = 64;
/// The largest item.
const ITEM_BYTES_MAX: usize = 400 << 10;

/// One write.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) key: PrimaryKey,
    /// What the item must be for it.
    pub(crate) condition: Option<Condition>,
    pub(crate) effect: Effect,
}

/// What a write does.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    /// Replaces the item.
    Put(Item),
    /// Changes attributes; an item that isn't there begins as its key alone.
    Update(Update),
    /// Takes attributes away; does nothing to an item that isn't there.
    Reduce(Update),
    /// Removes the item.
    Delete,
    /// Nothing but the condition.
    Check,
}

/// A write of a transaction.
#[derive(Clone, Debug)]
pub(crate) struct Action {
    pub(crate) table: Arc<Table>,
    pub(crate) change: Change,
}

/// The client's token of a transaction.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) scope: headwater_base::Scope,
    pub(crate) text: String,
    /// SHA-256 of the request.
    pub(crate) request: [u8; 32],
}

/// The item before and after a write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) before: Option<Item>,
    pub(crate) after: Option<Item>,
}

/// An item as it is stored.
pub(super) struct StoredItem {
    pub(super) item: Item,
    pub(super) version: Lsn,
    pub(super) parts: usize,
}

/// Why a write can't be.
enum Refusal {
    Condition,
    Item(String),
}

impl Tables {
    /// Does one write.
    pub(crate) async fn write(&self, table: &Table, change: &Change) -> Result<Changed, TableError> {
        for _ in 0..RACES_MAX {
            let before = self.stored_item(table, &change.key).await?;
            let after = match decide(table, change, before.as_ref().map(|stored| &stored.item)) {
                Ok(after) => after,
                Err(Refusal::Condition) => {
                    return Err(TableError::ConditionFailed(before.map(|stored| stored.item)));
                }
                Err(Refusal::Item(message)) => return Err(TableError::Invalid(message)),
            };
            if before.is_some() || after.is_some() {
                let mut commit = Commit::new();
                stage(&mut commit, table, change, before.as_ref(), after.as_ref());
                match self.commit(commit).await {
                    Ok(()) => {}
                    Err(TableError::Contended) => {
                        self.still_there(table).await?;
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            }
            return Ok(Changed { before: before.map(|stored| stored.item), after });
        }
        Err(TableError::Contended)
    }

    /// Does all writes or none, each item at most once.
    pub(crate) async fn transact(&self, actions: &[Action], token: Option<&Token>) -> Result<(), TableError> {
        let mut named = BTreeSet::new();
        if !actions.iter().all(|action| named.insert((action.table.incarnation, &action.change.key))) {
            let message = "Transaction request cannot include multiple operations on one item";
            return Err(TableError::Invalid(message.to_owned()));
        }
        for _ in 0..RACES_MAX {
            if let Some(token) = token
                && self.was_done(token).await?
            {
                return Ok(());
            }
            let mut commit = self.decide_all(actions).await?;
            if let Some(token) = token {
                let record = TokenRecord { request: token.request, done_ms: self.now().ms() };
                commit.stage(|commit| commit.put(keys::token(&token.scope, &token.text), encode(&record)));
            }
            match self.commit(commit).await {
                Ok(()) => return Ok(()),
                Err(TableError::Contended) => {}
                Err(error) => return Err(error),
            }
            for action in actions {
                self.still_there(&action.table).await?;
            }
        }
        Err(TableError::Contended)
    }

    /// A commit of all actions, if nothing speaks against one of them.
    async fn decide_all(&self, actions: &[Action]) -> Result<Commit, TableError> {
        let mut commit = Commit::new();
        let mut reasons = Vec::with_capacity(actions.len());
        for Action { table, change } in actions {
            let before = self.stored_item(table, &change.key).await?;
            reasons.push(match decide(table, change, before.as_ref().map(|stored| &stored.item)) {
                Ok(after) => {
                    stage(&mut commit, table, change, before.as_ref(), after.as_ref());
                    Reason::None
                }
                Err(Refusal::Condition) => Reason::ConditionFailed(before.map(|stored| stored.item)),
                Err(Refusal::Item(message)) => Reason::Invalid(message),
            });
        }
        if reasons.iter().any(|reason| *reason != Reason::None) {
            return Err(TableError::Cancelled(reasons));
        }
        Ok(commit)
    }

    /// Whether the transaction of this token was done in the last ten minutes.
    async fn was_done(&self, token: &Token) -> Result<bool, TableError> {
        let key = keys::token(&token.scope, &token.text);
        let Some(fact) = self.store.get(&key).await? else { return Ok(false) };
        let record: TokenRecord = decode(&key, &fact.value)?;
        if record.done_ms < self.now().ms() - TOKEN_MS {
            return Ok(false);
        }
        if record.request != token.request {
            return Err(TableError::TokenReused);
        }
        Ok(true)
    }

    /// A write conflicts with its table's removal, too: then the table's absence is the answer.
    async fn still_there(&self, table: &Table) -> Result<(), TableError> {
        match self.store.get(&keys::guard(table.incarnation)).await? {
            Some(_) => Ok(()),
            None => Err(TableError::NoSuchTable(table.key.clone())),
        }
    }
}

/// What a write makes of an item.
fn decide(table: &Table, change: &Change, before: Option<&Item>) -> Result<Option<Item>, Refusal> {
    if change.condition.as_ref().is_some_and(|condition| !condition.holds(before)) {
        return Err(Refusal::Condition);
    }
    let updated = |update: &Update, mut item: Item| {
        update.apply(&mut item).map_err(|error: UpdateError| Refusal::Item(error.to_string()))?;
        Ok(Some(item))
    };
    let after = match (&change.effect, before) {
        (Effect::Put(item), _) => Some(item.clone()),
        (Effect::Update(update) | Effect::Reduce(update), Some(item)) => updated(update, item.clone())?,
        (Effect::Update(update), None) => updated(update, table.schema.attributes_of(&change.key))?,
        (Effect::Reduce(_), None) | (Effect::Delete, _) => None,
        (Effect::Check, before) => return Ok(before.cloned()),
    };
    if let Some(item) = &after {
        check_item(table, change, item)?;
    }
    Ok(after)
}

fn check_item(table: &Table, change: &Change, item: &Item) -> Result<(), Refusal> {
    if size_of_item(item) > ITEM_BYTES_MAX {
        let message = match change.effect {
            Effect::Put(_) => "Item size has exceeded the maximum allowed size",
            _ => "Item size to update has exceeded the maximum allowed size",
        };
        return Err(Refusal::Item(message.to_owned()));
    }
    if item.values().any(|value| value.is_deeper_than(NESTING_MAX)) {
        return Err(Refusal::Item("Nesting Levels have exceeded supported limits".to_owned()));
    }
    match table.settings.index.as_ref().and_then(|index| index.mismatch(item)) {
        Some(message) => Err(Refusal::Item(message)),
        None => Ok(()),
    }
}

/// Adds a decided write to a commit that happens only if the item is still as it was.
fn stage(
    commit: &mut Commit,
    table: &Table,
    change: &Change,
    before: Option<&StoredItem>,
    after: Option<&Item>,
) {
    let (incarnation, key) = (table.incarnation, &change.key);
    let at = keys::item(incarnation, key);
    commit.stage(|commit| {
        let commit = commit.expect_present(keys::guard(incarnation));
        match before {
            Some(stored) => commit.expect(at.clone(), stored.version),
            None => commit.expect_absent(at.clone()),
        }
    });
    if matches!(change.effect, Effect::Check) {
        return;
    }
    let parts = match after {
        Some(item) => {
            let (head, parts) = records::item::encode(item);
            let count = parts.len();
            commit.stage(|commit| commit.put(at, head));
            for (ordinal, part) in (0..).zip(parts) {
                commit.stage(|commit| commit.put(keys::part(incarnation, key, ordinal), part));
            }
            count
        }
        None => {
            commit.stage(|commit| commit.delete(at));
            0
        }
    };
    for ordinal in parts..before.map_or(0, |stored| stored.parts) {
        commit.stage(|commit| commit.delete(keys::part(incarnation, key, ordinal as u32)));
    }
    let bytes = |item: Option<&Item>| item.map_or(0, |item| size_of_item(item) as i64);
    let items = i64::from(after.is_some()) - i64::from(before.is_some());
    let bytes = bytes(after) - bytes(before.map(|stored| &stored.item));
    for (which, n) in [(keys::EXTENT_ITEMS, items), (keys::EXTENT_BYTES, bytes)] {
        if n != 0 {
            commit.stage(|commit| commit.add(keys::extent(incarnation, which), n));
        }
    }
}
