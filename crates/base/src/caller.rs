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
    /// Nobody in particular: the sender of a request without a signature.
    pub fn anonymous() -> Self {
        Self {
            account: AccountId::NOBODY,
            access_key: String::new(),
            user: "anonymous".to_owned(),
            // S3's own name of it.
            canonical_id: "65a011a29cdf8ec533ec3d1ccaae921c".to_owned(),
        }
    }

    /// Whether the request had no signature.
    pub fn is_anonymous(&self) -> bool {
        self.account == AccountId::NOBODY
    }

    /// The principal's ARN, as policies and ledgers name it.
    pub fn arn(&self) -> String {
        if self.is_anonymous() {
            self.user.clone()
        } else if self.user == "root" {
            format!("arn:aws:iam::{}:root", self.account)
        } else {
            format!("arn:aws:iam::{}:user/{}", self.account, self.user)
        }
    }
}
