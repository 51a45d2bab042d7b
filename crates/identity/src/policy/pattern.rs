//! Patterns of policies: `*` stands for anything, `?` for one byte, `${key}` for what the request says.

use std::borrow::Cow;

use headwater_wire::RequestKeys;

/// The most bytes that variables may add to one pattern; what says more matches nothing.
const RESOLVED_BYTES_MAX: usize = 4096;

/// A text with or without wildcards and variables.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Pattern {
    parts: Vec<Part>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Part {
    Byte(u8),
    One,
    Many,
    /// The value of this key (in lower case), or this instead.
    Variable(String, Option<String>),
}

/// Whether a key, in lower case, is one that policies may name.
pub(super) type KnownKeys = fn(&str) -> bool;

/// How a text is read.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    /// `*` and `?` are wildcards.
    pub(super) wild: bool,
    /// Variables, and which keys there are; without it `${` is only text.
    pub(super) variables: Option<KnownKeys>,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When a variable is none.
    pub(super) fn parse(text: &str, reading: Reading) -> Result<Self, String> {
        let mut parts = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.bytes().next() {
            if let (Some(known), Some(inside)) = (reading.variables, rest.strip_prefix("${")) {
                let (name, after) =
                    inside.split_once('}').ok_or_else(|| format!("a variable in {text:?} has no end"))?;
                parts.push(variable(name, known)?);
                rest = after;
                continue;
            }
            parts.push(match first {
                b'*' if reading.wild => Part::Many,
                b'?' if reading.wild => Part::One,
                byte => Part::Byte(byte),
            });
            // One byte: a character of several is taken apart, so the rest may begin within it.
            let len = rest.chars().next().map_or(1, char::len_utf8);
            parts.extend(rest.as_bytes()[1..len].iter().map(|byte| Part::Byte(*byte)));
            rest = &rest[len..];
        }
        Ok(Self { parts })
    }

    /// Whether it is one text, whatever is asked.
    pub(super) fn is_fixed(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Byte(_)))
    }

    /// Whether a variable's key begins with `prefix`.
    pub(super) fn names(&self, prefix: &str) -> bool {
        let named = |part: &Part| matches!(part, Part::Variable(key, _) if key.starts_with(prefix));
        self.parts.iter().any(named)
    }

    /// Whether `text` has this form.
    pub(super) fn matches(&self, text: &str, keys: &RequestKeys) -> bool {
        self.resolved(keys).is_some_and(|parts| matches(&parts, text.as_bytes(), same))
    }

    /// The same in upper and lower case.
    pub(super) fn matches_ignoring_case(&self, text: &str, keys: &RequestKeys) -> bool {
        let same = |a: u8, b: u8| a.eq_ignore_ascii_case(&b);
        self.resolved(keys).is_some_and(|parts| matches(&parts, text.as_bytes(), same))
    }

    /// Whether some text that begins with `start` has this form.
    pub(super) fn may_begin_with(&self, start: &str) -> bool {
        // The places in the pattern where the text so far may end.
        let mut places = vec![false; self.parts.len() + 1];
        places[0] = true;
        let pass_stars = |places: &mut Vec<bool>| {
            for (at, part) in self.parts.iter().enumerate() {
                if places[at] && matches!(part, Part::Many | Part::Variable(..)) {
                    places[at + 1] = true;
                }
            }
        };
        pass_stars(&mut places);
        for byte in start.bytes() {
            let mut next = vec![false; places.len()];
            for (at, part) in self.parts.iter().enumerate().filter(|(at, _)| places[*at]) {
                match part {
                    Part::Byte(wanted) if *wanted != byte => {}
                    Part::Byte(_) | Part::One => next[at + 1] = true,
                    Part::Many | Part::Variable(..) => next[at] = true,
                }
            }
            places = next;
            pass_stars(&mut places);
        }
        places.contains(&true)
    }

    /// With its variables replaced; `None` when the request has no value for one.
    fn resolved(&self, keys: &RequestKeys) -> Option<Cow<'_, [Part]>> {
        if !self.parts.iter().any(|part| matches!(part, Part::Variable(..))) {
            return Some(Cow::Borrowed(&self.parts));
        }
        let mut resolved = Vec::new();
        for part in &self.parts {
            let Part::Variable(key, default) = part else {
                resolved.push(part.clone());
                continue;
            };
            let value = match keys.get(key) {
                [one] => one,
                [] => default.as_ref()?,
                _ => return None,
            };
            if resolved.len() + value.len() > self.parts.len() + RESOLVED_BYTES_MAX {
                return None;
            }
            resolved.extend(value.bytes().map(Part::Byte));
        }
        Some(Cow::Owned(resolved))
    }
}

