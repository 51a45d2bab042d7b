//! Who there is, and what they may do.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use headwater_base::{AccountId, Arn, Caller};
use headwater_wire::{Access, Authority, Fault, Secret};
use sha2::{Digest, Sha256};

/// The secret of every development credential.
const DEV_SECRET: &str = "test";
/// The development access key of account 000000000000.
const DEV_KEY: &str = "test";

/// A configured user.
#[derive(Clone)]
pub struct User {
    /// The access key: letters, digits, `_` and `-`.
    pub access_key: String,
    /// The secret access key.
    pub secret: String,
    /// The account it belongs to.
    pub account: AccountId,
    /// Its name within the account; `root` is the account itself.
    pub name: String,
    /// S3's canonical id of the account, 64 hex digits; derived from the account when not given.
    pub canonical_id: Option<String>,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User")
            .field("access_key", &self.access_key)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// Why a list of users is not accepted: fix the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsersError {
    /// Two users share an access key.
    #[error("access key {0} is given twice")]
    Twice(String),
    /// An access key cannot be sent in a signature.
    #[error("access key {0:?} must be 1 to 128 letters, digits, '_' or '-'")]
    BadKey(String),
    /// A secret is empty.
    #[error("the secret of access key {0} is empty")]
    NoSecret(String),
    /// Users of one account have different canonical ids, which are their account's.
    #[error("access key {0} has another canonical id than its account {1}")]
    OtherCanonicalId(String, AccountId),
    /// A canonical id is none.
    #[error("the canonical id of access key {0} must be 64 hex digits")]
    BadCanonicalId(String),
}

/// Every user, and the guard. Users of one account see the same resources, users of different
/// accounts never each other's.
#[derive(Debug)]
pub struct Users {
    by_key: HashMap<String, Secret>,
    /// Those of accounts that were given one.
    canonical_ids: HashMap<AccountId, String>,
    dev: bool,
}

impl Users {
    /// The configured users.
    ///
    /// # Errors
    /// When the list contradicts itself.
    pub fn new(users: &[User]) -> Result<Self, UsersError> {
        let mut by_key = HashMap::new();
        let canonical_ids = canonical_ids(users)?;
        for user in users {
            let given = canonical_ids.get(&user.account).cloned();
            let secret = User { canonical_id: given, ..user.clone() }.checked()?;
            if by_key.insert(user.access_key.clone(), secret).is_some() {
                return Err(UsersError::Twice(user.access_key.clone()));
            }
        }
        Ok(Self { by_key, canonical_ids, dev: false })
    }

    /// S3's canonical id of an account, whether or not it has users.
    pub(crate) fn canonical_id(&self, account: AccountId) -> String {
        self.canonical_ids.get(&account).cloned().unwrap_or_else(|| canonical_id(account))
    }

    /// The same, and the development credentials: `test`/`test` as account 000000000000, and every
    /// twelve-digit access key with secret `test` as that account.
    #[must_use]
    pub fn with_dev(mut self) -> Self {
        self.dev = true;
        self
    }

    fn dev_user(access_key: &str) -> Option<Secret> {
        let account = if access_key == DEV_KEY { AccountId::from_number(0) } else { access_key.parse() };
        let account = account.ok()?;
        let user = User {
            access_key: access_key.to_owned(),
            secret: DEV_SECRET.to_owned(),
            account,
            name: "root".to_owned(),
            canonical_id: None,
        };
        user.checked().ok()
    }
}

/// The canonical ids that the users give their accounts.
fn canonical_ids(users: &[User]) -> Result<HashMap<AccountId, String>, UsersError> {
    let mut ids: HashMap<AccountId, String> = HashMap::new();
    for user in users {
        let Some(id) = user.canonical_id.as_ref().map(|id| id.to_ascii_lowercase()) else { continue };
        let known = ids.entry(user.account).or_insert_with(|| id.clone());
        if *known != id {
            return Err(UsersError::OtherCanonicalId(user.access_key.clone(), user.account));
        }
    }
    Ok(ids)
}

impl User {
    fn checked(&self) -> Result<Secret, UsersError> {
        let key = &self.access_key;
        let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if !(1..=128).contains(&key.len()) || !key.bytes().all(legal) {
            return Err(UsersError::BadKey(key.clone()));
        }
        if self.secret.is_empty() {
            return Err(UsersError::NoSecret(key.clone()));
        }
        let id = self.canonical_id.clone().unwrap_or_else(|| canonical_id(self.account));
        if id.len() != 64 || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(UsersError::BadCanonicalId(key.clone()));
        }
        let caller = Caller {
            account: self.account,
            access_key: key.clone(),
            user: self.name.clone(),
            canonical_id: id.to_ascii_lowercase(),
        };
        Ok(Secret { secret: self.secret.as_str().into(), caller: Arc::new(caller) })
    }
}

/// The canonical id of an account that was not given one: 64 hex digits, always the same.
pub fn canonical_id(account: AccountId) -> String {
    hex::encode(Sha256::digest(format!("headwater canonical id of {account}")))
}

