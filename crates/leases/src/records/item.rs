//! `ITEM` and `PART` facts.
//!
//! **Layout.** An item is a CBOR map of names to values; a value is an array of its type's number and
//! its content. The first fact begins with a version byte and the number of further parts, then the
//! first bytes of the map; every part is just the next bytes.

use bytes::Bytes;
use minicbor::data::Type;
use minicbor::{Decoder, Encoder};

use crate::item::{Item, NESTING_MAX, Number, Value};

const VERSION: u8 = 1;
/// Bytes of the map in the first fact and in each part.
const PART_BYTES: usize = 128 << 10;
/// How many bytes stand before them in the first fact.
const HEAD_BYTES: usize = 2;

/// Why bytes are no item.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ItemRecordError {
    #[error("unknown version")]
    Version,
    #[error("not a value")]
    Value,
    #[error("nested too deeply")]
    Depth,
    #[error(transparent)]
    Cbor(#[from] minicbor::decode::Error),
}

/// The item's bytes: its first fact and the parts that follow.
pub(crate) fn encode(item: &Item) -> (Bytes, Vec<Bytes>) {
    let mut out = vec![VERSION, 0];
    write_map(&mut Encoder::new(&mut out), item).expect("writing to a vector cannot fail");
    let further = out.len().saturating_sub(HEAD_BYTES + 1) / PART_BYTES;
    out[1] = u8::try_from(further).expect("an item of 400 KB has few parts");
    let mut all = Bytes::from(out);
    let mut rest = all.split_off(all.len().min(HEAD_BYTES + PART_BYTES));
    let mut parts = Vec::with_capacity(further);
    while !rest.is_empty() {
        parts.push(rest.split_to(rest.len().min(PART_BYTES)));
    }
    (all, parts)
}

/// How many parts follow the first fact.
pub(crate) fn parts_of(head: &[u8]) -> usize {
    head.get(1).copied().unwrap_or(0).into()
}

/// Reads an item of one fact, or of the first fact with the parts behind it.
pub(crate) fn decode(bytes: &[u8]) -> Result<Item, ItemRecordError> {
    match bytes {
        [VERSION, _, map @ ..] => read_map(&mut Decoder::new(map), NESTING_MAX + 1),
        _ => Err(ItemRecordError::Version),
    }
}

type Written = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

fn write_map(out: &mut Encoder<&mut Vec<u8>>, members: &Item) -> Written {
    out.map(members.len() as u64)?;
    for (name, value) in members {
        out.str(name)?;
        write(out, value)?;
    }
    Ok(())
}

fn write(out: &mut Encoder<&mut Vec<u8>>, value: &Value) -> Written {
    out.array(2)?;
    match value {
        Value::Text(text) => out.u8(0)?.str(text)?.ok(),
        Value::Number(number) => write_number(out.u8(1)?, number),
        Value::Binary(bytes) => out.u8(2)?.bytes(bytes)?.ok(),
        Value::Bool(is) => out.u8(3)?.bool(*is)?.ok(),
        Value::Null => out.u8(4)?.null()?.ok(),
        Value::List(values) => {
            out.u8(5)?.array(values.len() as u64)?;
            values.iter().try_for_each(|value| write(out, value))
        }
        Value::Map(members) => write_map(out.u8(6)?, members),
        Value::TextSet(set) => {
            out.u8(7)?.array(set.len() as u64)?;
            set.iter().try_for_each(|member| out.str(member)?.ok())
        }
        Value::NumberSet(set) => {
            out.u8(8)?.array(set.len() as u64)?;
            set.iter().try_for_each(|member| write_number(out, member))
        }
        Value::BinarySet(set) => {
            out.u8(9)?.array(set.len() as u64)?;
            set.iter().try_for_each(|member| out.bytes(member)?.ok())
        }
    }
}

/// Sign, exponent, coefficient, the first two in one number: `2 * exponent + negative`.
fn write_number(out: &mut Encoder<&mut Vec<u8>>, number: &Number) -> Written {
    let (negative, coefficient, exponent) = number.parts();
    let bytes = coefficient.to_be_bytes();
    let significant = &bytes[coefficient.leading_zeros() as usize / 8..];
    out.array(2)?.i32(exponent * 2 + i32::from(negative))?.bytes(significant)?.ok()
}

fn read_map(from: &mut Decoder<'_>, levels: usize) -> Result<Item, ItemRecordError> {
    let len = from.map()?.ok_or(ItemRecordError::Value)?;
    (0..len).map(|_| Ok((from.str()?.to_owned(), read(from, levels)?))).collect()
}

