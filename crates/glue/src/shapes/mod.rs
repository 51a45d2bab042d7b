//! What clients send and get, in the service's spelling. No logic.
//!
//! Members the catalog only keeps and gives back (views, buckets, sort orders, …) are gathered in
//! `rest`.

mod catalog;
mod crawlers;
mod jobs;

pub(crate) use catalog::*;
pub(crate) use crawlers::*;
pub(crate) use jobs::*;

use serde::{Deserialize, Serialize};

/// A JSON object.
pub(crate) type Object = serde_json::Map<String, serde_json::Value>;

/// An answer without members.
#[derive(Debug, Serialize)]
pub(crate) struct Nothing {}

/// A page of something without further members.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PageInput {
    pub(crate) next_token: Option<String>,
    pub(crate) max_results: Option<i64>,
}

/// An error in a batch's answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ErrorDetail {
    pub(crate) error_code: String,
    pub(crate) error_message: String,
}

impl From<headwater_wire::Fault> for ErrorDetail {
    fn from(fault: headwater_wire::Fault) -> Self {
        Self { error_code: fault.code.into_owned(), error_message: fault.message }
    }
}
