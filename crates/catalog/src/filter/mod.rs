//! Glue's partition expressions: `year = '2026' AND month IN ('1', '2')`.
//!
//! ```text
//! any  = all { OR all }            test = key op literal | literal op key
//! all  = one { AND one }                | key [NOT] IN ( literal, … )
//! one  = NOT one | ( any ) | test       | key [NOT] BETWEEN literal AND literal
//!                                       | key [NOT] LIKE 'pattern'
//! op   = = | <> | != | < | <= | > | >=  | key IS [NOT] NULL
//! ```
//!
//! Values are compared by the key's type, not as text: `7`, `07` and `'7'` are equal for an `int`.
//! A value that is not of its key's type, and Hive's default partition, is null: it satisfies `IS
//! NULL` and nothing else, also not under NOT.
//!
//! **Invariants.** The key ranges of a filter hold every partition that satisfies it; what else
//! they hold is filtered out.

mod literal;
mod parse;
mod plan;

use headwater_store::{Key, KeyRange};

use crate::{CatalogError, Column};
use literal::{KeyType, Literal};

/// The longest expression, in bytes.
pub const EXPRESSION_BYTES_MAX: usize = 65_536;
/// The folder value that stands for null.
const DEFAULT_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

/// A parsed expression over a table's partition keys.
#[derive(Clone, Debug)]
pub struct PartitionFilter {
    keys: Vec<KeyType>,
    root: Option<Expr>,
}

/// An expression; what it is of a partition may be unknown, as in SQL.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Test { key: usize, test: Test },
}

/// A test of one key's value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Test {
    Compare(Comparison, Literal),
    In(Vec<Literal>),
    Between(Literal, Literal),
    Like(String),
    IsNull,
}

/// How a value is compared with a literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }

    /// The same seen from the other side.
    fn flipped(self) -> Self {
        match self {
            Self::Equal => Self::Equal,
            Self::NotEqual => Self::NotEqual,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }
}

impl PartitionFilter {
    /// Parses an expression over these partition keys; a blank one means all partitions.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] with what is wrong with it, and where.
    pub fn parse(expression: &str, keys: &[Column]) -> Result<Self, CatalogError> {
        if expression.len() > EXPRESSION_BYTES_MAX {
            return Err(CatalogError::Invalid(format!(
                "an expression has at most {EXPRESSION_BYTES_MAX} bytes"
            )));
        }
        let types: Vec<KeyType> = keys.iter().map(|key| KeyType::of(&key.hive_type)).collect();
        let root = if expression.trim().is_empty() {
            None
        } else {
            let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
            Some(parse::parse(expression, &names, &types).map_err(CatalogError::Invalid)?)
        };
        Ok(Self { keys: types, root })
    }

    /// Whether a partition with these values satisfies the expression.
    pub fn matches(&self, values: &[String]) -> bool {
        self.root.as_ref().is_none_or(|root| self.truth(root, values) == Some(true))
    }

    /// The ranges of keys in which all satisfying partitions lie, ascending and apart; `prefix` is
    /// what the keys of all the table's partitions begin with.
    pub(crate) fn key_ranges(&self, prefix: &Key) -> Vec<KeyRange> {
        plan::key_ranges(self.root.as_ref(), &self.keys, prefix)
    }

    fn truth(&self, expr: &Expr, values: &[String]) -> Option<bool> {
        match expr {
            Expr::And(parts) => all(parts.iter().map(|part| self.truth(part, values))),
            Expr::Or(parts) => all(parts.iter().map(|part| self.truth(part, values).map(|t| !t))).map(|t| !t),
            Expr::Not(inner) => self.truth(inner, values).map(|truth| !truth),
            Expr::Test { key, test } => self.test(*key, test, values),
        }
    }

    fn test(&self, key: usize, test: &Test, values: &[String]) -> Option<bool> {
        let text = values.get(key).filter(|value| value.as_str() != DEFAULT_PARTITION);
        if *test == Test::IsNull {
            return Some(text.is_none());
        }
        let value = self.keys[key].value(text?)?;
        Some(match test {
            Test::Compare(comparison, literal) => comparison.holds(value.partial_cmp(literal)?),
            Test::In(literals) => literals.contains(&value),
            Test::Between(low, high) => *low <= value && value <= *high,
            Test::Like(pattern) => like(text?, pattern),
            Test::IsNull => return Some(false),
        })
    }
}

/// True if all are, false if one is false, unknown otherwise.
fn all(truths: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut known = Some(true);
    for truth in truths {
        match truth {
            Some(false) => return Some(false),
            Some(true) => {}
            None => known = None,
        }
    }
    known
}

