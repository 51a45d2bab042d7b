//! The keys of a plan's objects, and the partitions they make.

use std::collections::BTreeMap;

use headwater_base::Timestamp;
use headwater_catalog::{Partition, PartitionValues, Table};
use headwater_objects::{BucketName, ObjectKey};
use headwater_tables::path::parse_partition_path;
use uuid::Uuid;

use crate::definition::Destination;
use crate::output::ClosedFile;
use crate::plan::Plan;
use crate::prefix::{Circumstances, DatePattern, Prefix};

/// The key of a file of `plan`.
pub(crate) fn object_key(plan: &Plan, file: &ClosedFile) -> Result<ObjectKey, String> {
    let destination = &plan.delivery.destination;
    let id = file_id(plan, file);
    let values = named_values(destination, file);
    let given = Circumstances {
        oldest: file.oldest,
        zone: destination.zone,
        values: &values,
        error_type: file.group.error.unwrap_or(""),
        seed: *id.as_bytes(),
    };
    let prefix = match file.group.error {
        None => data_prefix(destination, &given),
        Some(error) => error_prefix(destination, &given, error),
    };
    let time = date(destination, "yyyy-MM-dd-HH-mm-ss", file.oldest);
    let (name, version) = (plan.delivery.key.name.as_str(), plan.delivery.config_version);
    let ending = ending(destination, file);
    ObjectKey::new(&format!("{prefix}{name}-{version}-{time}-{id}{ending}"))
        .map_err(|error| error.to_string())
}

/// The partition of `table` that an object at `key` of `bucket` makes, if its folders name all of
/// the table's partition columns.
pub(crate) fn partition_of(
    table: &Table,
    bucket: &BucketName,
    key: &ObjectKey,
    created: Timestamp,
) -> Option<Partition> {
    if table.partition_keys.is_empty() {
        return None;
    }
    let folder = key.as_str().rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut values: Vec<Option<String>> = vec![None; table.partition_keys.len()];
    let mut end = 0;
    let mut at = 0;
    for part in folder.split('/') {
        at += part.len() + 1;
        for (name, value) in parse_partition_path(&format!("{part}/")) {
            let column =
                table.partition_keys.iter().position(|column| column.name.eq_ignore_ascii_case(&name));
            if let Some(slot) = column.and_then(|column| values.get_mut(column)) {
                *slot = Some(value);
                end = at;
            }
        }
    }
    let values: Option<PartitionValues> = values.into_iter().collect();
    let mut storage = table.storage.clone();
    // Up to the last partition folder: folders below it belong to the same partition.
    storage.location = format!("s3://{}/{}", bucket.as_str(), &key.as_str()[..end]);
    Some(Partition { values: values?, storage, parameters: BTreeMap::new(), created })
}

/// Names the file among all files of all plans; the same plan names it the same again.
fn file_id(plan: &Plan, file: &ClosedFile) -> Uuid {
    let mut name = plan.id.as_bytes().to_vec();
    name.extend_from_slice(file.group.error.unwrap_or("").as_bytes());
    for value in &file.group.values {
        name.extend_from_slice(&(value.len() as u64).to_be_bytes());
        name.extend_from_slice(value.as_bytes());
    }
    name.extend_from_slice(&file.ordinal.to_be_bytes());
    Uuid::new_v5(&Uuid::NAMESPACE_OID, &name)
}

fn named_values(destination: &Destination, file: &ClosedFile) -> BTreeMap<String, String> {
    let names = destination.partition_query.iter().flat_map(|query| query.names());
    names.map(str::to_owned).zip(file.group.values.iter().cloned()).collect()
}

/// Without a timestamp in it, a prefix is followed by the hour of arrival; not so when records
/// choose their own partition.
fn data_prefix(destination: &Destination, given: &Circumstances<'_>) -> String {
    let mut prefix = destination.prefix.evaluate(given);
    if !destination.prefix.has_timestamp() && destination.partition_query.is_none() {
        prefix.push_str(&date(destination, "yyyy/MM/dd/HH/", given.oldest));
    }
    prefix
}

/// An error prefix without expressions is followed by the reason and the hour of arrival.
fn error_prefix(destination: &Destination, given: &Circumstances<'_>, error: &str) -> String {
    let plain = |prefix: &Prefix| {
        let beginning = prefix.literal_beginning();
        format!("{beginning}{error}/{}", date(destination, "yyyy/MM/dd/HH/", given.oldest))
    };
    match &destination.error_prefix {
        Some(prefix) if prefix.has_expressions() => prefix.evaluate(given),
        Some(prefix) => plain(prefix),
        None => plain(&destination.prefix),
    }
}

fn date(destination: &Destination, pattern: &str, time: Timestamp) -> String {
    let mut out = String::new();
    let pattern = DatePattern::parse(pattern).expect("the pattern is a constant of this file");
    pattern.format(&time.utc().with_timezone(&destination.zone), &mut out);
    out
}

fn ending<'a>(destination: &'a Destination, file: &ClosedFile) -> &'a str {
    let raw = if destination.gzip { ".gz" } else { "" };
    match (file.group.error, &destination.file_extension) {
        (Some(_), _) => raw,
        (None, Some(extension)) => extension,
        (None, None) if destination.conversion.is_some() => ".parquet",
        (None, None) => raw,
    }
}
