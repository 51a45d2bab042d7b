//! Both ways of writing conditions and changes, as the engine's one.
//!
//! | older | newer |
//! |---|---|
//! | `Expected`, `ScanFilter`, `QueryFilter`, `KeyConditions` | `…Expression` with `#names` and `:values` |
//! | `AttributeUpdates` with `PUT`, `ADD`, `DELETE` | `UpdateExpression` |
//!
//! A request uses one of them throughout.

use std::collections::BTreeMap;

use headwater_wire::Fault;

use super::value;
use crate::expression::{
    Comparator, Condition, Operand, SetOperand, SetValue, Substitutions, Update, condition, projection,
    update,
};
use crate::fault;
use crate::item::{Kind, Path, Value};
use crate::shapes::{AttributeValue, AttributeValueUpdate, Attributes, ExpectedAttributeValue, Names};
use crate::tables::{Effect, KeySchema};

/// The most entries of a map of names or values.
const SUBSTITUTIONS_MAX: usize = 5000;

/// The conditions of an older request: by attribute.
pub(crate) type Legacy = BTreeMap<String, ExpectedAttributeValue>;

/// A write's condition in either dialect.
pub(crate) struct Conditions<'i> {
    pub(crate) expected: Option<Legacy>,
    pub(crate) conditional_operator: Option<&'i str>,
    pub(crate) condition_expression: Option<&'i str>,
}

/// A request's expressions and what stands for their placeholders.
pub(crate) struct Expressions {
    substitutions: Substitutions,
}

impl Expressions {
    /// With these names and values, for these expressions (by parameter).
    pub(crate) fn new(
        names: Option<Names>,
        values: Option<Attributes>,
        expressions: &[(&str, Option<&str>)],
    ) -> Result<Self, Fault> {
        let given = expressions.iter().any(|(_, text)| text.is_some());
        let parameters: Vec<&str> = expressions.iter().map(|(parameter, _)| *parameter).collect();
        if names.is_some() && !given {
            return Err(fault::invalid(
                "ExpressionAttributeNames can only be specified when using expressions",
            ));
        }
        if values.is_some() && !given {
            let are = if parameters.len() == 1 { "is" } else { "are" };
            return Err(fault::invalid(format!(
                "ExpressionAttributeValues can only be specified when using expressions: {} {are} null",
                parameters.join(" and ")
            )));
        }
        check_keys("ExpressionAttributeNames", '#', names.as_ref().map(|names| names.keys()))?;
        check_keys("ExpressionAttributeValues", ':', values.as_ref().map(|values| values.keys()))?;
        let read = |(key, shape): (String, AttributeValue)| {
            let value = value::value(shape).map_err(|fault| {
                let message = format!(
                    "ExpressionAttributeValues contains invalid value: {} for key {key}",
                    fault.message
                );
                fault::invalid(message)
            })?;
            Ok((key, value))
        };
        let values = values.unwrap_or_default().into_iter().map(read).collect::<Result<_, Fault>>()?;
        Ok(Self { substitutions: Substitutions::new(names.unwrap_or_default(), values) })
    }

    /// Reads a condition out of the parameter of that name.
    pub(crate) fn condition(
        &mut self,
        parameter: &str,
        text: Option<&str>,
    ) -> Result<Option<Condition>, Fault> {
        let read = text.map(|text| condition(text, &mut self.substitutions));
        read.transpose().map_err(|error| fault::invalid(format!("Invalid {parameter}: {error}")))
    }

    /// Reads an UpdateExpression.
    pub(crate) fn update(&mut self, text: Option<&str>) -> Result<Option<Update>, Fault> {
        let read = text.map(|text| update(text, &mut self.substitutions));
        read.transpose().map_err(|error| fault::invalid(format!("Invalid UpdateExpression: {error}")))
    }

    /// Reads a ProjectionExpression.
    pub(crate) fn projection(&mut self, text: Option<&str>) -> Result<Option<Vec<Path>>, Fault> {
        let read = text.map(|text| projection(text, &mut self.substitutions));
        read.transpose().map_err(|error| fault::invalid(format!("Invalid ProjectionExpression: {error}")))
    }

    /// Complains about names and values that no expression used.
    pub(crate) fn finish(self) -> Result<(), Fault> {
        match self.substitutions.unused() {
            Some(complaint) => Err(fault::invalid(complaint)),
            None => Ok(()),
        }
    }
}

