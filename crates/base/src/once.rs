//! The token that lets a repeated request be recognised as the same one.

use std::fmt;

/// 128 bits that name one attempt-independent request. A commit that carries a token the store has
/// already accepted changes nothing and returns the first outcome again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OnceToken(pub [u8; 16]);

impl OnceToken {
    /// A token for the request named by `parts` (access key, invocation id, target, …): equal parts
    /// give equal tokens, and `["ab","c"]` differs from `["a","bc"]`.
    pub fn derive(parts: &[&[u8]]) -> Self {
        let mut text = Vec::with_capacity(parts.iter().map(|p| p.len() + 8).sum());
        for part in parts {
            text.extend_from_slice(&(part.len() as u64).to_be_bytes());
            text.extend_from_slice(part);
        }
        Self(*uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, &text).as_bytes())
    }
}

impl fmt::Debug for OnceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_between_parts_matter() {
        assert_ne!(OnceToken::derive(&[b"ab", b"c"]), OnceToken::derive(&[b"a", b"bc"]));
        assert_eq!(OnceToken::derive(&[b"ab", b"c"]), OnceToken::derive(&[b"ab", b"c"]));
    }
}
