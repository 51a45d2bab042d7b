//! Amazon resource names: `arn:partition:service:region:account:resource`.

use std::fmt;
use std::str::FromStr;

use crate::{AccountId, InvalidName, Region, Scope};

/// A resource's full name. Region and account are absent where the service has none (S3).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Arn {
    /// The service's ARN name, such as `kinesis`.
    pub service: String,
    /// The region, if the resource has one.
    pub region: Option<Region>,
    /// The owner, if the name carries one.
    pub account: Option<AccountId>,
    /// All that follows the account, such as `stream/orders`.
    pub resource: String,
}

impl Arn {
    /// The ARN of `resource` of `service` in a scope.
    pub fn new(service: &str, scope: &Scope, resource: impl Into<String>) -> Self {
        Self {
            service: service.to_owned(),
            region: Some(scope.region.clone()),
            account: Some(scope.account),
            resource: resource.into(),
        }
    }

    /// The ARN of a resource whose name carries neither region nor account (S3).
    pub fn global(service: &str, resource: impl Into<String>) -> Self {
        Self { service: service.to_owned(), region: None, account: None, resource: resource.into() }
    }

    /// The part of `resource` after `prefix`, such as the name after `stream/`.
    pub fn resource_after(&self, prefix: &str) -> Option<&str> {
        self.resource.strip_prefix(prefix)
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "arn:aws:{}:", self.service)?;
        if let Some(region) = &self.region {
            write!(f, "{region}")?;
        }
        f.write_str(":")?;
        if let Some(account) = self.account {
            write!(f, "{account}")?;
        }
        write!(f, ":{}", self.resource)
    }
}

impl FromStr for Arn {
    type Err = InvalidName;

    /// Parses any partition (`aws`, `aws-cn`, …); it prints as `aws`.
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let refuse = || InvalidName::new("ARN", text, "arn:partition:service:region:account:resource");
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let [head, partition, service, region, account, resource] = parts[..] else {
            return Err(refuse());
        };
        if head != "arn" || !partition.starts_with("aws") || service.is_empty() || resource.is_empty() {
            return Err(refuse());
        }
        let region = if region.is_empty() { None } else { Some(region.parse()?) };
        let account = if account.is_empty() { None } else { Some(account.parse()?) };
        Ok(Self { service: service.to_owned(), region, account, resource: resource.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_survive_a_round_trip() {
        for text in [
            "arn:aws:kinesis:eu-west-1:000000000001:stream/orders",
            "arn:aws:s3:::bucket/key:with:colons",
            "arn:aws:iam::123456789012:user/ada",
        ] {
            assert_eq!(text.parse::<Arn>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn half_an_arn_is_refused() {
        for text in ["", "arn:aws:s3", "arn:gcp:s3:::b", "arn:aws:s3:::"] {
            assert!(text.parse::<Arn>().is_err(), "{text}");
        }
    }
}
