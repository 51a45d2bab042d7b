//! Reading: one item, a query, a scan.
//!
//! Pages end after the limit the client set or about a megabyte of items, whichever comes first, and
//! say where to go on. Each page is read from one snapshot.
//!
//! The index is not stored: a query of it reads the table, which is small, and sorts what it finds.
//! See `docs/decisions/0006-lease-tables.md`.

use std::collections::BTreeMap;

use headwater_store::{Direction, Key, KeyRange, Scanned, Snapshot, StoreError};

use super::write::StoredItem;
use super::{Index, KeyCondition, Table, TableError, Tables};
use crate::expression::Condition;
use crate::item::{Item, KeyPart, PrimaryKey, size_of_item};
use crate::records::{self, corrupt, keys};

/// About how many bytes of items a page looks at.
const PAGE_BYTES: usize = 1 << 20;
/// Facts read at once: each may be 128 KiB.
pub(super) const ITEM_ROWS: usize = 64;

/// What a query or a scan asks for.
#[derive(Clone, Debug)]
pub(crate) struct Request<'r> {
    /// The items asked for; `None` is all of them.
    pub(crate) key: Option<&'r KeyCondition>,
    /// A share of the table, for parallel scans.
    pub(crate) segment: Option<Segment>,
    /// Through the index instead of the table.
    pub(crate) index: Option<&'r Index>,
    /// Which of them are answered.
    pub(crate) filter: Option<&'r Condition>,
    /// How many are looked at.
    pub(crate) limit: Option<usize>,
    /// Where the page before ended.
    pub(crate) start: Option<PageStart>,
    /// The other way round.
    pub(crate) backward: bool,
}

/// Where a page begins: after the item with this key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PageStart {
    pub(crate) key: PrimaryKey,
    /// Its key in the index, where that is asked.
    pub(crate) index_key: Option<PrimaryKey>,
}

/// A segment of a parallel scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) number: u32,
    pub(crate) of: u32,
}

/// A page of a query or a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) items: Vec<Item>,
    /// How many items were looked at.
    pub(crate) scanned: usize,
    /// How many bytes they have.
    pub(crate) bytes: usize,
    /// The key of the last one looked at, if there may be more: key attributes of table and index.
    pub(crate) last: Option<Item>,
}

impl Tables {
    /// The item.
    pub(crate) async fn item(&self, table: &Table, key: &PrimaryKey) -> Result<Option<Item>, TableError> {
        Ok(self.stored_item(table, key).await?.map(|stored| stored.item))
    }

    /// A page of a query or a scan.
    pub(crate) async fn page(&self, table: &Table, request: &Request<'_>) -> Result<Page, TableError> {
        let snapshot = self.store.snapshot().await?;
        match (request.index, request.key) {
            (Some(index), Some(key)) => query_index(snapshot.as_ref(), table, index, key, request).await,
            _ => walk(snapshot.as_ref(), table, request).await,
        }
    }

    pub(super) async fn stored_item(
        &self,
        table: &Table,
        key: &PrimaryKey,
    ) -> Result<Option<StoredItem>, TableError> {
        let at = keys::item(table.incarnation, key);
        let Some(fact) = self.store.get(&at).await? else { return Ok(None) };
        if records::item::parts_of(&fact.value) == 0 {
            return Ok(Some(whole(Scanned { key: at, fact })?));
        }
        // Its parts must be of the same moment.
        let snapshot = self.store.snapshot().await?;
        let Some(fact) = snapshot.get(&at).await? else { return Ok(None) };
        Ok(Some(gathered(snapshot.as_ref(), Scanned { key: at, fact }).await?))
    }
}

/// Looks at items in the table's order.
async fn walk(snapshot: &dyn Snapshot, table: &Table, request: &Request<'_>) -> Result<Page, TableError> {
    let direction = if request.backward { Direction::Backward } else { Direction::Forward };
    let mut range = range_of(table, request);
    let mut page = Page::default();
    // A start key may lie beyond what is asked for.
    while range.end.as_ref().is_none_or(|end| range.start < *end) {
        let rows = snapshot.scan(&range, ITEM_ROWS, direction).await?;
        let Some(last) = rows.last().map(|row| row.key.clone()) else { return Ok(page) };
        for row in rows {
            let item = gathered(snapshot, row).await?.item;
            let Some(seen) = seen_through(table, request, item) else { continue };
            let last = last_key(table, request.index, &seen);
            page.look_at(seen, request.filter);
            if page.is_full(request.limit) {
                page.last = Some(last);
                return Ok(page);
            }
        }
        range = beyond(range, &last, direction);
    }
    Ok(page)
}

