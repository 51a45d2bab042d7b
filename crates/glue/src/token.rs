//! Paging tokens: where the last page ended, in a form that says nothing to clients.

use headwater_wire::Fault;

use crate::fault;

/// The token that goes on after these values.
pub(crate) fn seal(values: &[String]) -> String {
    hex::encode(serde_json::to_vec(values).expect("strings are JSON"))
}

/// The values a token was made of; `None` for no token (SDKs also send an empty one).
pub(crate) fn open(token: Option<&str>) -> Result<Option<Vec<String>>, Fault> {
    let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(None) };
    let values = hex::decode(token).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    values.map(Some).ok_or_else(|| fault::invalid("Invalid NextToken"))
}

/// The one value a token was made of.
pub(crate) fn open_one(token: Option<&str>) -> Result<Option<String>, Fault> {
    Ok(open(token)?.and_then(|values| values.into_iter().next()))
}

/// Cuts a list to a page and gives the token of the next; the list was read one longer than the
/// page to know whether there is more.
pub(crate) fn cut<T>(items: &mut Vec<T>, limit: usize, name: impl Fn(&T) -> Vec<String>) -> Option<String> {
    if items.len() <= limit {
        return None;
    }
    items.truncate(limit);
    items.last().map(|last| seal(&name(last)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn foreign_tokens_are_refused() {
        assert_eq!(open(None).unwrap(), None);
        assert_eq!(open(Some("")).unwrap(), None);
        assert_eq!(open(Some("zz")).unwrap_err().code, "InvalidInputException");
        assert_eq!(open(Some("00")).unwrap_err().message, "Invalid NextToken");
    }

    proptest! {
        #[test]
        fn tokens_read_back(values: Vec<String>) {
            prop_assert_eq!(open(Some(&seal(&values))).unwrap(), Some(values));
        }
    }
}