impl Conditions<'_> {
    /// The condition, in whichever dialect it is.
    pub(crate) fn read(self, expressions: &mut Expressions) -> Result<Option<Condition>, Fault> {
        match self.expected {
            Some(expected) => legacy(expected, self.conditional_operator),
            None => expressions.condition("ConditionExpression", self.condition_expression),
        }
    }
}

/// Refuses a request in both dialects at once. Each parameter comes with whether it was sent.
pub(crate) fn one_dialect(older: &[(&str, bool)], newer: &[(&str, bool)]) -> Result<(), Fault> {
    let sent = |parameters: &[(&str, bool)]| {
        let names: Vec<String> =
            parameters.iter().filter(|(_, sent)| *sent).map(|(name, _)| (*name).to_owned()).collect();
        names.join(", ")
    };
    let (older, newer) = (sent(older), sent(newer));
    if older.is_empty() || newer.is_empty() {
        return Ok(());
    }
    Err(fault::invalid(format!(
        "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: \
         {{{older}}} Expression parameters: {{{newer}}}"
    )))
}

/// The conditions of the older dialect, all of which must hold, or with `OR` one.
pub(crate) fn legacy(conditions: Legacy, operator: Option<&str>) -> Result<Option<Condition>, Fault> {
    let mut parts = Vec::with_capacity(conditions.len());
    for (attribute, expected) in conditions {
        parts.push(legacy_condition(&attribute, expected)?);
    }
    Ok(match (parts.is_empty(), operator) {
        (true, _) => None,
        (false, Some("OR")) => Some(Condition::Any(parts)),
        (false, _) => Some(Condition::All(parts)),
    })
}

fn legacy_condition(attribute: &str, expected: ExpectedAttributeValue) -> Result<Condition, Fault> {
    let path = Path::attribute(attribute);
    let ExpectedAttributeValue { value, exists, comparison_operator, attribute_value_list } = expected;
    let Some(operator) = comparison_operator else {
        return match (exists, value) {
            (Some(false), None) => Ok(Condition::absent(path)),
            (Some(false), Some(_)) => {
                Err(wrong(format!("Value cannot be used when Exists is false for Attribute: {attribute}")))
            }
            (Some(true) | None, Some(value)) => {
                let value = Operand::Value(value::value(value)?);
                Ok(Condition::Compare(Comparator::Equal, Operand::Path(path), value))
            }
            (exists, None) => {
                let exists = if exists.is_some() { "true" } else { "null" };
                Err(wrong(format!(
                    "Value must be provided when Exists is {exists} for Attribute: {attribute}"
                )))
            }
        };
    };
    if exists.is_some() {
        return Err(wrong(format!(
            "Exists and ComparisonOperator cannot be used together for Attribute: {attribute}"
        )));
    }
    let given = match (value, attribute_value_list) {
        (Some(_), Some(_)) => {
            return Err(wrong(format!(
                "Value and AttributeValueList cannot be used together for Attribute: {attribute}"
            )));
        }
        (Some(value), None) => vec![value],
        (None, list) => list.unwrap_or_default(),
    };
    let values = given.into_iter().map(value::value).collect::<Result<Vec<_>, _>>()?;
    compared(path, &operator, values)
}

fn compared(path: Path, operator: &str, values: Vec<Value>) -> Result<Condition, Fault> {
    let count = || wrong(format!("Invalid number of argument(s) for the {operator} ComparisonOperator"));
    let this = Operand::Path(path.clone());
    let comparator = match operator {
        "EQ" => Some(Comparator::Equal),
        "NE" => Some(Comparator::NotEqual),
        "LT" => Some(Comparator::Less),
        "LE" => Some(Comparator::LessOrEqual),
        "GT" => Some(Comparator::Greater),
        "GE" => Some(Comparator::GreaterOrEqual),
        _ => None,
    };
    let mut operands: Vec<Operand> = values.into_iter().map(Operand::Value).collect();
    match (operator, operands.len()) {
        ("NULL", 0) => return Ok(Condition::absent(path)),
        ("NOT_NULL", 0) => return Ok(Condition::Exists(path)),
        ("IN", 1..) => return Ok(Condition::In(this, operands)),
        ("BETWEEN", 2) => {
            let (high, low) = (operands.pop().ok_or_else(count)?, operands.pop().ok_or_else(count)?);
            return Condition::between(this, low, high).map_err(|error| wrong(error.to_string()));
        }
        ("NULL" | "NOT_NULL" | "IN" | "BETWEEN", _) => return Err(count()),
        (_, 1) => {}
        _ => return Err(count()),
    }
    let operand = operands.pop().ok_or_else(count)?;
    match (comparator, operator) {
        (Some(comparator), _) => Ok(Condition::Compare(comparator, this, operand)),
        (None, "CONTAINS") => Ok(Condition::Contains(this, operand)),
        (None, "NOT_CONTAINS") => {
            let contains = Condition::Contains(this, operand);
            Ok(Condition::All(vec![Condition::Exists(path), Condition::Not(Box::new(contains))]))
        }
        (None, "BEGINS_WITH") => Ok(Condition::BeginsWith(this, operand)),
        (None, _) => Err(fault::invalid(format!("Unsupported operator on the attribute: {operator}"))),
    }
}