/// Whether text has the form of a pattern: `%` is any text, `_` any letter. Linear in space,
/// quadratic in time at worst.
fn like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    let (mut t, mut p) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('%') => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(&c) if c == '_' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                Some((after, from)) => {
                    retry = Some((after, from + 1));
                    p = after;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '%')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::records::keys;

    fn columns(types: &[&str]) -> Vec<Column> {
        let column =
            |(i, t): (usize, &&str)| Column { name: format!("k{i}"), hive_type: (*t).into(), comment: None };
        types.iter().enumerate().map(column).collect()
    }

    fn holds(types: &[&str], expression: &str, values: &[&str]) -> bool {
        let values: Vec<String> = values.iter().map(|v| (*v).to_owned()).collect();
        let filter = PartitionFilter::parse(expression, &columns(types)).unwrap();
        let matches = filter.matches(&values);
        let key = keys::partition(1, &values);
        let seen = filter.key_ranges(&keys::partitions(1)).iter().any(|range| range.contains(&key));
        assert!(!matches || seen, "{expression} pruned {values:?}");
        matches
    }

    #[test]
    fn values_are_compared_by_their_type() {
        assert!(holds(&["int"], "k0 = '7'", &["07"]));
        assert!(holds(&["int"], "k0 > 9", &["10"]));
        assert!(!holds(&["string"], "k0 > '9'", &["10"]));
        assert!(!holds(&["string"], "k0 = '7'", &["07"]));
        assert!(holds(&["date"], "k0 >= '2026-01-01' and k0 < '2026-02-01'", &["2026-01-31"]));
        assert!(holds(&["timestamp"], "k0 = '2026-01-01 10:00:00.0'", &["2026-01-01 10:00:00"]));
        assert!(holds(&["decimal(10,2)"], "k0 = 1.5", &["1.50"]));
        assert!(holds(&["decimal(10,2)"], "k0 < -1", &["-10"]));
        assert!(holds(&["double"], "k0 > 1e3", &["1000.5"]));
        assert!(holds(&["char(3)"], "k0 <> 'abc'", &["abd"]));
        assert!(holds(&["bigint"], "9 < k0", &["10"]));
        assert!(!holds(&["int"], "k0 <> 1", &["x"]));
    }

    #[test]
    fn the_whole_grammar_is_understood() {
        let keys = ["string", "int"];
        assert!(holds(&keys, "k0 in ('a','b') and not k1 between 3 and 5", &["b", "6"]));
        assert!(holds(&keys, "(k0 = 'x' or k1 = 6) AND K0 LIKE 'b%'", &["bcd", "6"]));
        assert!(holds(&keys, "k0 not like '_c' and k1 not in (1, 2)", &["bcd", "6"]));
        assert!(holds(&keys, "k0 not between 'x' and 'y' and k1 is not null", &["b", "6"]));
        assert!(holds(&keys, "k0 is null", &["__HIVE_DEFAULT_PARTITION__", "6"]));
        assert!(!holds(&keys, "not (k0 = 'a')", &["__HIVE_DEFAULT_PARTITION__", "6"]));
        assert!(holds(&keys, "k0 = 'it''s' or k1 = -6", &["it's", "1"]));
        assert!(holds(&keys, "`k0` = 'a' and \"k1\" = 1 and t.k1 = 1", &["a", "1"]));
        assert!(holds(&keys, "  ", &["a", "1"]));
    }

    #[test]
    fn refusals_say_what_is_wrong() {
        let said = |expression: &str| {
            let columns = columns(&["string", "int", "array<int>", "date"]);
            PartitionFilter::parse(expression, &columns).unwrap_err().to_string()
        };
        assert_eq!(said("k1 like '1%'"), "Integral data type doesn't support operation 'LIKE'");
        assert_eq!(said("k2 = 1"), "Unknown type : 'array<int>'");
        assert_eq!(said("k1 = 'x'"), "\"x\" is not a valid int");
        assert_eq!(said("k3 = '2026-13-01'"), "\"2026-13-01\" is not a valid date");
        assert_eq!(said("nokey = 1"), "no partition key is named \"nokey\"");
        for wrong in [
            "k0 =",
            "k0 = 'a",
            "k0 = 'a' and",
            "(k0 = 'a'",
            "k0 in ()",
            "k0 'a'",
            "= 'a'",
            "k0 = k1",
            "k0 = 'a')",
            "k0 ~ 1",
            "'a' = 'b'",
        ] {
            assert!(PartitionFilter::parse(wrong, &columns(&["string", "int"])).is_err(), "{wrong}");
        }
        let deep = format!("{}k0 = 'a'{}", "(".repeat(10_000), ")".repeat(10_000));
        assert!(said(&deep).contains("nested too deep"));
        assert!(said(&format!("{} k0 = 'a'", "not ".repeat(10_000))).contains("nested too deep"));
    }

    #[test]
    fn patterns_match_as_in_sql() {
        for (text, pattern, matches) in [
            ("abc", "a%", true),
            ("abc", "%b%", true),
            ("abc", "_b_", true),
            ("abc", "a", false),
            ("", "%", true),
            ("", "_", false),
            ("aab", "%ab", true),
            ("ü", "_", true),
            ("abc", "a%c%", true),
            ("a", "%%a%%", true),
        ] {
            assert_eq!(like(text, pattern), matches, "{text} like {pattern}");
        }
    }

    /// An expression with its own, naive meaning over two keys (a string and an int).
    #[derive(Clone, Debug)]
    enum Naive {
        Text(&'static str, String),
        Number(&'static str, i64),
        Numbers(Vec<i64>),
        Between(i64, i64),
        And(Box<Naive>, Box<Naive>),
        Or(Box<Naive>, Box<Naive>),
        Not(Box<Naive>),
    }

    fn compare<T: PartialOrd>(a: &T, op: &str, b: &T) -> bool {
        match op {
            "=" => a == b,
            "<>" => a != b,
            "<" => a < b,
            "<=" => a <= b,
            ">" => a > b,
            _ => a >= b,
        }
    }

    impl Naive {
        fn text(&self) -> String {
            match self {
                Self::Text(op, literal) => format!("k0 {op} '{literal}'"),
                Self::Number(op, literal) => format!("k1 {op} {literal}"),
                Self::Numbers(literals) => {
                    format!("k1 IN ({})", literals.iter().map(i64::to_string).collect::<Vec<_>>().join(","))
                }
                Self::Between(low, high) => format!("k1 between '{low}' and '{high}'"),
                Self::And(a, b) => format!("({} AND {})", a.text(), b.text()),
                Self::Or(a, b) => format!("({} or {})", a.text(), b.text()),
                Self::Not(a) => format!("NOT ({})", a.text()),
            }
        }

        fn holds(&self, text: &String, number: i64) -> bool {
            match self {
                Self::Text(op, literal) => compare(text, op, literal),
                Self::Number(op, literal) => compare(&number, op, literal),
                Self::Numbers(literals) => literals.contains(&number),
                Self::Between(low, high) => (*low..=*high).contains(&number),
                Self::And(a, b) => a.holds(text, number) && b.holds(text, number),
                Self::Or(a, b) => a.holds(text, number) || b.holds(text, number),
                Self::Not(a) => !a.holds(text, number),
            }
        }
    }

    fn word() -> impl Strategy<Value = String> {
        prop_oneof!["[ab]{1,2}", "-?[0-9]{1,2}", Just("2026-01-02".to_owned())]
    }

    fn naive() -> impl Strategy<Value = Naive> {
        let op = prop::sample::select(vec!["=", "<>", "<", "<=", ">", ">="]);
        let leaf = prop_oneof![
            (op.clone(), word()).prop_map(|(op, text)| Naive::Text(op, text)),
            (op, -12i64..12).prop_map(|(op, n)| Naive::Number(op, n)),
            proptest::collection::vec(-12i64..12, 1..4).prop_map(Naive::Numbers),
            (-12i64..12, -12i64..12).prop_map(|(a, b)| Naive::Between(a, b)),
        ];
        leaf.prop_recursive(4, 16, 2, |inner| {
            let pair = (inner.clone(), inner.clone());
            prop_oneof![
                4 => pair.clone().prop_map(|(a, b)| Naive::And(Box::new(a), Box::new(b))),
                1 => pair.prop_map(|(a, b)| Naive::Or(Box::new(a), Box::new(b))),
                1 => inner.prop_map(|a| Naive::Not(Box::new(a))),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]
        #[test]
        fn filters_agree_with_a_naive_one(expr in naive(), text in word(), number in -12i64..12, padded: bool) {
            let spelled = if padded && number >= 0 { format!("{number:03}") } else { number.to_string() };
            prop_assert_eq!(holds(&["string", "int"], &expr.text(), &[&text, &spelled]), expr.holds(&text, number));
            let swapped = expr.text().replace("k0", "kx").replace("k1", "k0").replace("kx", "k1");
            prop_assert_eq!(holds(&["int", "string"], &swapped, &[&spelled, &text]), expr.holds(&text, number));
        }

        #[test]
        fn ranges_are_ascending_and_apart(expr in naive()) {
            let filter = PartitionFilter::parse(&expr.text(), &columns(&["string", "int"])).unwrap();
            let ranges = filter.key_ranges(&keys::partitions(1));
            for pair in ranges.windows(2) {
                prop_assert!(pair[0].end.as_ref().is_some_and(|end| *end <= pair[1].start));
            }
        }

        #[test]
        fn foreign_text_never_panics(text in "[k01 =<>!()',.a-z%\"`-]*") {
            let _ = PartitionFilter::parse(&text, &columns(&["string", "int"]));
        }
    }
}
