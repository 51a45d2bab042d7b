//! Engine errors as the service's codes and messages.

use headwater_wire::Fault;

use crate::convert;
use crate::item::Item;
use crate::shapes::CancellationReason;
use crate::tables::{Reason, TableError, TableKey};

impl From<TableError> for Fault {
    fn from(error: TableError) -> Self {
        of(error)
    }
}

/// The fault of an engine error.
pub(crate) fn of(error: TableError) -> Fault {
    match error {
        TableError::NoSuchTable(_) => not_found("Requested resource not found"),
        TableError::Exists(key) => in_use(format!("Table already exists: {}", key.name.as_str())),
        TableError::Protected(key) => invalid(format!(
            "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first. \
             Table: {}",
            key.name.as_str()
        )),
        TableError::TooMany(message) => Fault::client("LimitExceededException", message),
        TableError::Invalid(message) => invalid(message),
        TableError::ConditionFailed(_) => {
            Fault::client("ConditionalCheckFailedException", "The conditional request failed")
        }
        TableError::Cancelled(reasons) => cancelled(&reasons, &[]),
        TableError::TokenReused => Fault::client(
            "IdempotentParameterMismatchException",
            "The client request token was used with other parameters in the last ten minutes",
        ),
        TableError::Contended => throttled("Too many requests change the same items. Try again."),
        TableError::Throttled(reason) => throttled(format!("The node can take no writes now: {reason}.")),
        error @ (TableError::Store(_) | TableError::Commit(_)) => internal(&error),
    }
}

/// The same, where the service names the missing table.
pub(crate) fn of_table(key: &TableKey, error: TableError) -> Fault {
    match error {
        TableError::NoSuchTable(_) => {
            not_found(format!("Requested resource not found: Table: {} not found", key.name.as_str()))
        }
        other => of(other),
    }
}

/// The same, with the item that did not meet the condition, if the client asked for it.
pub(crate) fn of_write(error: TableError, shows_item: bool) -> Fault {
    match error {
        TableError::ConditionFailed(Some(item)) if shows_item => {
            let mut fault = of(TableError::ConditionFailed(None));
            fault.structures.push(("Item", json(&convert::attributes(item))));
            fault
        }
        other => of(other),
    }
}

/// A transaction's cancellation; `shows_item` says for each action whether its item was asked for.
pub(crate) fn cancelled(reasons: &[Reason], shows_item: &[bool]) -> Fault {
    let shown = |at: usize, item: &Option<Item>| {
        let item = item.clone().filter(|_| shows_item.get(at) == Some(&true));
        item.map(convert::attributes)
    };
    let shapes: Vec<CancellationReason> = reasons
        .iter()
        .enumerate()
        .map(|(at, reason)| match reason {
            Reason::None => CancellationReason { code: "None", message: None, item: None },
            Reason::ConditionFailed(item) => CancellationReason {
                code: "ConditionalCheckFailed",
                message: Some("The conditional request failed".to_owned()),
                item: shown(at, item),
            },
            Reason::Invalid(message) => {
                CancellationReason { code: "ValidationError", message: Some(message.clone()), item: None }
            }
        })
        .collect();
    let codes: Vec<&str> = shapes.iter().map(|reason| reason.code).collect();
    let message = format!(
        "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
        codes.join(", ")
    );
    let mut fault = Fault::client("TransactionCanceledException", message);
    fault.structures.push(("CancellationReasons", json(&shapes)));
    fault
}

/// A parameter that makes no sense.
pub(crate) fn invalid(message: impl Into<String>) -> Fault {
    Fault::client("ValidationException", message)
}

/// Something that DynamoDB does and this node does not.
pub(crate) fn not_here(what: &str) -> Fault {
    invalid(format!("{what} is not supported: this endpoint keeps lease tables for stream consumers"))
}

pub(crate) fn not_found(message: impl Into<String>) -> Fault {
    Fault::client("ResourceNotFoundException", message)
}

fn in_use(message: impl Into<String>) -> Fault {
    Fault::client("ResourceInUseException", message)
}

/// SDKs retry it.
fn throttled(message: impl Into<String>) -> Fault {
    Fault::client("ThrottlingException", message)
}

/// The client learns that it was not its fault; the log learns why.
fn internal(error: &(dyn std::error::Error + 'static)) -> Fault {
    tracing::error!(error, "a request for a lease table failed");
    Fault::server("InternalServerError", "The request failed because of an internal error of the node.")
}

fn json<T: serde::Serialize>(shape: &T) -> serde_json::Value {
    serde_json::to_value(shape).expect("shapes have string keys and finite numbers")
}

#[cfg(test)]
mod tests {
    use headwater_base::Scope;
    use headwater_store::{CommitError, StoreError};

    use super::*;
    use crate::tables::TableName;

    #[test]
    fn every_error_has_its_code() {
        let scope = Scope::new("000000000042".parse().unwrap(), "eu-west-1".parse().unwrap());
        let key = TableKey { scope, name: TableName::new("app").unwrap() };
        let cases = [
            (TableError::NoSuchTable(key.clone()), "ResourceNotFoundException", 400),
            (TableError::Exists(key.clone()), "ResourceInUseException", 400),
            (TableError::Protected(key.clone()), "ValidationException", 400),
            (TableError::TooMany("x".into()), "LimitExceededException", 400),
            (TableError::Invalid("x".into()), "ValidationException", 400),
            (TableError::ConditionFailed(None), "ConditionalCheckFailedException", 400),
            (TableError::Cancelled(vec![]), "TransactionCanceledException", 400),
            (TableError::TokenReused, "IdempotentParameterMismatchException", 400),
            (TableError::Contended, "ThrottlingException", 400),
            (TableError::Throttled("x"), "ThrottlingException", 400),
            (TableError::Store(StoreError::Closed), "InternalServerError", 500),
            (TableError::Commit(CommitError::Closed), "InternalServerError", 500),
        ];
        for (error, code, status) in cases {
            let fault = of(error.clone());
            assert_eq!((fault.code.as_ref(), fault.status), (code, status), "{error:?}");
        }
        assert!(
            of_table(&key, TableError::NoSuchTable(key.clone())).message.contains("Table: app not found")
        );
    }
}
