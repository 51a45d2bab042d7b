//! Kind `0x0704`: which execution a client's request token began.

use headwater_base::Scope;
use headwater_store::{Key, Kind};
use minicbor::{Decode, Encode};

const TOKEN: Kind = Kind(0x0704);

/// The execution a token began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct TokenRow {
    /// Its id.
    #[n(0)]
    pub id: String,
    /// A digest of the request that began it.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub request: Vec<u8>,
}

/// Where a token is kept.
pub fn key(scope: &Scope, token: &str) -> Key {
    Key::of(TOKEN).u64(scope.account.number()).str(scope.region.as_str()).str(token).build()
}

#[cfg(test)]
mod tests {
    use super::super::{decode, encode};
    use super::*;

    #[test]
    fn version_1_reads_as_ever() {
        let row = TokenRow { id: "q".into(), request: vec![1, 2] };
        let golden = [1, 0x82, 0x61, b'q', 0x42, 1, 2];
        assert_eq!(&encode(&row)[..], golden);
        assert_eq!(decode::<TokenRow>("token", &golden).unwrap(), row);
    }
}
