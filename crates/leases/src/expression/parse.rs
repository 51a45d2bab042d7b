//! Tokens to conditions, updates and paths.
//!
//! ```text
//! condition  = all { OR all }                     all   = not { AND not }
//! not        = NOT not | ( condition ) | test
//! test       = function | operand comparator operand | operand BETWEEN … AND … | operand IN ( … )
//! update     = { SET … | REMOVE … | ADD … | DELETE … }
//! ```

use super::lexer::{TokenKind, Tokens};
use super::update::check_apart;
use super::{
    Comparator, Condition, ExpressionError, NESTING_MAX, Operand, SetOperand, SetValue, Substitutions, Update,
};
use crate::item::{Kind, Path, Step, Value};

/// The most digits a list index may have.
const INDEX_DIGITS_MAX: usize = 9;

/// Reads a condition: ConditionExpression, FilterExpression, KeyConditionExpression.
pub(crate) fn condition(text: &str, substitutions: &mut Substitutions) -> Result<Condition, ExpressionError> {
    let mut parser = Parser::new(text, substitutions)?;
    let condition = parser.any()?;
    parser.end()?;
    Ok(condition)
}

/// Reads an UpdateExpression.
pub(crate) fn update(text: &str, substitutions: &mut Substitutions) -> Result<Update, ExpressionError> {
    let mut parser = Parser::new(text, substitutions)?;
    let mut update = Update::default();
    let mut seen = Vec::new();
    while !parser.tokens.is_done() {
        let found = SECTIONS.into_iter().find(|section| parser.tokens.take_keyword(section));
        let section = found.ok_or_else(|| parser.tokens.syntax_error())?;
        if seen.contains(&section) {
            return Err(ExpressionError::SectionTwice(section));
        }
        seen.push(section);
        parser.section(section, &mut update)?;
    }
    update.check_paths()?;
    Ok(update)
}

/// Reads a ProjectionExpression.
pub(crate) fn projection(
    text: &str,
    substitutions: &mut Substitutions,
) -> Result<Vec<Path>, ExpressionError> {
    let mut parser = Parser::new(text, substitutions)?;
    let mut paths = vec![parser.path()?];
    while parser.tokens.take(",") {
        paths.push(parser.path()?);
    }
    parser.end()?;
    check_apart(&paths.iter().collect::<Vec<_>>())?;
    Ok(paths)
}

const SECTIONS: [&str; 4] = ["SET", "REMOVE", "ADD", "DELETE"];

struct Parser<'t, 's> {
    tokens: Tokens<'t>,
    substitutions: &'s mut Substitutions,
    depth: usize,
}

impl<'t, 's> Parser<'t, 's> {
    fn new(text: &'t str, substitutions: &'s mut Substitutions) -> Result<Self, ExpressionError> {
        Ok(Self { tokens: Tokens::new(text)?, substitutions, depth: 0 })
    }

    fn end(&self) -> Result<(), ExpressionError> {
        if self.tokens.is_done() { Ok(()) } else { Err(self.tokens.syntax_error()) }
    }