fn read(from: &mut Decoder<'_>, levels: usize) -> Result<Value, ItemRecordError> {
    let inner = levels.checked_sub(1).ok_or(ItemRecordError::Depth)?;
    if from.array()? != Some(2) {
        return Err(ItemRecordError::Value);
    }
    match from.u8()? {
        0 => Ok(Value::Text(from.str()?.to_owned())),
        1 => Ok(Value::Number(read_number(from)?)),
        2 => Ok(Value::Binary(Bytes::copy_from_slice(from.bytes()?))),
        3 => Ok(Value::Bool(from.bool()?)),
        4 if from.datatype()? == Type::Null => {
            from.null()?;
            Ok(Value::Null)
        }
        5 => Ok(Value::List((0..members(from)?).map(|_| read(from, inner)).collect::<Result<_, _>>()?)),
        6 => Ok(Value::Map(read_map(from, inner)?)),
        7 => {
            let len = members(from)?;
            let set = (0..len).map(|_| Ok(from.str()?.to_owned())).collect::<Result<_, ItemRecordError>>()?;
            Ok(Value::TextSet(set))
        }
        8 => Ok(Value::NumberSet((0..members(from)?).map(|_| read_number(from)).collect::<Result<_, _>>()?)),
        9 => {
            let len = members(from)?;
            let set = (0..len).map(|_| Ok(Bytes::copy_from_slice(from.bytes()?)));
            Ok(Value::BinarySet(set.collect::<Result<_, ItemRecordError>>()?))
        }
        _ => Err(ItemRecordError::Value),
    }
}

fn members(from: &mut Decoder<'_>) -> Result<u64, ItemRecordError> {
    from.array()?.ok_or(ItemRecordError::Value)
}

fn read_number(from: &mut Decoder<'_>) -> Result<Number, ItemRecordError> {
    if from.array()? != Some(2) {
        return Err(ItemRecordError::Value);
    }
    let (packed, significant) = (from.i32()?, from.bytes()?);
    let mut bytes = [0; 16];
    let start = bytes.len().checked_sub(significant.len()).ok_or(ItemRecordError::Value)?;
    bytes[start..].copy_from_slice(significant);
    let number =
        Number::from_parts(packed.rem_euclid(2) == 1, u128::from_be_bytes(bytes), packed.div_euclid(2));
    number.ok_or(ItemRecordError::Value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::item::arbitrary;

    fn joined(item: &Item) -> Vec<u8> {
        let (head, parts) = encode(item);
        assert_eq!(parts_of(&head), parts.len());
        [head].into_iter().chain(parts).flatten().collect()
    }

    #[test]
    fn golden_bytes_of_version_1() {
        let number = |text: &str| Number::parse(text).unwrap();
        let item = Item::from([
            ("a".to_owned(), Value::Text("x".to_owned())),
            ("b".to_owned(), Value::Number(number("-1.5"))),
            ("c".to_owned(), Value::Binary(Bytes::from_static(&[1]))),
            ("d".to_owned(), Value::List(vec![Value::Bool(true), Value::Null])),
            ("e".to_owned(), Value::Map(Item::from([("f".to_owned(), Value::Number(number("0")))]))),
            ("g".to_owned(), Value::TextSet(["s".to_owned()].into())),
            ("h".to_owned(), Value::NumberSet([number("7")].into())),
            ("i".to_owned(), Value::BinarySet([Bytes::from_static(&[2])].into())),
        ]);
        let hex: String = joined(&item).iter().map(|b| format!("{b:02x}")).collect();
        let fields = [
            "6161820061 78",
            "6162820182 20410f",
            "61638202 4101",
            "6164820582 8203f5 8204f6",
            "61658206 a1 6166 8201 820040",
            "61678207 81 6173",
            "61688208 81 82004107",
            "61698209 81 4102",
        ];
        assert_eq!(hex, format!("0100a8{}", fields.concat().replace(' ', "")));
    }

    #[test]
    fn long_items_have_parts() {
        for (len, parts) in [(100, 0), (PART_BYTES - 10, 0), (PART_BYTES, 1), (400_000, 3)] {
            let item = Item::from([("a".to_owned(), Value::Text("x".repeat(len)))]);
            assert_eq!(encode(&item).1.len(), parts, "{len}");
            assert_eq!(decode(&joined(&item)).unwrap(), item);
        }
        for len in PART_BYTES - 20..PART_BYTES + 20 {
            let item = Item::from([("a".to_owned(), Value::Text("x".repeat(len)))]);
            assert_eq!(decode(&joined(&item)).unwrap(), item);
        }
    }

    proptest! {
        #[test]
        fn items_read_back(item in arbitrary::item()) {
            prop_assert_eq!(decode(&joined(&item)).unwrap(), item);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = decode(&[&[VERSION, 0], &bytes[..]].concat());
        }
    }
}
