//! A bound on the nesting of JSON, checked before parsing: the parser passes over members it does
//! not know by recursion without a limit of its own.

/// How deep arrays and objects may nest.
const DEPTH_MAX: usize = 100;

/// Whether arrays and objects of `json` nest more than [`DEPTH_MAX`] deep. Costs little beside the
/// parse: the inside of strings, most of a large body, is skipped by vector instructions.
pub(crate) fn is_too_deep(json: &[u8]) -> bool {
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        at += 1;
        match byte {
            b'[' | b'{' => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return true;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => at = past_string(json, at),
            _ => {}
        }
    }
    false
}

/// Where the string that began before `at` is over.
fn past_string(json: &[u8], mut at: usize) -> usize {
    while let Some(found) = json.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found + 1;
        if json[at - 1] == b'"' {
            return at;
        }
        // An escaped character, which may be a quote.
        at += 1;
    }
    json.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn brackets_count_outside_strings_only() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(!is_too_deep(nested(DEPTH_MAX).as_bytes()));
        assert!(is_too_deep(nested(DEPTH_MAX + 1).as_bytes()));
        assert!(!is_too_deep(nested(1).repeat(1000).as_bytes()));
        assert!(!is_too_deep(format!("{{\"a\\\"{}\":1}}", "[".repeat(1000)).as_bytes()));
        assert!(is_too_deep(format!("{{\"a\\\\\":{}", "[".repeat(1000)).as_bytes()));
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes in "[\\[\\]{}\"\\\\a]{0,300}") {
            let _ = is_too_deep(bytes.as_bytes());
        }
    }
}