/// Looks at the items of one hash attribute of the index, in the order of its range attribute and
/// then the table's key. Holds about a page of them at a time.
async fn query_index(
    snapshot: &dyn Snapshot,
    table: &Table,
    index: &Index,
    key: &KeyCondition,
    request: &Request<'_>,
) -> Result<Page, TableError> {
    type Position = (Option<KeyPart>, PrimaryKey);
    let start: Option<Position> =
        request.start.clone().map(|start| (start.index_key.and_then(|key| key.range), start.key));
    let mut found: BTreeMap<Position, Item> = BTreeMap::new();
    let (mut bytes, mut more) = (0, false);
    let mut range = KeyRange::prefix(&keys::items(table.incarnation));
    loop {
        let rows = snapshot.scan(&range, ITEM_ROWS, Direction::Forward).await?;
        let Some(last) = rows.last().map(|row| row.key.clone()) else { break };
        for row in rows {
            let item = gathered(snapshot, row).await?.item;
            let Some(own) = index.key_of(&item).filter(|_| key.matches(&item, &index.schema)) else {
                continue;
            };
            let position = (own.range, table.schema.key_of(&item)?);
            let is_before = start
                .as_ref()
                .is_some_and(|start| if request.backward { position >= *start } else { position <= *start });
            if is_before {
                continue;
            }
            let item = index.project(&item, &table.schema);
            bytes += size_of_item(&item);
            found.insert(position, item);
            while found.len() > request.limit.unwrap_or(usize::MAX) || (bytes > PAGE_BYTES && found.len() > 1)
            {
                let furthest = if request.backward { found.pop_first() } else { found.pop_last() };
                bytes -= furthest.map_or(0, |(_, item)| size_of_item(&item));
                more = true;
            }
        }
        range = beyond(range, &last, Direction::Forward);
    }
    let mut page = Page::default();
    let in_order: Vec<Item> =
        if request.backward { found.into_values().rev().collect() } else { found.into_values().collect() };
    let last = in_order.last().map(|item| last_key(table, Some(index), item));
    for item in in_order {
        page.look_at(item, request.filter);
    }
    page.last = last.filter(|_| more || page.is_full(request.limit));
    Ok(page)
}

impl Page {
    fn look_at(&mut self, item: Item, filter: Option<&Condition>) {
        self.scanned += 1;
        self.bytes += size_of_item(&item);
        if filter.is_none_or(|filter| filter.holds(Some(&item))) {
            self.items.push(item);
        }
    }

    fn is_full(&self, limit: Option<usize>) -> bool {
        limit.is_some_and(|limit| self.scanned >= limit) || self.bytes >= PAGE_BYTES
    }
}

/// The item as the request sees it, if it asks for it.
fn seen_through(table: &Table, request: &Request<'_>, item: Item) -> Option<Item> {
    if request.key.is_some_and(|key| !key.matches(&item, &table.schema)) {
        return None;
    }
    match request.index {
        Some(index) => index.key_of(&item).map(|_| index.project(&item, &table.schema)),
        None => Some(item),
    }
}

/// The keys among which the request's items are.
fn range_of(table: &Table, request: &Request<'_>) -> KeyRange {
    let all = match (request.key, request.segment) {
        (Some(key), _) => KeyRange::prefix(&keys::items_of(table.incarnation, &key.hash)),
        (None, Some(segment)) => keys::segment(table.incarnation, segment.number, segment.of),
        (None, None) => KeyRange::prefix(&keys::items(table.incarnation)),
    };
    let direction = if request.backward { Direction::Backward } else { Direction::Forward };
    match &request.start {
        Some(start) => beyond(all, &keys::item(table.incarnation, &start.key), direction),
        None => all,
    }
}

/// What is left of `range` past `key`.
fn beyond(range: KeyRange, key: &Key, direction: Direction) -> KeyRange {
    match direction {
        Direction::Forward => range.after(key),
        Direction::Backward => {
            let end = match range.end {
                Some(end) if end < *key => end,
                _ => key.clone(),
            };
            KeyRange { end: Some(end), ..range }
        }
    }
}

/// The key attributes of an item, in the table and in the index.
fn last_key(table: &Table, index: Option<&Index>, item: &Item) -> Item {
    let in_index = |name: &str| index.is_some_and(|index| index.schema.has(name));
    let kept = item.iter().filter(|(name, _)| table.schema.has(name) || in_index(name));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// An item that is in one fact.
fn whole(row: Scanned) -> Result<StoredItem, StoreError> {
    let item =
        records::item::decode(&row.fact.value).map_err(|error| corrupt(&row.key, &error.to_string()))?;
    Ok(StoredItem { item, version: row.fact.version, parts: 0 })
}

/// An item with what follows of it in further facts.
async fn gathered(snapshot: &dyn Snapshot, row: Scanned) -> Result<StoredItem, StoreError> {
    let parts = records::item::parts_of(&row.fact.value);
    if parts == 0 {
        return whole(row);
    }
    let prefix = keys::parts_of_item(&row.key);
    let rest = snapshot.scan(&KeyRange::prefix(&prefix), parts, Direction::Forward).await?;
    if rest.len() != parts {
        return Err(corrupt(&row.key, "a part is missing"));
    }
    let mut bytes = row.fact.value.to_vec();
    for part in rest {
        bytes.extend_from_slice(&part.fact.value);
    }
    let item = records::item::decode(&bytes).map_err(|error| corrupt(&row.key, &error.to_string()))?;
    Ok(StoredItem { item, version: row.fact.version, parts })
}
