//! Casts and types as Trino has them.
//!
//! Where DataFusion's cast differs (text of timestamps and doubles, rounding of fractions,
//! `varchar(n)`), the operand is wrapped in a function of ours that does Trino's part.

use datafusion::sql::sqlparser::ast::{CastKind, CharacterLength, DataType, Expr, TimezoneInfo};
use headwater_catalog::QueryError;

use super::build::{call, cast, number};
use crate::error::unsupported;

/// Microseconds: what Athena's timestamps hold and Parquet readers agree on.
const MICROSECONDS: u64 = 6;

/// `CAST(expr AS data_type)` as Trino computes it.
pub fn rewrite(kind: CastKind, expr: Expr, data_type: DataType) -> Result<Expr, QueryError> {
    use DataType as T;
    match data_type {
        T::Varchar(length) | T::CharacterVarying(length) | T::CharVarying(length) => {
            let whole = call("hw_text", vec![expr]);
            Ok(match length {
                Some(CharacterLength::IntegerLength { length, .. }) => {
                    let length = i64::try_from(length).unwrap_or(i64::MAX);
                    call("hw_substr", vec![whole, number(1), number(length)])
                }
                Some(CharacterLength::Max) | None => whole,
            })
        }
        T::String(_) | T::Text => Ok(call("hw_text", vec![expr])),
        T::Char(_) | T::Character(_) => Err(unsupported("CAST to CHAR; use VARCHAR")),
        T::JSON | T::JSONB => Err(unsupported("CAST to JSON; use json_parse and json_extract on text")),
        T::TinyInt(_) | T::SmallInt(_) | T::Int(_) | T::Integer(_) | T::BigInt(_) => {
            Ok(cast(kind, call("hw_whole", vec![expr]), data_type))
        }
        other => Ok(cast(kind, expr, known(other)?)),
    }
}

/// The type as DataFusion knows it.
pub fn known(data_type: DataType) -> Result<DataType, QueryError> {
    use DataType as T;
    match data_type {
        T::Timestamp(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            Ok(T::Timestamp(Some(MICROSECONDS), TimezoneInfo::None))
        }
        T::Varbinary(_) | T::Binary(_) => Ok(T::Bytea),
        T::Varchar(None) | T::String(_) => Ok(T::Varchar(None)),
        T::Time(..) => Err(unsupported("the TIME type")),
        T::JSON | T::JSONB => Err(unsupported("the JSON type")),
        other => Ok(other),
    }
}
