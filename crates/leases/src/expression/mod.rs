//! Expressions: what clients write to check, change and choose parts of items.
//!
//! ```text
//! text ─ lexer ─► tokens ─ parse ─► Condition | Update | paths     with #names and :values put in
//!                                       ▲
//!             legacy Expected, AttributeUpdates, …Filter (crate::convert)
//! ```
//!
//! Both dialects of the service end as the same [`Condition`] and [`Update`], which know nothing of
//! how they were spelled.
//!
//! **Invariants.** Expressions come from clients: parsing never panics, text is at most
//! [`EXPRESSION_BYTES_MAX`] and nesting at most [`NESTING_MAX`].

mod condition;
mod lexer;
mod parse;
mod substitutions;
mod update;

pub(crate) use condition::{Comparator, Condition, Operand};
pub(crate) use parse::{condition, projection, update};
pub(crate) use substitutions::Substitutions;
pub(crate) use update::{SetOperand, SetValue, Update, UpdateError};

/// The longest expression.
pub(crate) const EXPRESSION_BYTES_MAX: usize = 4096;
/// How deep parentheses, NOT and functions may nest.
pub(crate) const NESTING_MAX: usize = 64;

/// Why an expression is none. `Display` is the service's sentence, without the name of the
/// parameter it stood in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ExpressionError {
    #[error("Syntax error; token: \"{token}\", near: \"{near}\"")]
    Syntax { token: String, near: String },
    #[error("The expression can not be empty;")]
    Empty,
    #[error("Expression size has exceeded the maximum allowed size; expression size: {0}")]
    TooLong(usize),
    #[error("The expression contains too many nested parts; at most {NESTING_MAX} are allowed")]
    TooDeep,
    #[error("Invalid function name; function: {0}")]
    NoSuchFunction(String),
    #[error("The function is not allowed to be used this way in an expression; function: {0}")]
    Misused(String),
    #[error(
        "Incorrect number of operands for operator or function; operator or function: {name}, number of operands: {count}"
    )]
    OperandCount { name: String, count: usize },
    #[error("Operator or function requires a document path; operator or function: {0}")]
    NeedsPath(String),
    #[error(
        "Incorrect operand type for operator or function; operator or function: {name}, operand type: {kind}"
    )]
    OperandType { name: String, kind: &'static str },
    #[error("Invalid attribute type name found; type: {0}, valid types: {{B,NULL,SS,BOOL,L,BS,N,NS,S,M}}")]
    NoSuchType(String),
    #[error(
        "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {{{0}}}, upper bound operand: AttributeValue: {{{1}}}"
    )]
    BoundsCrossed(&'static str, &'static str),
    #[error("An expression attribute name used in the document path is not defined; attribute name: {0}")]
    NoSuchName(String),
    #[error("An expression attribute value used in expression is not defined; attribute value: {0}")]
    NoSuchValue(String),
    #[error("List index is not within the allowable range; index: [{0}]")]
    IndexTooLarge(String),
    #[error("The \"{0}\" section can only be used once in an update expression;")]
    SectionTwice(&'static str),
    #[error(
        "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: {0}, path two: {1}"
    )]
    PathsOverlap(String, String),
    #[error(
        "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: {0}, path two: {1}"
    )]
    PathsConflict(String, String),
}

/// For the fuzz target `lease_expression`: reads `text` as each kind of expression and applies what
/// it says to an item. None may panic.
pub(crate) fn fuzz(text: &str, item: &crate::item::Item) {
    let mut substitutions = Substitutions::permissive();
    if let Ok(condition) = condition(text, &mut substitutions) {
        let _ = condition.holds(Some(item));
    }
    if let Ok(update) = update(text, &mut substitutions) {
        let mut item = item.clone();
        let _ = update.apply(&mut item);
    }
    if let Ok(paths) = projection(text, &mut substitutions) {
        let _ = crate::item::PathTree::of(&paths).project(item);
    }
}
