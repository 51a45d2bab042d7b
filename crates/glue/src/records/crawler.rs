//! `CRAWLER`, `CRAWL` and `LAST_CRAWL` facts.

use minicbor::{Decode, Encode};

/// The value of a `CRAWLER` fact.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct CrawlerRecord {
    /// The definition in the service's spelling.
    #[n(0)]
    pub(crate) definition_json: String,
    #[n(1)]
    pub(crate) created_ms: i64,
    #[n(2)]
    pub(crate) updated_ms: i64,
    /// Raised by each update.
    #[n(3)]
    pub(crate) version: u64,
    /// Whether its schedule counts.
    #[n(4)]
    pub(crate) scheduled: bool,
    /// When it is due next, while its schedule counts.
    #[n(5)]
    pub(crate) due_ms: Option<i64>,
}

/// The value of a `CRAWL` fact.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct CrawlRecord {
    #[n(0)]
    pub(crate) started_ms: i64,
    /// Somebody asked it to stop.
    #[n(1)]
    pub(crate) stopping: bool,
}

/// How a crawl ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum CrawlEnd {
    #[n(0)]
    Succeeded,
    #[n(1)]
    Cancelled,
    #[n(2)]
    Failed,
}

impl CrawlEnd {
    /// The status as the service writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "SUCCEEDED",
            Self::Cancelled => "CANCELLED",
            Self::Failed => "FAILED",
        }
    }
}

/// The value of a `LAST_CRAWL` fact.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct LastCrawlRecord {
    #[n(0)]
    pub(crate) end: CrawlEnd,
    #[n(1)]
    pub(crate) error: Option<String>,
    #[n(2)]
    pub(crate) started_ms: i64,
    #[n(3)]
    pub(crate) ended_ms: i64,
    #[n(4)]
    pub(crate) tables_created: u64,
    #[n(5)]
    pub(crate) tables_updated: u64,
    #[n(6)]
    pub(crate) tables_deleted: u64,
    #[n(7)]
    pub(crate) partitions_added: u64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::records::{decode, encode};
    use headwater_store::{Key, Kind};

    #[test]
    fn golden_bytes_of_version_1() {
        let crawler = CrawlerRecord {
            definition_json: "{}".into(),
            created_ms: 1,
            updated_ms: 2,
            version: 3,
            scheduled: true,
            due_ms: Some(4),
        };
        assert_eq!(hex::encode(encode(&crawler)), "0186627b7d010203f504");
        assert_eq!(hex::encode(encode(&CrawlRecord { started_ms: 1, stopping: false })), "018201f4");
        let last = LastCrawlRecord {
            end: CrawlEnd::Failed,
            error: Some("e".into()),
            started_ms: 1,
            ended_ms: 2,
            tables_created: 3,
            tables_updated: 4,
            tables_deleted: 5,
            partitions_added: 6,
        };
        assert_eq!(hex::encode(encode(&last)), "018802 6165 010203040506".replace(' ', ""));
    }

    proptest! {
        #[test]
        fn crawlers_read_back(definition_json: String, created_ms: i64, updated_ms: i64, version: u64,
            scheduled: bool, due_ms: Option<i64>, error: Option<String>, counts: [u64; 4]) {
            let key = Key::of(Kind(0)).build();
            let crawler = CrawlerRecord { definition_json, created_ms, updated_ms, version, scheduled, due_ms };
            prop_assert_eq!(decode::<CrawlerRecord>(&key, &encode(&crawler)).unwrap(), crawler);
            let [tables_created, tables_updated, tables_deleted, partitions_added] = counts;
            let last = LastCrawlRecord {
                end: CrawlEnd::Cancelled, error, started_ms: created_ms, ended_ms: updated_ms, tables_created,
                tables_updated, tables_deleted, partitions_added,
            };
            prop_assert_eq!(decode::<LastCrawlRecord>(&key, &encode(&last)).unwrap(), last);
        }
    }
}