/// The changes of the older dialect.
pub(crate) fn attribute_updates(updates: BTreeMap<String, AttributeValueUpdate>) -> Result<Effect, Fault> {
    let mut update = Update::default();
    for (attribute, AttributeValueUpdate { value, action }) in updates {
        let path = Path::attribute(attribute);
        let value = value.map(value::value).transpose()?;
        match (action.as_deref().unwrap_or("PUT"), value) {
            ("PUT", Some(value)) => update.set.push((path, SetValue::Of(SetOperand::Value(value)))),
            ("ADD", Some(value)) => {
                check_kind("ADD action is", &value, &[Kind::Number, Kind::List])?;
                update.add.push((path, value));
            }
            ("DELETE", Some(value)) => {
                check_kind("DELETE action with value is", &value, &[])?;
                update.delete.push((path, value));
            }
            ("DELETE", None) => update.remove.push(path),
            ("PUT" | "ADD", None) => {
                return Err(wrong("Only DELETE action is allowed when no attribute value is specified"));
            }
            (other, _) => {
                return Err(fault::invalid(format!(
                    "1 validation error detected: Value '{other}' at 'attributeUpdates.member.action' failed to satisfy \
                     constraint: Member must satisfy enum value set: [ADD, PUT, DELETE]"
                )));
            }
        }
    }
    let only_takes = update.set.is_empty() && update.add.is_empty() && update.paths().next().is_some();
    Ok(if only_takes { Effect::Reduce(update) } else { Effect::Update(update) })
}

/// Refuses a change of an attribute that names the item.
pub(crate) fn check_no_key(update: &Update, schema: &KeySchema) -> Result<(), Fault> {
    match update.paths().find(|path| schema.has(&path.attribute)) {
        Some(path) => Err(wrong(format!(
            "Cannot update attribute {}. This attribute is part of the key",
            path.attribute
        ))),
        None => Ok(()),
    }
}

fn check_kind(what: &str, value: &Value, beside_sets: &[Kind]) -> Result<(), Fault> {
    let kind = value.kind();
    let is_set = matches!(kind, Kind::TextSet | Kind::NumberSet | Kind::BinarySet);
    if is_set || beside_sets.contains(&kind) {
        return Ok(());
    }
    Err(wrong(format!("{what} not supported for the type {}", kind.name())))
}

fn check_keys<'k>(
    parameter: &str,
    sign: char,
    keys: Option<impl ExactSizeIterator<Item = &'k String>>,
) -> Result<(), Fault> {
    let Some(mut keys) = keys else { return Ok(()) };
    if keys.len() == 0 {
        return Err(fault::invalid(format!("{parameter} must not be empty")));
    }
    if keys.len() > SUBSTITUTIONS_MAX {
        return Err(fault::invalid(format!("{parameter} may have at most {SUBSTITUTIONS_MAX} members")));
    }
    let legal = |key: &str| {
        key.strip_prefix(sign).is_some_and(|name| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        })
    };
    match keys.find(|key| !legal(key)) {
        Some(key) => {
            Err(fault::invalid(format!("{parameter} contains invalid key: Syntax error; key: \"{key}\"")))
        }
        None => Ok(()),
    }
}

fn wrong(what: impl std::fmt::Display) -> Fault {
    fault::invalid(format!("One or more parameter values were invalid: {what}"))
}
