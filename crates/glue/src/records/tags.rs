//! `TAGS` facts.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

/// The value of a `TAGS` fact.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct TagsRecord {
    #[n(0)]
    pub(crate) tags: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::records::{decode, encode};
    use headwater_store::{Key, Kind};

    #[test]
    fn golden_bytes_of_version_1() {
        let record = TagsRecord { tags: BTreeMap::from([("a".into(), "b".into())]) };
        assert_eq!(hex::encode(encode(&record)), "0181a161616162");
    }

    proptest! {
        #[test]
        fn tags_read_back(tags: BTreeMap<String, String>) {
            let record = TagsRecord { tags };
            let key = Key::of(Kind(0)).build();
            prop_assert_eq!(decode::<TagsRecord>(&key, &encode(&record)).unwrap(), record);
        }
    }
}
