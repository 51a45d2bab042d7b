//! Arrays and maps: their size, and their elements.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, UInt64Array};
use arrow::compute::{cast, take};
use arrow::datatypes::DataType;
use datafusion::common::exec_datafusion_err;
use datafusion::error::Result;

use super::function::{Function, always, integers, refuse, texts};

/// The functions of this file.
pub fn functions() -> Vec<Function> {
    vec![
        Function::new("hw_cardinality", &[1], always!(DataType::Int64), cardinality),
        Function::new("hw_element_at", &[2], |types| element_type(&types[0]), element_at),
    ]
}

fn element_type(kind: &DataType) -> Result<DataType> {
    match kind {
        DataType::List(field) => Ok(field.data_type().clone()),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => Ok(fields[1].data_type().clone()),
            other => Err(exec_datafusion_err!("{other} is not a map's entries")),
        },
        other => Err(exec_datafusion_err!("Unexpected parameters ({other}) for function element_at")),
    }
}

fn cardinality(args: &[ArrayRef]) -> Result<ArrayRef> {
    let value = &args[0];
    let lengths: Int64Array = match value.data_type() {
        DataType::List(_) => {
            value.as_list::<i32>().iter().map(|list| list.map(|list| list.len() as i64)).collect()
        }
        DataType::Map(..) => value.as_map().iter().map(|map| map.map(|map| map.len() as i64)).collect(),
        other => return refuse(format_args!("Unexpected parameters ({other}) for function cardinality")),
    };
    Ok(Arc::new(lengths))
}

/// The element of an array (from 1, negative from the end) or the value of a key; null where there
/// is none.
fn element_at(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (values, indices) = match args[0].data_type() {
        DataType::List(_) => {
            let lists = args[0].as_list::<i32>();
            let wanted = integers(&args[1])?;
            let mut indices = Vec::with_capacity(lists.len());
            for row in 0..lists.len() {
                if lists.is_null(row) || wanted.is_null(row) {
                    indices.push(None);
                    continue;
                }
                let offset = i64::from(lists.value_offsets()[row]);
                indices.push(
                    place(wanted.value(row), i64::from(lists.value_length(row)))?.map(|at| offset + at),
                );
            }
            (Arc::clone(lists.values()), indices)
        }
        DataType::Map(..) => {
            let maps = args[0].as_map();
            let (keys, wanted) = (texts(maps.keys())?, texts(&cast(&args[1], maps.keys().data_type())?)?);
            let mut indices = Vec::with_capacity(maps.len());
            for row in 0..maps.len() {
                let from = usize::try_from(maps.value_offsets()[row]).unwrap_or(0);
                let to = usize::try_from(maps.value_offsets()[row + 1]).unwrap_or(0);
                let known = !maps.is_null(row) && !wanted.is_null(row);
                let at = (from..to).find(|at| known && keys.value(*at) == wanted.value(row));
                indices.push(at.and_then(|at| i64::try_from(at).ok()));
            }
            (Arc::clone(maps.values()), indices)
        }
        other => return refuse(format_args!("Unexpected parameters ({other}) for function element_at")),
    };
    let indices: UInt64Array =
        indices.into_iter().map(|at| at.and_then(|at| u64::try_from(at).ok())).collect();
    Ok(take(&values, &indices, None)?)
}

fn place(index: i64, length: i64) -> Result<Option<i64>> {
    let at = match index {
        0 => return refuse("SQL array indices start at 1"),
        index if index > 0 => index - 1,
        index => length + index,
    };
    Ok((0..length).contains(&at).then_some(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_from_either_end() {
        assert_eq!(place(1, 3).unwrap(), Some(0));
        assert_eq!(place(-1, 3).unwrap(), Some(2));
        assert_eq!(place(4, 3).unwrap(), None);
        assert_eq!(place(-4, 3).unwrap(), None);
        assert!(place(0, 3).is_err());
    }
}
