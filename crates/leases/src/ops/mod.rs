//! The operations, one file each.

mod continuous_backups;
mod create_table;
mod delete_item;
mod delete_table;
mod describe_table;
mod describe_time_to_live;
mod get_item;
mod list_tables;
mod list_tags_of_resource;
mod page;
mod put_item;
mod query;
mod returned;
mod scan;
mod transact_write_items;
mod update_item;
mod update_table;

pub(crate) use continuous_backups::{DescribeContinuousBackups, UpdateContinuousBackups};
pub(crate) use create_table::CreateTable;
pub(crate) use delete_item::DeleteItem;
pub(crate) use delete_table::DeleteTable;
pub(crate) use describe_table::DescribeTable;
pub(crate) use describe_time_to_live::DescribeTimeToLive;
pub(crate) use get_item::GetItem;
pub(crate) use list_tables::ListTables;
pub(crate) use list_tags_of_resource::ListTagsOfResource;
pub(crate) use put_item::PutItem;
pub(crate) use query::Query;
pub(crate) use scan::Scan;
pub(crate) use transact_write_items::TransactWriteItems;
pub(crate) use update_item::UpdateItem;
pub(crate) use update_table::UpdateTable;
