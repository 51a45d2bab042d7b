//! Partitions.

use headwater_catalog::{CatalogError, PartitionFilter, Segment};
use headwater_wire::{Context, Fault};

use super::operation;
use super::tables::{key, named};
use crate::checks::{at_most, page, present};
use crate::shapes::{
    BatchCreatePartitionInput, BatchDeletePartitionInput, BatchGetPartitionInput, BatchGetPartitionOutput,
    BatchUpdatePartitionInput, CreatePartitionInput, GetPartitionOutput, GetPartitionsInput,
    GetPartitionsOutput, Nothing, PartitionErrorShape, PartitionErrorsOutput, PartitionValuesInput,
    SegmentShape, UpdatePartitionErrorShape, UpdatePartitionErrorsOutput, UpdatePartitionInput,
};
use crate::{State, convert, fault, token};

/// The most partitions a page holds, and BatchGetPartition takes.
const PAGE_MAX: usize = 1000;
/// The most partitions BatchCreatePartition and BatchUpdatePartition take.
const BATCH_MAX: usize = 100;
/// The most partitions BatchDeletePartition takes.
const DELETE_BATCH_MAX: usize = 25;
/// The most segments a table is read in.
const SEGMENTS_MAX: i64 = 10;

operation!(BatchCreatePartition(BatchCreatePartitionInput) -> PartitionErrorsOutput,
    |cx, input| named(cx, &input.database_name, input.table_name.as_deref()), batch_create);
operation!(BatchDeletePartition(BatchDeletePartitionInput) -> PartitionErrorsOutput,
    |cx, input| named(cx, &input.database_name, input.table_name.as_deref()), batch_delete);
operation!(BatchGetPartition(BatchGetPartitionInput) -> BatchGetPartitionOutput,
    |cx, input| named(cx, &input.database_name, input.table_name.as_deref()), batch_get);
operation!(BatchUpdatePartition(BatchUpdatePartitionInput) -> UpdatePartitionErrorsOutput,
    |cx, input| named(cx, &input.database_name, input.table_name.as_deref()), batch_update);
operation!(CreatePartition(CreatePartitionInput) -> Nothing,
    |cx, input| named(cx, &input.database_name, input.table_name.as_deref()), create);
operation!(DeletePartition(PartitionValuesInput) -> Nothing,
    |cx, input| named(cx, &input.database_name, input.table_name.as_deref()), delete);
operation!(GetPartition(PartitionValuesInput) -> GetPartitionOutput,
    |cx, input| named(cx, &input.database_name, input.table_name.as_deref()), get);
operation!(GetPartitions(GetPartitionsInput) -> GetPartitionsOutput,
    |cx, input| named(cx, &input.database_name, input.table_name.as_deref()), list);
operation!(UpdatePartition(UpdatePartitionInput) -> Nothing,
    |cx, input| named(cx, &input.database_name, input.table_name.as_deref()), update);

async fn batch_create(
    state: &State,
    cx: &Context,
    input: BatchCreatePartitionInput,
) -> Result<PartitionErrorsOutput, Fault> {
    let key = key(cx, input.catalog_id.as_deref(), &input.database_name, &input.table_name, "tableName")?;
    let inputs = present(input.partition_input_list, "partitionInputList")?;
    at_most(&inputs, BATCH_MAX, "partitionInputList")?;
    let partitions = inputs.into_iter().map(convert::partition).collect::<Result<Vec<_>, _>>()?;
    let outcomes = state.catalog().create_partitions(&key, &partitions).await.map_err(fault::of)?;
    let values = partitions.into_iter().map(|partition| partition.values);
    Ok(PartitionErrorsOutput { errors: errors(values, outcomes) })
}

async fn batch_delete(
    state: &State,
    cx: &Context,
    input: BatchDeletePartitionInput,
) -> Result<PartitionErrorsOutput, Fault> {
    let key = key(cx, input.catalog_id.as_deref(), &input.database_name, &input.table_name, "tableName")?;
    let lists = present(input.partitions_to_delete, "partitionsToDelete")?;
    at_most(&lists, DELETE_BATCH_MAX, "partitionsToDelete")?;
    let values: Vec<Vec<String>> = lists.into_iter().map(|list| list.values).collect();
    let outcomes = state.catalog().delete_partitions(&key, &values).await.map_err(fault::of)?;
    Ok(PartitionErrorsOutput { errors: errors(values.into_iter(), outcomes) })
}

fn errors(
    values: impl Iterator<Item = Vec<String>>,
    outcomes: Vec<Result<(), CatalogError>>,
) -> Vec<PartitionErrorShape> {
    let failed = |(values, outcome): (Vec<String>, Result<(), CatalogError>)| {
        let error_detail = fault::of(outcome.err()?).into();
        Some(PartitionErrorShape { partition_values: values, error_detail })
    };
    values.zip(outcomes).filter_map(failed).collect()
}

