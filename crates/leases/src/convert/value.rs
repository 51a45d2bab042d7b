//! Attribute values.

use std::collections::BTreeSet;

use headwater_wire::{Blob, Fault};

use crate::fault;
use crate::item::{Item, Number, Value};
use crate::shapes::{AttributeValue, Attributes};

/// An item's attributes.
pub(crate) fn item(attributes: Attributes) -> Result<Item, Fault> {
    attributes.into_iter().map(|(name, value)| Ok((name, self::value(value)?))).collect()
}

/// The value that a shape spells.
pub(crate) fn value(shape: AttributeValue) -> Result<Value, Fault> {
    let AttributeValue { s, n, b, bool, null, l, m, ss, ns, bs } = shape;
    let set = [
        s.is_some(),
        n.is_some(),
        b.is_some(),
        bool.is_some(),
        null.is_some(),
        l.is_some(),
        m.is_some(),
        ss.is_some(),
        ns.is_some(),
        bs.is_some(),
    ];
    match set.into_iter().filter(|is_set| *is_set).count() {
        0 => {
            return Err(fault::invalid(
                "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
            ));
        }
        1 => {}
        _ => {
            return Err(fault::invalid(
                "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported \
                 datatypes",
            ));
        }
    }
    let scalar = s.map(Value::Text).or(b.map(|blob| Value::Binary(blob.0))).or(bool.map(Value::Bool));
    if let Some(value) = scalar {
        return Ok(value);
    }
    if let Some(text) = n {
        return Ok(Value::Number(number(&text)?));
    }
    if let Some(is_null) = null {
        return if is_null {
            Ok(Value::Null)
        } else {
            Err(wrong("Null attribute value types must have the value of true"))
        };
    }
    if let Some(values) = l {
        return Ok(Value::List(values.into_iter().map(value).collect::<Result<_, _>>()?));
    }
    if let Some(members) = m {
        return Ok(Value::Map(item(members)?));
    }
    if let Some(members) = ss {
        return Ok(Value::TextSet(distinct("string", members)?));
    }
    if let Some(members) = ns {
        let numbers = members.iter().map(|text| number(text)).collect::<Result<Vec<_>, _>>()?;
        return Ok(Value::NumberSet(distinct("number", numbers)?));
    }
    let members = bs.unwrap_or_default().into_iter().map(|blob| blob.0).collect();
    Ok(Value::BinarySet(distinct("binary", members)?))
}

/// Attributes of an item.
pub(crate) fn attributes(item: Item) -> Attributes {
    item.into_iter().map(|(name, value)| (name, shape(value))).collect()
}

fn shape(value: Value) -> AttributeValue {
    let mut shape = AttributeValue::default();
    match value {
        Value::Text(text) => shape.s = Some(text),
        Value::Number(number) => shape.n = Some(number.to_string()),
        Value::Binary(bytes) => shape.b = Some(Blob(bytes)),
        Value::Bool(is) => shape.bool = Some(is),
        Value::Null => shape.null = Some(true),
        Value::List(values) => shape.l = Some(values.into_iter().map(self::shape).collect()),
        Value::Map(members) => shape.m = Some(attributes(members)),
        Value::TextSet(set) => shape.ss = Some(set.into_iter().collect()),
        Value::NumberSet(set) => shape.ns = Some(set.iter().map(Number::to_string).collect()),
        Value::BinarySet(set) => shape.bs = Some(set.into_iter().map(Blob).collect()),
    }
    shape
}

fn number(text: &str) -> Result<Number, Fault> {
    Number::parse(text).map_err(|error| fault::invalid(error.to_string()))
}

fn distinct<T: Ord>(what: &str, members: Vec<T>) -> Result<BTreeSet<T>, Fault> {
    let count = members.len();
    let set: BTreeSet<T> = members.into_iter().collect();
    if count == 0 {
        return Err(wrong(&format!("An {what} set  may not be empty")));
    }
    if set.len() < count {
        return Err(wrong("Input collection contains duplicates"));
    }
    Ok(set)
}

fn wrong(what: &str) -> Fault {
    fault::invalid(format!("One or more parameter values were invalid: {what}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::item::arbitrary;

    fn read(json: serde_json::Value) -> Result<Value, String> {
        value(serde_json::from_value(json).unwrap()).map_err(|fault| fault.message)
    }

    #[test]
    fn shapes_that_are_no_value_are_refused() {
        for json in [
            serde_json::json!({}),
            serde_json::json!({"S": "a", "N": "1"}),
            serde_json::json!({"N": "one"}),
            serde_json::json!({"NULL": false}),
            serde_json::json!({"SS": []}),
            serde_json::json!({"NS": ["1", "1.0"]}),
            serde_json::json!({"L": [{}]}),
        ] {
            assert!(read(json.clone()).is_err(), "{json}");
        }
        assert_eq!(read(serde_json::json!({"S": ""})), Ok(Value::Text(String::new())));
    }

    proptest! {
        #[test]
        fn items_survive_a_round_trip(original in arbitrary::item()) {
            let json = serde_json::to_string(&attributes(original.clone())).unwrap();
            prop_assert_eq!(item(serde_json::from_str(&json).unwrap()).unwrap(), original);
        }
    }
}
