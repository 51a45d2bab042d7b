//! An access control list as stored: in a `BUCKET_CONFIG`, a `CURRENT` or an `UPLOAD` fact.

use headwater_base::AccountId;
use minicbor::{Decode, Encode};

use crate::acl::{Acl, AclOwner, Grant, Grantee, Permission};

/// A list.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct AclRecord {
    /// Absent: nobody signed the request that put it.
    #[n(0)]
    pub(crate) owner: Option<u64>,
    #[n(1)]
    pub(crate) canonical_id: String,
    #[n(2)]
    pub(crate) grants: Vec<GrantRecord>,
}

/// One line of a list.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct GrantRecord {
    #[n(0)]
    pub(crate) grantee: GranteeRecord,
    #[n(1)]
    pub(crate) permission: PermissionRecord,
}

/// Who is granted something.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) enum GranteeRecord {
    #[n(0)]
    Canonical(#[n(0)] String),
    #[n(1)]
    AllUsers,
    #[n(2)]
    AuthenticatedUsers,
    #[n(3)]
    LogDelivery,
}

/// What is granted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum PermissionRecord {
    #[n(0)]
    FullControl,
    #[n(1)]
    Read,
    #[n(2)]
    Write,
    #[n(3)]
    ReadAcp,
    #[n(4)]
    WriteAcp,
}

impl AclRecord {
    pub(crate) fn of(acl: &Acl) -> Self {
        let grant = |grant: &Grant| GrantRecord {
            grantee: match &grant.grantee {
                Grantee::Canonical(id) => GranteeRecord::Canonical(id.clone()),
                Grantee::AllUsers => GranteeRecord::AllUsers,
                Grantee::AuthenticatedUsers => GranteeRecord::AuthenticatedUsers,
                Grantee::LogDelivery => GranteeRecord::LogDelivery,
            },
            permission: match grant.permission {
                Permission::FullControl => PermissionRecord::FullControl,
                Permission::Read => PermissionRecord::Read,
                Permission::Write => PermissionRecord::Write,
                Permission::ReadAcp => PermissionRecord::ReadAcp,
                Permission::WriteAcp => PermissionRecord::WriteAcp,
            },
        };
        Self {
            owner: acl.owner.account.map(AccountId::number),
            canonical_id: acl.owner.canonical_id.clone(),
            grants: acl.grants.iter().map(grant).collect(),
        }
    }

    pub(crate) fn acl(self) -> Acl {
        let grant = |grant: GrantRecord| Grant {
            grantee: match grant.grantee {
                GranteeRecord::Canonical(id) => Grantee::Canonical(id),
                GranteeRecord::AllUsers => Grantee::AllUsers,
                GranteeRecord::AuthenticatedUsers => Grantee::AuthenticatedUsers,
                GranteeRecord::LogDelivery => Grantee::LogDelivery,
            },
            permission: match grant.permission {
                PermissionRecord::FullControl => Permission::FullControl,
                PermissionRecord::Read => Permission::Read,
                PermissionRecord::Write => Permission::Write,
                PermissionRecord::ReadAcp => Permission::ReadAcp,
                PermissionRecord::WriteAcp => Permission::WriteAcp,
            },
        };
        Acl {
            owner: AclOwner {
                account: self.owner.and_then(|number| AccountId::from_number(number).ok()),
                canonical_id: self.canonical_id,
            },
            grants: self.grants.into_iter().map(grant).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::records::{decode, encode, keys};

    #[test]
    fn golden_bytes_of_version_1() {
        let grantees = [
            (Grantee::Canonical("b".into()), Permission::FullControl),
            (Grantee::AllUsers, Permission::Read),
            (Grantee::AuthenticatedUsers, Permission::ReadAcp),
            (Grantee::LogDelivery, Permission::WriteAcp),
        ];
        let grants = grantees.map(|(grantee, permission)| Grant { grantee, permission });
        let acl = Acl {
            owner: AclOwner { account: Some("000000000042".parse().unwrap()), canonical_id: "a".into() },
            grants: grants.into(),
        };
        let bytes = encode(&AclRecord::of(&acl));
        assert_eq!(
            hex::encode(&bytes),
            "0183182a6161848282008161620082820180018282028003828203 8004".replace(' ', "")
        );
        assert_eq!(decode::<AclRecord>(&keys::guard(1), &bytes).unwrap().acl(), acl);
    }

    proptest! {
        #[test]
        fn lists_read_back(owner: Option<u64>, canonical_id: String, ids: Vec<String>) {
            let grant = |id| GrantRecord {
                grantee: GranteeRecord::Canonical(id),
                permission: PermissionRecord::Write,
            };
            let record = AclRecord { owner, canonical_id, grants: ids.into_iter().map(grant).collect() };
            prop_assert_eq!(decode::<AclRecord>(&keys::guard(1), &encode(&record)).unwrap(), record);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = decode::<AclRecord>(&keys::guard(1), &bytes);
        }
    }
}
