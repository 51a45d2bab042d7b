//! `TOKEN` facts.

use minicbor::{Decode, Encode};

/// The value of a `TOKEN` fact.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct TokenRecord {
    /// SHA-256 of the request.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) request: [u8; 32],
    #[n(1)]
    pub(crate) done_ms: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{decode, encode, keys};

    #[test]
    fn golden_bytes_of_version_1() {
        let record = TokenRecord { request: [7; 32], done_ms: 1000 };
        let bytes = encode(&record);
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, format!("01825820{}1903e8", "07".repeat(32)));
        assert_eq!(decode::<TokenRecord>(&keys::guard(1), &bytes).unwrap(), record);
    }
}