#[async_trait]
impl Authority for Users {
    async fn secret(&self, access_key: &str) -> Option<Secret> {
        let configured = self.by_key.get(access_key).cloned();
        configured.or_else(|| if self.dev { Self::dev_user(access_key) } else { None })
    }

    async fn check(&self, caller: &Caller, access: &Access, owner: Option<AccountId>) -> Result<(), Fault> {
        let named = access.resource.as_ref().and_then(|arn| arn.account);
        // Who signed nothing has no account of its own.
        let foreign = caller.is_anonymous()
            || [owner, named].into_iter().flatten().any(|account| account != caller.account);
        if foreign { Err(denied(caller, access)) } else { Ok(()) }
    }
}

/// The refusal in the words of the action's service.
pub(crate) fn denied(caller: &Caller, access: &Access) -> Fault {
    let why = format!("because no resource-based policy allows the {} action", access.action);
    refused(caller, access, &why)
}

/// The refusal of what a policy denies.
pub(crate) fn denied_by_policy(caller: &Caller, access: &Access) -> Fault {
    refused(caller, access, "with an explicit deny in a resource-based policy")
}

fn refused(caller: &Caller, access: &Access, why: &str) -> Fault {
    if access.action.starts_with("s3:") {
        return Fault::client("AccessDenied", "Access Denied").with_status(403);
    }
    let resource = access.resource.as_ref().map_or_else(|| "*".to_owned(), Arn::to_string);
    let (user, action) = (caller.arn(), access.action);
    let message =
        format!("User: {user} is not authorized to perform: {action} on resource: {resource} {why}");
    Fault::client("AccessDeniedException", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(key: &str, account: &str) -> User {
        User {
            access_key: key.into(),
            secret: "s".into(),
            account: account.parse().unwrap(),
            name: "ada".into(),
            canonical_id: None,
        }
    }

    #[tokio::test]
    async fn test_credentials_exist_on_development_nodes_only() {
        let plain = Users::new(&[user("AKIA1", "111111111111")]).unwrap();
        assert!(plain.secret("AKIA1").await.is_some());
        assert!(plain.secret("test").await.is_none());
        assert!(plain.secret("222222222222").await.is_none());
        let dev = plain.with_dev();
        assert_eq!(dev.secret("test").await.unwrap().caller.account.to_string(), "000000000000");
        assert_eq!(dev.secret("222222222222").await.unwrap().caller.account.to_string(), "222222222222");
        assert!(dev.secret("22222222222x").await.is_none());
        assert!(dev.secret("AKIA2").await.is_none());
    }

    #[tokio::test]
    async fn accounts_are_isolated() {
        let users = Users::new(&[user("AKIA1", "111111111111")]).unwrap();
        let caller = users.secret("AKIA1").await.unwrap().caller;
        let access = |arn: &str, action| Access { action, resource: Some(arn.parse().unwrap()) };
        let own = access("arn:aws:kinesis:eu-west-1:111111111111:stream/a", "kinesis:PutRecord");
        let foreign = access("arn:aws:kinesis:eu-west-1:222222222222:stream/a", "kinesis:PutRecord");
        assert!(users.check(&caller, &own, None).await.is_ok());
        let refusal = users.check(&caller, &foreign, None).await.unwrap_err();
        assert_eq!(refusal.code, "AccessDeniedException");
        assert!(refusal.message.contains("arn:aws:iam::111111111111:user/ada"), "{}", refusal.message);
        let bucket = access("arn:aws:s3:::b/k", "s3:GetObject");
        assert!(users.check(&caller, &bucket, Some(caller.account)).await.is_ok());
        let refusal = users.check(&caller, &bucket, Some("222222222222".parse().unwrap())).await.unwrap_err();
        assert_eq!((refusal.code.as_ref(), refusal.status), ("AccessDenied", 403));
    }

    #[test]
    fn a_list_that_contradicts_itself_is_refused() {
        let twice = Users::new(&[user("A", "111111111111"), user("A", "222222222222")]);
        assert_eq!(twice.unwrap_err(), UsersError::Twice("A".into()));
        assert!(matches!(Users::new(&[user("A/B", "111111111111")]), Err(UsersError::BadKey(_))));
        let short = User { canonical_id: Some("ab".into()), ..user("A", "111111111111") };
        assert!(matches!(Users::new(&[short]), Err(UsersError::BadCanonicalId(_))));
        let id = |key: &str, c: &str| User { canonical_id: Some(c.repeat(64)), ..user(key, "111111111111") };
        let two = Users::new(&[id("A", "a"), id("B", "b")]);
        assert!(matches!(two, Err(UsersError::OtherCanonicalId(..))));
        let users = Users::new(&[id("A", "A"), user("B", "111111111111")]).unwrap();
        assert_eq!(users.canonical_id("111111111111".parse().unwrap()), "a".repeat(64));
        assert_eq!(users.by_key["B"].caller.canonical_id, "a".repeat(64));
    }

    #[test]
    fn secrets_do_not_show() {
        let user = User { secret: "very-secret".into(), ..user("A", "111111111111") };
        assert!(
            !format!("{user:?} {:?}", Users::new(std::slice::from_ref(&user)).unwrap())
                .contains("very-secret")
        );
    }
}