    /// Reads one level deeper, if it may go deeper.
    fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, ExpressionError>,
    ) -> Result<T, ExpressionError> {
        if self.depth == NESTING_MAX {
            return Err(ExpressionError::TooDeep);
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn any(&mut self) -> Result<Condition, ExpressionError> {
        let mut parts = vec![self.all()?];
        while self.tokens.take_keyword("OR") {
            parts.push(self.all()?);
        }
        Ok(one_or(parts, Condition::Any))
    }

    fn all(&mut self) -> Result<Condition, ExpressionError> {
        let mut parts = vec![self.not()?];
        while self.tokens.take_keyword("AND") {
            parts.push(self.not()?);
        }
        Ok(one_or(parts, Condition::All))
    }

    fn not(&mut self) -> Result<Condition, ExpressionError> {
        if self.tokens.take_keyword("NOT") {
            return self.deeper(|parser| Ok(Condition::Not(Box::new(parser.not()?))));
        }
        if self.tokens.take("(") {
            let inner = self.deeper(Self::any)?;
            self.tokens.expect(")")?;
            return Ok(inner);
        }
        self.test()
    }

    fn test(&mut self) -> Result<Condition, ExpressionError> {
        if self.tokens.is_call() && self.tokens.peek().1 != "size" {
            return self.function();
        }
        let left = self.operand()?;
        if self.tokens.take_keyword("BETWEEN") {
            let low = self.operand()?;
            if !self.tokens.take_keyword("AND") {
                return Err(self.tokens.syntax_error());
            }
            let high = self.operand()?;
            return Condition::between(left, low, high);
        }
        if self.tokens.take_keyword("IN") {
            self.tokens.expect("(")?;
            let list = self.operands()?;
            return Ok(Condition::In(left, list));
        }
        let comparator = match self.tokens.peek() {
            (TokenKind::Sign, "=") => Comparator::Equal,
            (TokenKind::Sign, "<>") => Comparator::NotEqual,
            (TokenKind::Sign, "<") => Comparator::Less,
            (TokenKind::Sign, "<=") => Comparator::LessOrEqual,
            (TokenKind::Sign, ">") => Comparator::Greater,
            (TokenKind::Sign, ">=") => Comparator::GreaterOrEqual,
            _ => return Err(self.tokens.syntax_error()),
        };
        self.tokens.next();
        Ok(Condition::Compare(comparator, left, self.operand()?))
    }

    /// Operands up to the closing parenthesis.
    fn operands(&mut self) -> Result<Vec<Operand>, ExpressionError> {
        let mut list = vec![self.operand()?];
        while self.tokens.take(",") {
            list.push(self.operand()?);
        }
        self.tokens.expect(")")?;
        Ok(list)
    }

    fn function(&mut self) -> Result<Condition, ExpressionError> {
        let name = self.tokens.next().1.to_owned();
        self.tokens.expect("(")?;
        let mut operands = self.operands()?;
        let wanted = match name.as_str() {
            "attribute_exists" | "attribute_not_exists" => 1,
            "attribute_type" | "begins_with" | "contains" => 2,
            "if_not_exists" | "list_append" => return Err(ExpressionError::Misused(name)),
            _ => return Err(ExpressionError::NoSuchFunction(name)),
        };
        if operands.len() != wanted {
            return Err(ExpressionError::OperandCount { name, count: operands.len() });
        }
        let last = operands.pop().expect("the count was checked");
        match (name.as_str(), operands.pop()) {
            ("attribute_exists", None) => Ok(Condition::Exists(path_of(&name, last)?)),
            ("attribute_not_exists", None) => Ok(Condition::absent(path_of(&name, last)?)),
            ("attribute_type", Some(first)) => {
                Ok(Condition::OfKind(path_of(&name, first)?, kind_of(&name, last)?))
            }
            ("begins_with", Some(first)) => {
                check_text(&name, &first)?;
                check_text(&name, &last)?;
                Ok(Condition::BeginsWith(first, last))
            }
            (_, Some(first)) => Ok(Condition::Contains(first, last)),
            (_, None) => Err(ExpressionError::OperandCount { name, count: 1 }),
        }
    }

    fn operand(&mut self) -> Result<Operand, ExpressionError> {
        match self.tokens.peek() {
            (TokenKind::Value, placeholder) => {
                self.tokens.next();
                Ok(Operand::Value(self.substitutions.value(placeholder)?))
            }
            (TokenKind::Word, "size") if self.tokens.is_call() => {
                self.tokens.next();
                self.tokens.expect("(")?;
                let path = self.path()?;
                self.tokens.expect(")")?;
                Ok(Operand::Size(path))
            }
            (TokenKind::Word, name) if self.tokens.is_call() => Err(match name {
                "attribute_exists"
                | "attribute_not_exists"
                | "attribute_type"
                | "begins_with"
                | "contains" => ExpressionError::Misused(name.to_owned()),
                _ => ExpressionError::NoSuchFunction(name.to_owned()),
            }),
            _ => Ok(Operand::Path(self.path()?)),
        }
    }

    fn path(&mut self) -> Result<Path, ExpressionError> {
        let mut path = Path::attribute(self.member()?);
        loop {
            if self.tokens.take(".") {
                path.steps.push(Step::Member(self.member()?));
            } else if self.tokens.take("[") {
                let (TokenKind::Number, digits) = self.tokens.peek() else {
                    return Err(self.tokens.syntax_error());
                };
                if digits.len() > INDEX_DIGITS_MAX {
                    return Err(ExpressionError::IndexTooLarge(digits.to_owned()));
                }
                self.tokens.next();
                let index = digits.parse().expect("nine digits fit in a usize");
                path.steps.push(Step::Index(index));
                self.tokens.expect("]")?;
            } else {
                return Ok(path);
            }
        }
    }

    fn member(&mut self) -> Result<String, ExpressionError> {
        match self.tokens.peek() {
            (TokenKind::Word, name) => {
                self.tokens.next();
                Ok(name.to_owned())
            }
            (TokenKind::Name, placeholder) => {
                self.tokens.next();
                self.substitutions.name(placeholder)
            }
            _ => Err(self.tokens.syntax_error()),
        }
    }

    fn section(&mut self, section: &str, update: &mut Update) -> Result<(), ExpressionError> {
        loop {
            let path = self.path()?;
            match section {
                "SET" => {
                    self.tokens.expect("=")?;
                    let value = self.set_value()?;
                    update.set.push((path, value));
                }
                "REMOVE" => update.remove.push(path),
                _ => {
                    let (TokenKind::Value, placeholder) = self.tokens.peek() else {
                        return Err(self.tokens.syntax_error());
                    };
                    self.tokens.next();
                    let value = self.substitutions.value(placeholder)?;
                    let kind = value.kind();
                    let is_set = matches!(kind, Kind::TextSet | Kind::NumberSet | Kind::BinarySet);
                    if section == "ADD" && (is_set || kind == Kind::Number) {
                        update.add.push((path, value));
                    } else if section == "DELETE" && is_set {
                        update.delete.push((path, value));
                    } else {
                        return Err(wrong_kind(section, kind));
                    }
                }
            }
            if !self.tokens.take(",") {
                return Ok(());
            }
        }
    }

    fn set_value(&mut self) -> Result<SetValue, ExpressionError> {
        let left = self.set_operand()?;
        let sum = self.tokens.take("+");
        if !sum && !self.tokens.take("-") {
            return Ok(SetValue::Of(left));
        }
        let right = self.set_operand()?;
        for operand in [&left, &right] {
            if let SetOperand::Value(value) = operand
                && value.kind() != Kind::Number
            {
                return Err(wrong_kind(if sum { "+" } else { "-" }, value.kind()));
            }
        }
        Ok(if sum { SetValue::Sum(left, right) } else { SetValue::Difference(left, right) })
    }

    fn set_operand(&mut self) -> Result<SetOperand, ExpressionError> {
        if self.tokens.take("(") {
            let inner = self.deeper(Self::set_operand)?;
            self.tokens.expect(")")?;
            return Ok(inner);
        }
        match self.tokens.peek() {
            (TokenKind::Value, placeholder) => {
                self.tokens.next();
                Ok(SetOperand::Value(self.substitutions.value(placeholder)?))
            }
            (TokenKind::Word, name) if self.tokens.is_call() => {
                self.tokens.next();
                self.tokens.expect("(")?;
                self.set_function(name)
            }
            _ => Ok(SetOperand::Path(self.path()?)),
        }
    }

    fn set_function(&mut self, name: &str) -> Result<SetOperand, ExpressionError> {
        let name = name.to_owned();
        match name.as_str() {
            "if_not_exists" | "list_append" => {}
            "attribute_exists"
            | "attribute_not_exists"
            | "attribute_type"
            | "begins_with"
            | "contains"
            | "size" => {
                return Err(ExpressionError::Misused(name));
            }
            _ => return Err(ExpressionError::NoSuchFunction(name)),
        }
        let first = self.deeper(Self::set_operand)?;
        if !self.tokens.take(",") {
            return Err(ExpressionError::OperandCount { name, count: 1 });
        }
        let second = self.deeper(Self::set_operand)?;
        self.tokens.expect(")")?;
        match (name.as_str(), first) {
            ("if_not_exists", SetOperand::Path(path)) => Ok(SetOperand::IfNotExists(path, Box::new(second))),
            ("if_not_exists", _) => Err(ExpressionError::NeedsPath(name)),
            (_, first) => Ok(SetOperand::ListAppend(Box::new(first), Box::new(second))),
        }
    }
}

fn one_or(mut parts: Vec<Condition>, many: fn(Vec<Condition>) -> Condition) -> Condition {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            many(parts)
        }
        None => many(parts),
    }
}

