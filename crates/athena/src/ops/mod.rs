//! The operations.

pub mod get_query_execution;
pub mod get_query_results;
pub mod list_query_executions;
pub mod metadata;
pub mod parameters;
pub mod start_query_execution;
pub mod stop_query_execution;
pub mod workgroups;

use headwater_base::Arn;
use headwater_wire::{Access, Context, Fault};

use crate::fault;

/// An action on a workgroup.
fn on_workgroup(cx: &Context, action: &'static str, name: &str) -> Access {
    Access { action, resource: Some(Arn::new("athena", &cx.scope(), format!("workgroup/{name}"))) }
}

/// An action on no workgroup that the request names.
fn anywhere(action: &'static str) -> Access {
    Access { action, resource: None }
}

/// A page's size: what was asked, within the operation's bounds.
fn page_size(asked: Option<i64>, most: usize) -> Result<usize, Fault> {
    match asked {
        None | Some(0) => Ok(most),
        Some(count) => usize::try_from(count)
            .ok()
            .filter(|count| *count <= most)
            .ok_or_else(|| fault::invalid(format!("MaxResults is more than maximum allowed length {most}"))),
    }
}
