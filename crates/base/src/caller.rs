//! Who is asking: the identity that a verified request carries.

use crate::AccountId;

/// The authenticated sender of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// The account the credentials belong to; resources are looked up in it.
    pub account: AccountId,
    /// The access key that signed the request. Not a secret.
    pub access_key: String,
    /// The user's name within the account (`root` for the node's own credentials).
    pub user: String,
    /// S3's canonical id of the account: 64 hex digits.
    pub canonical_id: String,
}

impl Caller {
    /// The principal's ARN, as policies and ledgers name it.
    pub fn arn(&self) -> String {
        if self.user == "root" {
            format!("arn:aws:iam::{}:root", self.account)
        } else {
            format!("arn:aws:iam::{}:user/{}", self.account, self.user)
        }
    }
}