fn path_of(name: &str, operand: Operand) -> Result<Path, ExpressionError> {
    match operand {
        Operand::Path(path) => Ok(path),
        Operand::Value(_) | Operand::Size(_) => Err(ExpressionError::NeedsPath(name.to_owned())),
    }
}

fn kind_of(name: &str, operand: Operand) -> Result<Kind, ExpressionError> {
    match operand {
        Operand::Value(Value::Text(text)) => Kind::named(&text).ok_or(ExpressionError::NoSuchType(text)),
        Operand::Value(value) => Err(wrong_kind(name, value.kind())),
        Operand::Path(_) | Operand::Size(_) => Err(wrong_kind(name, Kind::Map)),
    }
}

/// A value that nothing can begin with is a mistake.
fn check_text(name: &str, operand: &Operand) -> Result<(), ExpressionError> {
    match operand {
        Operand::Value(value) if !matches!(value.kind(), Kind::Text | Kind::Binary) => {
            Err(wrong_kind(name, value.kind()))
        }
        _ => Ok(()),
    }
}

fn wrong_kind(name: &str, kind: Kind) -> ExpressionError {
    ExpressionError::OperandType { name: name.to_owned(), kind: kind.name() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::expression::fuzz;
    use crate::item::{Item, Number};

    fn number(text: &str) -> Value {
        Value::Number(Number::parse(text).unwrap())
    }

    fn substitutions() -> Substitutions {
        let names = [("#a", "a"), ("#dotted", "x.y")];
        let values = [(":one", number("1")), (":two", number("2")), (":text", Value::Text("te".into()))];
        Substitutions::new(
            names.map(|(key, name)| (key.to_owned(), name.to_owned())).into(),
            values.map(|(key, value)| (key.to_owned(), value)).into(),
        )
    }

    fn item() -> Item {
        Item::from([
            ("a".to_owned(), number("1")),
            ("text".to_owned(), Value::Text("text".into())),
            ("x.y".to_owned(), Value::Bool(true)),
            ("list".to_owned(), Value::List(vec![number("1"), number("2")])),
            ("map".to_owned(), Value::Map(Item::from([("in".to_owned(), number("2"))]))),
        ])
    }

    fn holds(text: &str) -> bool {
        condition(text, &mut substitutions()).unwrap().holds(Some(&item()))
    }

    #[test]
    fn conditions_mean_what_they_say() {
        for text in [
            "a = :one",
            "#a=:one and a<>:two",
            "NOT a = :two",
            "a < :two AND a <= :one AND :two > a AND a >= :one",
            "a BETWEEN :one AND :two AND map.in BETWEEN :one AND :two",
            "a IN (:two, :one)",
            "list[1] = map.in",
            "attribute_exists(map.in) AND attribute_not_exists(map.out) AND attribute_not_exists(list[2])",
            "begins_with(text, :text) and contains(text, :text) and contains(list, :two)",
            "size(text) > :two AND size(list) = :two",
            "attribute_exists(#dotted)",
            "none <> :one",
            // AND binds stronger than OR, NOT stronger than AND.
            "a = :one OR a = :two AND none = :one",
            "NOT none = :one AND a = :one",
            "(a = :two OR a = :one) AND (((a = :one)))",
        ] {
            assert!(holds(text), "{text}");
        }
        for text in ["a = :text", "a < :text", "none = none", "none < :one", "NOT (a = :one OR none = :one)"]
        {
            assert!(!holds(text), "{text}");
        }
        assert!(condition("attribute_not_exists(a)", &mut substitutions()).unwrap().holds(None));
        assert!(!condition("a = :one", &mut substitutions()).unwrap().holds(None));
    }

    #[test]
    fn updates_read_the_item_as_it_was() {
        let mut changed = item();
        let text = "SET a = map.in, map.in = a, list[0] = list[1], list[9] = :text REMOVE text, list[1]";
        update(text, &mut substitutions()).unwrap().apply(&mut changed).unwrap();
        assert_eq!((&changed["a"], changed.get("text")), (&number("2"), None));
        assert_eq!(changed["map"], Value::Map(Item::from([("in".to_owned(), number("1"))])));
        assert_eq!(changed["list"], Value::List(vec![number("2"), Value::Text("te".into())]));
    }

    #[test]
    fn what_is_none_says_why() {
        let mut tried = vec![
            ("a =", "Syntax error; token: \"<EOF>\", near: \"=\""),
            ("a = :one b", "Syntax error; token: \"b\", near: \":one b\""),
            ("(a = :one", "Syntax error; token: \"<EOF>\", near: \":one\""),
            (
                "a = :none",
                "An expression attribute value used in expression is not defined; attribute value: :none",
            ),
            (
                "#none = a",
                "An expression attribute name used in the document path is not defined; attribute name: #none",
            ),
            ("size(a)", "Syntax error; token: \"<EOF>\", near: \")\""),
            (
                "a = contains(a, a)",
                "The function is not allowed to be used this way in an expression; function: contains",
            ),
            (
                "begins_with(a, :one)",
                "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
            ),
            (
                "a[99999999999999999999] = a",
                "List index is not within the allowable range; index: [99999999999999999999]",
            ),
        ];
        let deep = format!("{}a = a{}", "(".repeat(100), ")".repeat(100));
        tried.push((&deep, "The expression contains too many nested parts; at most 64 are allowed"));
        for (text, why) in tried {
            assert_eq!(condition(text, &mut substitutions()).unwrap_err().to_string(), why, "{text}");
        }
    }

    #[test]
    fn what_was_not_used_is_named() {
        let mut substitutions = substitutions();
        condition("#a = :one AND #dotted = :two", &mut substitutions).unwrap();
        let complaint = "Value provided in ExpressionAttributeValues unused in expressions: keys: {:text}";
        assert_eq!(substitutions.unused().unwrap(), complaint);
        condition("a = :text", &mut substitutions).unwrap();
        assert_eq!(substitutions.unused(), None);
    }

    proptest! {
        #[test]
        fn foreign_text_never_panics(text: String) {
            fuzz(&text, &item());
        }

        #[test]
        fn nearly_an_expression_never_panics(words in proptest::collection::vec(
            prop::sample::select(vec![
                "a", "map", ".", "in", "[", "1", "]", "=", "<>", "(", ")", ",", ":v", "#n", "AND", "OR", "NOT", "BETWEEN",
                "IN", "SET", "REMOVE", "ADD", "DELETE", "size", "contains", "attribute_exists", "if_not_exists",
                "list_append", "+", "-",
            ]), 0..30,
        )) {
            fuzz(&words.join(" "), &item());
        }
    }
}
