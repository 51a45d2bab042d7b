//! What Query and Scan share: filter, projection, limit, the answer.

use headwater_wire::Fault;

use crate::convert::{Expressions, Legacy};
use crate::expression::Condition;
use crate::item::{Path, PathTree};
use crate::shapes::{PageInput, PageOutput};
use crate::tables::{Index, Page, PageStart, Table};
use crate::{checks, convert, fault};

/// What is done with the items that are found.
pub(super) struct Reading {
    pub(super) filter: Option<Condition>,
    pub(super) limit: Option<usize>,
    pub(super) start: Option<PageStart>,
    paths: Option<Vec<Path>>,
    counts_only: bool,
    consistent: bool,
    capacity: Option<String>,
}

const SELECTS: [&str; 4] = ["SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"];

/// Refuses what is wrong with a page's input before its table is known.
pub(super) fn check(input: &PageInput) -> Result<(), Fault> {
    checks::one_of("select", input.select.as_deref(), &SELECTS)?;
    checks::consumed_capacity(input.return_consumed_capacity.as_deref())?;
    checks::conditional_operator(input.conditional_operator.as_deref())?;
    convert::one_dialect(
        &[
            ("AttributesToGet", input.attributes_to_get.is_some()),
            ("KeyConditions", input.key_conditions.is_some()),
            ("QueryFilter", input.query_filter.is_some()),
            ("ScanFilter", input.scan_filter.is_some()),
            ("ConditionalOperator", input.conditional_operator.is_some()),
        ],
        &[
            ("KeyConditionExpression", input.key_condition_expression.is_some()),
            ("FilterExpression", input.filter_expression.is_some()),
            ("ProjectionExpression", input.projection_expression.is_some()),
        ],
    )?;
    let gets = input.attributes_to_get.is_some() || input.projection_expression.is_some();
    match input.select.as_deref() {
        Some("SPECIFIC_ATTRIBUTES") if !gets => Err(fault::invalid(
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
        )),
        Some(select @ ("COUNT" | "ALL_ATTRIBUTES" | "ALL_PROJECTED_ATTRIBUTES")) if gets => {
            Err(fault::invalid(format!(
                "Cannot specify the AttributesToGet or ProjectionExpression when choosing to get {}",
                if select == "COUNT" { "only the Count" } else { select }
            )))
        }
        Some("ALL_PROJECTED_ATTRIBUTES") if input.index_name.is_none() => {
            Err(fault::invalid("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName"))
        }
        _ => Ok(()),
    }
}

/// The index the input names.
pub(super) fn index<'t>(input: &PageInput, table: &'t Table) -> Result<Option<&'t Index>, Fault> {
    let Some(name) = &input.index_name else { return Ok(None) };
    let own = table.settings.index.as_ref().filter(|own| own.name.as_str() == name);
    let own =
        own.ok_or_else(|| fault::invalid(format!("The table does not have the specified index: {name}")))?;
    if input.consistent_read == Some(true) {
        return Err(fault::invalid("Consistent reads are not supported on global secondary indexes"));
    }
    Ok(Some(own))
}

/// Reads the rest of the input; `older` is the filter of the older dialect.
pub(super) fn read(
    input: &mut PageInput,
    expressions: &mut Expressions,
    older: Option<Legacy>,
    table: &Table,
    index: Option<&Index>,
) -> Result<Reading, Fault> {
    let filter = match older {
        Some(older) => convert::legacy(older, input.conditional_operator.as_deref())?,
        None => expressions.condition("FilterExpression", input.filter_expression.as_deref())?,
    };
    let paths = expressions.projection(input.projection_expression.as_deref())?;
    let paths = paths
        .or(input.attributes_to_get.take().map(|names| names.into_iter().map(Path::attribute).collect()));
    let all_attributes = input.select.as_deref() == Some("ALL_ATTRIBUTES");
    if let Some(index) = index {
        let hidden = paths.iter().flatten().find(|path| !index.shows(path, &table.schema));
        if hidden.is_some() || (all_attributes && index.projection != crate::tables::Projection::All) {
            return Err(fault::invalid(format!(
                "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global secondary \
                 index {} because its projection type is not ALL",
                index.name.as_str()
            )));
        }
    }
    let start = input.exclusive_start_key.take().map(convert::item).transpose()?;
    Ok(Reading {
        filter,
        limit: checks::range("limit", input.limit, 1, i64::MAX)?,
        start: start.map(|key| convert::page_start(key, table, index)).transpose()?,
        paths,
        counts_only: input.select.as_deref() == Some("COUNT"),
        consistent: input.consistent_read == Some(true),
        capacity: input.return_consumed_capacity.take(),
    })
}

impl Reading {
    /// The answer.
    pub(super) fn output(self, table: &Table, page: Page) -> PageOutput {
        let units = convert::read_units(page.bytes, self.consistent);
        let count = page.items.len();
        let tree = self.paths.as_ref().map(PathTree::of);
        let items = page.items.into_iter().map(|item| {
            convert::attributes(match &tree {
                Some(tree) => tree.project(&item),
                None => item,
            })
        });
        PageOutput {
            items: (!self.counts_only).then(|| items.collect()),
            count,
            scanned_count: page.scanned,
            last_evaluated_key: page.last.map(convert::attributes),
            consumed_capacity: convert::consumed(self.capacity.as_deref(), table.key.name.as_str(), units),
        }
    }
}
