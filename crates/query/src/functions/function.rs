//! One shape for all our functions: arrays in, an array out.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType};
use datafusion::common::exec_datafusion_err;
use datafusion::error::Result;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use datafusion::scalar::ScalarValue;

/// Whether the function does nothing to arguments of this type.
type Identity = fn(&DataType) -> bool;

/// A scalar function. All of them are pure.
#[derive(Debug)]
pub struct Function {
    name: &'static str,
    signature: Signature,
    returns: fn(&[DataType]) -> Result<DataType>,
    eval: fn(&[ArrayRef]) -> Result<ArrayRef>,
    identity: Option<Identity>,
}

impl Function {
    /// A function of `arities` arguments of any type; `eval` casts them to what it needs.
    pub fn new(
        name: &'static str,
        arities: &[usize],
        returns: fn(&[DataType]) -> Result<DataType>,
        eval: fn(&[ArrayRef]) -> Result<ArrayRef>,
    ) -> Self {
        let signatures = arities.iter().map(|count| TypeSignature::Any(*count)).collect();
        let signature = Signature::one_of(signatures, Volatility::Immutable);
        Self { name, signature, returns, eval, identity: None }
    }

    /// The same, known to return its only argument unchanged for some types: the planner drops it.
    pub fn identity_for(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        (self.returns)(arg_types)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let arrays = args.args.into_iter().map(|arg| arg.into_array(rows)).collect::<Result<Vec<_>>>()?;
        let result = (self.eval)(&arrays)?;
        Ok(if constant {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?)
        } else {
            ColumnarValue::Array(result)
        })
    }

    fn simplify(&self, mut args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        if let (Some(identity), [arg]) = (self.identity, args.as_slice())
            && identity(&info.get_data_type(arg)?)
        {
            return Ok(ExprSimplifyResult::Simplified(args.remove(0)));
        }
        Ok(ExprSimplifyResult::Original(args))
    }
}

/// Always `data_type`.
macro_rules! always {
    ($data_type:expr) => {
        |_| Ok($data_type)
    };
}
pub(super) use always;

/// The argument as text.
pub fn texts(array: &ArrayRef) -> Result<StringArray> {
    Ok(cast(array, &DataType::Utf8)?.as_string::<i32>().clone())
}

/// The argument as integers.
pub fn integers(array: &ArrayRef) -> Result<Int64Array> {
    Ok(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}

/// The argument as moments in UTC, in microseconds.
pub fn moments(array: &ArrayRef) -> Result<TimestampMicrosecondArray> {
    let plain = match array.data_type() {
        DataType::Timestamp(_, Some(_)) => {
            cast(array, &DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())))?
        }
        _ => Arc::clone(array),
    };
    let moments = cast(&plain, &MOMENT)?;
    Ok(moments.as_primitive::<TimestampMicrosecondType>().clone())
}

/// A timestamp without zone, in microseconds.
pub const MOMENT: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// A timestamp in UTC, in microseconds.
pub fn zoned() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()))
}

/// Text from text, row by row; null where the input is or `eval` says so.
pub fn map_texts(array: &ArrayRef, mut eval: impl FnMut(&str) -> Result<Option<String>>) -> Result<ArrayRef> {
    let texts = texts(array)?;
    let mut result = arrow::array::StringBuilder::with_capacity(texts.len(), texts.len() * 8);
    for text in &texts {
        match text.map(&mut eval).transpose()?.flatten() {
            Some(value) => result.append_value(value),
            None => result.append_null(),
        }
    }
    Ok(Arc::new(result.finish()))
}

/// A refusal of an argument.
pub fn refuse<T>(why: impl std::fmt::Display) -> Result<T> {
    Err(exec_datafusion_err!("{why}"))
}
