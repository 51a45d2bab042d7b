//! From an expression to ranges of keys.
//!
//! Tests that are AND-ed at the top bound the first keys: equalities pin a key and lead on to the
//! next; a range of values ends the prefix. Everything else is left to the filter.

use headwater_store::{Key, KeyRange};

use super::literal::{KeyType, Literal};
use super::{Comparison, Expr, Test};
use crate::records::order;

/// How many ranges a plan may have; beyond that, pinning stops at the keys before.
const RANGES_MAX: usize = 64;

/// A range of bytes that follow the prefix of all partitions: from the first to before the second;
/// no end means to the end of what begins with the prefix they extend.
type Span = (Vec<u8>, Option<Vec<u8>>);

pub(super) fn key_ranges(root: Option<&Expr>, keys: &[KeyType], prefix: &Key) -> Vec<KeyRange> {
    let mut tests = Vec::new();
    if let Some(root) = root {
        collect(root, &mut tests);
    }
    let mut pinned: Vec<Vec<u8>> = vec![Vec::new()];
    let mut spans: Option<Vec<Span>> = None;
    for (index, key_type) in keys.iter().enumerate() {
        let tests: Vec<&Test> =
            tests.iter().filter(|(key, _)| *key == index).map(|(_, test)| *test).collect();
        let points = points(&tests, key_type).filter(|points| points.len() * pinned.len() <= RANGES_MAX);
        if let Some(points) = points {
            pinned = pinned
                .iter()
                .flat_map(|begin| points.iter().map(|point| [begin.as_slice(), point].concat()))
                .collect();
            continue;
        }
        spans = Some(bounds(&tests, key_type)).filter(|spans| spans.len() * pinned.len() <= RANGES_MAX);
        break;
    }
    pinned.sort();
    pinned.dedup();
    let spans = spans.unwrap_or_else(|| vec![(Vec::new(), None)]);
    let ranges = pinned.iter().flat_map(|begin| spans.iter().map(|span| range(prefix, begin, span)));
    ranges.filter(|range| range.end.as_ref().is_none_or(|end| range.start < *end)).collect()
}

/// The tests that must all hold.
fn collect<'a>(expr: &'a Expr, tests: &mut Vec<(usize, &'a Test)>) {
    match expr {
        Expr::And(parts) => parts.iter().for_each(|part| collect(part, tests)),
        Expr::Test { key, test } => tests.push((*key, test)),
        Expr::Or(_) | Expr::Not(_) => {}
    }
}

fn range(prefix: &Key, begin: &[u8], (start, end): &Span) -> KeyRange {
    let join = |more: &[u8]| Key::from_bytes([prefix.as_bytes(), begin, more].concat().into());
    let end = match end {
        Some(end) => Some(join(end)),
        None => join(&[]).successor_of_prefix(),
    };
    KeyRange { start: join(start), end }
}

/// The encodings a value can have that satisfies an equality or IN among the tests, if each
/// literal has just one.
fn points(tests: &[&Test], key_type: &KeyType) -> Option<Vec<Vec<u8>>> {
    tests.iter().find_map(|test| match test {
        Test::Compare(Comparison::Equal, literal) => Some(vec![point(literal, key_type)?]),
        Test::In(literals) => literals.iter().map(|literal| point(literal, key_type)).collect(),
        _ => None,
    })
}

fn point(literal: &Literal, key_type: &KeyType) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    match (literal, key_type) {
        (Literal::Text(text), KeyType::Text) => order::encode(&mut bytes, text),
        (Literal::Date(date), KeyType::Date) => order::encode(&mut bytes, &date.to_string()),
        (Literal::Integer(number), KeyType::Integer) => order::encode_number(&mut bytes, *number),
        _ => return None,
    }
    Some(bytes)
}

/// Where values lie that satisfy the comparisons among the tests.
fn bounds(tests: &[&Test], key_type: &KeyType) -> Vec<Span> {
    let (mut low, mut high): (Option<&Literal>, Option<&Literal>) = (None, None);
    for test in tests {
        let (at_least, at_most) = match test {
            Test::Compare(Comparison::Greater | Comparison::GreaterOrEqual, literal) => (Some(literal), None),
            Test::Compare(Comparison::Less | Comparison::LessOrEqual, literal) => (None, Some(literal)),
            Test::Compare(Comparison::Equal, literal) => (Some(literal), Some(literal)),
            Test::Between(from, to) => (Some(from), Some(to)),
            _ => (None, None),
        };
        low = at_least.filter(|at_least| low.is_none_or(|low| *at_least > low)).or(low);
        high = at_most.filter(|at_most| high.is_none_or(|high| *at_most < high)).or(high);
    }
    if low.is_none() && high.is_none() {
        return vec![(Vec::new(), None)];
    }
    match key_type {
        KeyType::Integer => vec![numbers(low, high)],
        KeyType::Date | KeyType::Timestamp => vec![text(low, high)],
        // Text that looks like numbers sorts apart, by size.
        KeyType::Text => vec![(vec![order::NUMBER], Some(vec![order::TEXT])), text(low, high)],
        KeyType::Decimal | KeyType::Double | KeyType::Unknown(_) => vec![(Vec::new(), None)],
    }
}

fn numbers(low: Option<&Literal>, high: Option<&Literal>) -> Span {
    let number = |literal: Option<&Literal>| match literal {
        Some(Literal::Integer(number)) => Some(*number),
        _ => None,
    };
    let encoded = |number: i64| {
        let mut bytes = Vec::new();
        order::encode_number(&mut bytes, number);
        bytes
    };
    let start = number(low).map_or_else(|| vec![order::NUMBER], encoded);
    let end = number(high).and_then(|high| high.checked_add(1)).map_or_else(|| vec![order::TEXT], encoded);
    (start, Some(end))
}

/// The span of text from what begins with the low bound's letters to what begins with the high
/// bound's.
fn text(low: Option<&Literal>, high: Option<&Literal>) -> Span {
    let open = |letters: &str| {
        let mut bytes = vec![order::TEXT];
        order::encode_open(&mut bytes, letters);
        bytes
    };
    let start = low.and_then(letters).map_or_else(|| vec![order::TEXT], |letters| open(&letters));
    let end = high.and_then(letters).map_or_else(
        || vec![order::TEXT + 1],
        |letters| {
            let past = Key::from_bytes(open(&letters).into()).successor_of_prefix();
            past.map_or_else(|| vec![order::TEXT + 1], |key| key.as_bytes().to_vec())
        },
    );
    (start, Some(end))
}

/// The letters that every spelling of the literal begins with.
fn letters(literal: &Literal) -> Option<String> {
    match literal {
        Literal::Text(text) => Some(text.clone()),
        Literal::Date(date) => Some(date.to_string()),
        Literal::Timestamp(moment) => Some(moment.date().to_string()),
        Literal::Integer(_) | Literal::Decimal(_) | Literal::Double(_) => None,
    }
}
