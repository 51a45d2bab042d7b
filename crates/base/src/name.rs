//! Accounts, regions and the scope (account + region) that almost every resource lives in.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A name that does not have the form its kind demands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {value:?} is not valid: {rule}")]
pub struct InvalidName {
    /// What was being named, in a reader's words ("account id", "region").
    pub kind: &'static str,
    /// The text that was refused, cut to 100 characters.
    pub value: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

impl InvalidName {
    /// A refusal of `value` as a `kind`, because of `rule`.
    pub fn new(kind: &'static str, value: &str, rule: &'static str) -> Self {
        Self { kind, value: value.chars().take(100).collect(), rule }
    }
}

/// A twelve-digit AWS account number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(u64);

impl AccountId {
    /// No account: of requests that nobody signed. It owns nothing and has no twelve digits.
    pub const NOBODY: Self = Self(u64::MAX);

    /// The account with this number.
    ///
    /// # Errors
    /// When the number has more than twelve digits.
    pub fn from_number(number: u64) -> Result<Self, InvalidName> {
        if number > 999_999_999_999 {
            return Err(InvalidName::new("account id", &number.to_string(), "twelve digits"));
        }
        Ok(Self(number))
    }

    /// The account as a number, for compact storage.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl FromStr for AccountId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text.len() != 12 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(InvalidName::new("account id", text, "twelve digits"));
        }
        Ok(Self(text.parse().expect("twelve ascii digits fit in u64")))
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012}", self.0)
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// An AWS region name such as `eu-central-1`. Any lower-case name of that shape is accepted: the
/// node is wherever its owner says it is.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region(Arc<str>);

impl Region {
    /// The region's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Region {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if text.is_empty() || text.len() > 32 || !text.bytes().all(legal) {
            let rule = "1 to 32 of a-z, 0-9 and '-'";
            return Err(InvalidName::new("region", text, rule));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The account and region a resource lives in. Names are unique within one scope.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Scope {
    /// Who owns it.
    pub account: AccountId,
    /// Where it is said to be.
    pub region: Region,
}

impl Scope {
    /// The scope of an account in a region.
    pub fn new(account: AccountId, region: Region) -> Self {
        Self { account, region }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_ids_keep_their_leading_zeros() {
        let account: AccountId = "000000000042".parse().unwrap();
        assert_eq!(account.number(), 42);
        assert_eq!(account.to_string(), "000000000042");
    }

    #[test]
    fn malformed_names_say_their_rule() {
        assert!("42".parse::<AccountId>().unwrap_err().to_string().contains("twelve digits"));
        assert!("12345678901x".parse::<AccountId>().is_err());
        assert!("EU West".parse::<Region>().is_err());
        assert!("".parse::<Region>().is_err());
    }
}