async fn batch_get(
    state: &State,
    cx: &Context,
    input: BatchGetPartitionInput,
) -> Result<BatchGetPartitionOutput, Fault> {
    let key = key(cx, input.catalog_id.as_deref(), &input.database_name, &input.table_name, "tableName")?;
    let lists = present(input.partitions_to_get, "partitionsToGet")?;
    at_most(&lists, PAGE_MAX, "partitionsToGet")?;
    let table = state.catalog().table(&key).await.map_err(fault::of)?;
    let mut partitions = Vec::new();
    for list in lists {
        match state.catalog().partition(&table, &list.values).await {
            Ok(partition) => partitions.push(convert::partition_shape(&table, partition)),
            // What is not there is left out, as the service does.
            Err(CatalogError::NotFound(_)) => {}
            Err(error) => return Err(fault::of(error)),
        }
    }
    Ok(BatchGetPartitionOutput { partitions, unprocessed_keys: Vec::new() })
}

async fn batch_update(
    state: &State,
    cx: &Context,
    input: BatchUpdatePartitionInput,
) -> Result<UpdatePartitionErrorsOutput, Fault> {
    let key = key(cx, input.catalog_id.as_deref(), &input.database_name, &input.table_name, "tableName")?;
    let entries = present(input.entries, "entries")?;
    at_most(&entries, BATCH_MAX, "entries")?;
    let mut errors = Vec::new();
    for entry in entries {
        let values = present(entry.partition_value_list, "entries.partitionValueList")?;
        let partition = convert::partition(present(entry.partition_input, "entries.partitionInput")?)?;
        if let Err(error) = state.catalog().update_partition(&key, &values, &partition).await {
            let error_detail = fault::of(error).into();
            errors.push(UpdatePartitionErrorShape { partition_value_list: values, error_detail });
        }
    }
    Ok(UpdatePartitionErrorsOutput { errors })
}

async fn create(state: &State, cx: &Context, input: CreatePartitionInput) -> Result<Nothing, Fault> {
    let key = key(cx, input.catalog_id.as_deref(), &input.database_name, &input.table_name, "tableName")?;
    let partition = convert::partition(present(input.partition_input, "partitionInput")?)?;
    let outcomes = state.catalog().create_partitions(&key, &[partition]).await.map_err(fault::of)?;
    outcomes.into_iter().collect::<Result<(), _>>().map_err(fault::of)?;
    Ok(Nothing {})
}

async fn delete(state: &State, cx: &Context, input: PartitionValuesInput) -> Result<Nothing, Fault> {
    let key = key(cx, input.catalog_id.as_deref(), &input.database_name, &input.table_name, "tableName")?;
    let values = present(input.partition_values, "partitionValues")?;
    let outcomes = state.catalog().delete_partitions(&key, &[values]).await.map_err(fault::of)?;
    outcomes.into_iter().collect::<Result<(), _>>().map_err(fault::of)?;
    Ok(Nothing {})
}

async fn get(state: &State, cx: &Context, input: PartitionValuesInput) -> Result<GetPartitionOutput, Fault> {
    let key = key(cx, input.catalog_id.as_deref(), &input.database_name, &input.table_name, "tableName")?;
    let values = present(input.partition_values, "partitionValues")?;
    let table = state.catalog().table(&key).await.map_err(fault::of)?;
    let partition = state.catalog().partition(&table, &values).await.map_err(fault::of)?;
    Ok(GetPartitionOutput { partition: convert::partition_shape(&table, partition) })
}

async fn list(state: &State, cx: &Context, input: GetPartitionsInput) -> Result<GetPartitionsOutput, Fault> {
    let key = key(cx, input.catalog_id.as_deref(), &input.database_name, &input.table_name, "tableName")?;
    let limit = page(input.max_results, PAGE_MAX)?;
    let segment = input.segment.map(segment).transpose()?;
    let after = token::open(input.next_token.as_deref())?;
    let table = state.catalog().table(&key).await.map_err(fault::of)?;
    let filter =
        PartitionFilter::parse(input.expression.as_deref().unwrap_or_default(), &table.partition_keys)
            .map_err(fault::of)?;
    let page = state.catalog().partitions_page(&table, &filter, segment, after.as_ref(), limit + 1).await;
    let mut found = page.map_err(fault::of)?;
    let next_token = token::cut(&mut found, limit, |partition| partition.values.clone());
    let mut partitions: Vec<_> = found.into_iter().map(|p| convert::partition_shape(&table, p)).collect();
    if input.exclude_column_schema.unwrap_or_default() {
        partitions.iter_mut().for_each(|partition| partition.storage_descriptor.columns = None);
    }
    Ok(GetPartitionsOutput { partitions, next_token })
}

fn segment(shape: SegmentShape) -> Result<Segment, Fault> {
    let valid = (1..=SEGMENTS_MAX).contains(&shape.total_segments)
        && (0..shape.total_segments).contains(&shape.segment_number);
    match (u32::try_from(shape.segment_number), u32::try_from(shape.total_segments)) {
        (Ok(number), Ok(total)) if valid => Ok(Segment { number, total }),
        _ => Err(fault::invalid(format!("A table is read in 1 to {SEGMENTS_MAX} segments, counted from 0."))),
    }
}

async fn update(state: &State, cx: &Context, input: UpdatePartitionInput) -> Result<Nothing, Fault> {
    let key = key(cx, input.catalog_id.as_deref(), &input.database_name, &input.table_name, "tableName")?;
    let values = present(input.partition_value_list, "partitionValueList")?;
    let partition = convert::partition(present(input.partition_input, "partitionInput")?)?;
    state.catalog().update_partition(&key, &values, &partition).await.map_err(fault::of)?;
    Ok(Nothing {})
}
