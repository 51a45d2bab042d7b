//! The outcome of a table write, and a job's bookmark.

use minicbor::{Decode, Encode};

use super::Record;

/// What a committed write did. Its LSN is the version of the fact.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct WriteRecord {
    /// Rows written.
    #[n(0)]
    pub(crate) rows: u64,
    /// Partitions that were not there before.
    #[n(1)]
    pub(crate) partitions_added: u64,
    /// How many objects were written in all.
    #[n(2)]
    pub(crate) object_count: u64,
    /// The objects, as `s3://bucket/key`, as far as they fit.
    #[n(3)]
    pub(crate) objects: Vec<String>,
    /// When, in milliseconds since the epoch.
    #[n(4)]
    pub(crate) at_ms: i64,
}

impl Record for WriteRecord {
    const KIND: &'static str = "table write";
}

/// Where a job's incremental input was read up to.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct BookmarkRecord {
    /// The LSN.
    #[n(0)]
    pub(crate) lsn: u64,
    /// When it last moved, in milliseconds since the epoch.
    #[n(1)]
    pub(crate) at_ms: i64,
}

impl Record for BookmarkRecord {
    const KIND: &'static str = "bookmark";
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_are_as_released() {
        let write = WriteRecord {
            rows: 5,
            partitions_added: 1,
            object_count: 1,
            objects: vec!["s3://b/k".into()],
            at_ms: 9,
        };
        assert_eq!(hex::encode(write.to_value()), "018505010181687333 3a2f2f622f6b09".replace(' ', ""));
        assert_eq!(hex::encode(BookmarkRecord { lsn: 300, at_ms: 9 }.to_value()), "018219012c09");
    }

    proptest! {
        #[test]
        fn writes_read_back(rows: u64, partitions_added: u64, objects: Vec<String>, at_ms: i64) {
            let write = WriteRecord { rows, partitions_added, object_count: objects.len() as u64, objects, at_ms };
            prop_assert_eq!(WriteRecord::from_value(&write.to_value()), Ok(write));
        }

        #[test]
        fn bookmarks_read_back(lsn: u64, at_ms: i64) {
            let bookmark = BookmarkRecord { lsn, at_ms };
            prop_assert_eq!(BookmarkRecord::from_value(&bookmark.to_value()), Ok(bookmark));
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = WriteRecord::from_value(&bytes);
            let _ = BookmarkRecord::from_value(&bytes);
        }
    }
}