/// What stands between `${` and `}`.
fn variable(name: &str, known: KnownKeys) -> Result<Part, String> {
    match name {
        "*" | "?" | "$" => return Ok(Part::Byte(name.as_bytes()[0])),
        _ => {}
    }
    let (key, default) = match name.split_once(',') {
        None => (name, None),
        Some((key, default)) => {
            let inside = default.trim().strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
            let inside = inside.ok_or_else(|| format!("the default of ${{{name}}} is not in quotes"))?;
            (key, Some(inside.to_owned()))
        }
    };
    let key = key.trim().to_ascii_lowercase();
    if !known(&key) {
        return Err(format!("the variable ${{{name}}} is not supported"));
    }
    Ok(Part::Variable(key, default))
}

fn same(a: u8, b: u8) -> bool {
    a == b
}

/// Whether `text` has the form of `pattern`. Goes back to the last star only, so it takes at most
/// pattern × text steps.
fn matches(pattern: &[Part], text: &[u8], same: impl Fn(u8, u8) -> bool) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        let fits = match pattern.get(p) {
            Some(Part::Many) => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            Some(Part::One) => true,
            Some(Part::Byte(byte)) => same(*byte, text[t]),
            Some(Part::Variable(..)) | None => false,
        };
        if fits {
            p += 1;
            t += 1;
            continue;
        }
        match star {
            Some((at, from)) => {
                star = Some((at, from + 1));
                p = at + 1;
                t = from + 1;
            }
            None => return false,
        }
    }
    pattern[p..].iter().all(|part| *part == Part::Many)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_user(key: &str) -> bool {
        key == "aws:username"
    }

    fn wild(text: &str) -> Pattern {
        Pattern::parse(text, Reading { wild: true, variables: None }).unwrap()
    }

    fn with_variables(text: &str) -> Result<Pattern, String> {
        Pattern::parse(text, Reading { wild: true, variables: Some(is_user) })
    }

    #[test]
    fn patterns_match_whole_texts() {
        for (pattern, text, want) in [
            ("", "", true),
            ("*", "", true),
            ("a*c", "abcbc", true),
            ("a*c", "abcb", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a", "ab", false),
            ("*b", "aab", true),
            ("**", "x", true),
            ("ü*", "über", true),
            ("A*", "abc", false),
        ] {
            assert_eq!(wild(pattern).matches(text, &RequestKeys::default()), want, "{pattern} {text}");
        }
        assert!(wild("S3:get*").matches_ignoring_case("s3:GetObject", &RequestKeys::default()));
    }

    #[test]
    fn variables_stand_for_what_the_request_says() {
        let mut keys = RequestKeys::default();
        let home = with_variables("home/${aws:username}/*").unwrap();
        assert!(!home.matches("home//x", &keys), "without a value nothing matches");
        keys.set("aws:username", "a*");
        assert!(home.matches("home/a*/x", &keys));
        assert!(!home.matches("home/abc/x", &keys), "a value's stars are only text");
        let or = with_variables("${aws:UserName, 'nobody'}").unwrap();
        assert!(or.matches("nobody", &RequestKeys::default()));
        assert!(with_variables("${*}${?}${$}").unwrap().matches("*?$", &keys));
        assert!(with_variables("${aws:colour}").unwrap_err().contains("not supported"));
        assert!(with_variables("${aws:username").is_err());
        assert!(wild("${aws:username}").matches("${aws:username}", &keys), "without variables it is text");
    }

    #[test]
    fn a_pattern_may_begin_with() {
        for (pattern, start, want) in [
            ("arn:aws:s3:::b/*", "arn:aws:s3:::b/", true),
            ("arn:aws:s3:::b", "arn:aws:s3:::b/", false),
            ("arn:aws:s3:::*", "arn:aws:s3:::b/", true),
            ("arn:aws:s3:::?/k", "arn:aws:s3:::b/", true),
            ("arn:aws:s3:::c/*", "arn:aws:s3:::b/", false),
            ("*", "x", true),
            ("", "", true),
        ] {
            assert_eq!(wild(pattern).may_begin_with(start), want, "{pattern} {start}");
        }
    }

    proptest! {
        #[test]
        fn stars_stand_for_anything(parts in proptest::collection::vec("[a-c]{0,4}", 1..5), fill in "[a-c]{0,5}") {
            prop_assert!(wild(&parts.join("*")).matches(&parts.join(&fill), &RequestKeys::default()));
        }

        #[test]
        fn foreign_text_never_panics(pattern in "[a*?${},'ü]{0,20}", value in "[abü]{0,40}") {
            if let Ok(pattern) = with_variables(&pattern) {
                let _ = pattern.matches(&value, &RequestKeys::default());
                let _ = pattern.may_begin_with(&value);
            }
        }
    }
}
