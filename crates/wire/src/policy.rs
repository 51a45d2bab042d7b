//! What a face and the guard tell each other about resources whose policies the face's engine keeps.

use std::collections::BTreeMap;
use std::sync::Arc;

use headwater_base::{AccountId, Caller};

use crate::Access;

/// What a request says, by the names that conditions of policies use. Names are kept in lower case.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RequestKeys(BTreeMap<String, Vec<String>>);

impl RequestKeys {
    /// Says this of `key`, and nothing else.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.0.insert(key.to_ascii_lowercase(), vec![value.into()]);
    }

    /// Says this, too, of `key`.
    pub fn add(&mut self, key: &str, value: impl Into<String>) {
        self.0.entry(key.to_ascii_lowercase()).or_default().push(value.into());
    }

    /// What is said of `key`, which is in lower case.
    pub fn get(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }
}

/// A request as its face sees it: the guard decides.
#[derive(Clone, Copy, Debug)]
pub struct Petition<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// What for.
    pub access: &'a Access,
    /// The account that owns the bucket, whose policy this is.
    pub owner: AccountId,
    /// The account that owns the object, when it is another one: neither the bucket's account nor its
    /// policy lets anybody at it.
    pub foreign_object: bool,
    /// The bucket's policy.
    pub policy: Option<&'a Arc<str>>,
    /// Of what the policy allows, other accounts get nothing.
    pub is_restricted: bool,
    /// An access control list grants it.
    pub is_granted: bool,
    /// What the request says.
    pub keys: &'a RequestKeys,
}

/// What a bucket's policy is like.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BucketPolicyTraits {
    /// It lets everybody do something.
    pub is_public: bool,
    /// It asks for the tags of the object a request is about.
    pub asks_object_tags: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_lower_case() {
        let mut keys = RequestKeys::default();
        keys.set("aws:SourceIp", "1");
        keys.set("aws:sourceip", "2");
        keys.add("aws:SourceIp", "3");
        assert_eq!(keys.get("aws:sourceip"), ["2", "3"]);
        assert!(keys.get("aws:userid").is_empty());
    }
}
