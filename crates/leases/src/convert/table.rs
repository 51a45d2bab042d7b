//! Definitions of tables.

use std::collections::BTreeMap;

use headwater_wire::{EpochTime, Fault};
use uuid::Uuid;

use crate::fault;
use crate::item::KeyKind;
use crate::shapes::{
    AttributeDefinition, BillingModeSummary, CreateTableInput, GlobalSecondaryIndex, IndexDescription,
    KeySchemaElement, ProjectionShape, ProvisionedThroughput, TableDescription, Tag, ThroughputDescription,
    UpdateTableInput,
};
use crate::tables::{
    Extent, Index, KeyAttribute, KeySchema, NewTable, Projection, Settings, Table, TableName, Throughput,
};

/// The most tags of a table.
const TAGS_MAX: usize = 50;
/// The most attributes an index shows beside the keys.
const SHOWN_MAX: usize = 100;

/// The types of attributes, by name.
type Kinds = BTreeMap<String, KeyKind>;

/// What CreateTable asks for.
pub(crate) fn new_table(input: CreateTableInput) -> Result<NewTable, Fault> {
    if input.local_secondary_indexes.is_some_and(|list| !list.is_empty()) {
        return Err(fault::not_here("a local secondary index"));
    }
    refuse_feature(
        "a stream of changes",
        input.stream_specification.and_then(|feature| feature.stream_enabled),
    )?;
    refuse_feature("a key of one's own", input.sse_specification.and_then(|feature| feature.enabled))?;
    let definitions = input.attribute_definitions.unwrap_or_default();
    let kinds = kinds(&definitions)?;
    let schema = key_schema(&input.key_schema.unwrap_or_default(), &kinds)?;
    let throughput = billing(input.billing_mode.as_deref(), input.provisioned_throughput)?;
    let index = match input.global_secondary_indexes.unwrap_or_default() {
        list if list.len() > 1 => return Err(fault::not_here("a second global secondary index")),
        mut list => list.pop().map(|index| self::index(index, &kinds, throughput.is_some())).transpose()?,
    };
    check_all_used(&kinds, &schema, index.as_ref())?;
    let settings = Settings {
        index,
        throughput,
        deletion_protected: input.deletion_protection_enabled.unwrap_or(false),
        recovery_days: None,
        tags: tags(input.tags.unwrap_or_default())?,
    };
    Ok(NewTable { schema, settings })
}

/// Changes a table as UpdateTable asks.
pub(crate) fn update_settings(table: &mut Table, input: &UpdateTableInput) -> Result<(), Fault> {
    refuse_feature(
        "a stream of changes",
        input.stream_specification.as_ref().and_then(|feature| feature.stream_enabled),
    )?;
    refuse_feature(
        "a key of one's own",
        input.sse_specification.as_ref().and_then(|feature| feature.enabled),
    )?;
    if input.replica_updates.as_ref().is_some_and(|list| !list.is_empty()) {
        return Err(fault::not_here("a replica"));
    }
    let updates = input.global_secondary_index_updates.as_deref().unwrap_or_default();
    let changes_capacity = input.billing_mode.is_some() || input.provisioned_throughput.is_some();
    if updates.is_empty() && !changes_capacity && input.deletion_protection_enabled.is_none() {
        return Err(fault::invalid(
            "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or \
             SSESpecification or ReplicaUpdates is required",
        ));
    }
    if changes_capacity {
        let mode = input.billing_mode.as_deref();
        table.settings.throughput = billing(mode, input.provisioned_throughput)?;
    }
    if let Some(protected) = input.deletion_protection_enabled {
        table.settings.deletion_protected = protected;
    }
    for update in updates {
        update_index(table, update, input.attribute_definitions.as_deref().unwrap_or_default())?;
    }
    Ok(())
}

fn update_index(
    table: &mut Table,
    update: &crate::shapes::GlobalSecondaryIndexUpdate,
    definitions: &[AttributeDefinition],
) -> Result<(), Fault> {
    let own = table.settings.index.as_mut();
    let named = |name: &str| own.as_ref().is_some_and(|own| own.name.as_str() == name);
    let missing = |name: &str| {
        fault::not_found(format!(
            "Requested resource not found: The table does not have the specified index: {name}"
        ))
    };
    match (&update.create, &update.update, &update.delete) {
        (Some(create), None, None) => {
            if named(&create.index_name) {
                let message =
                    format!("Attempting to create an index which already exists: {}", create.index_name);
                return Err(fault::invalid(message));
            }
            if own.is_some() {
                return Err(fault::not_here("a second global secondary index"));
            }
            let mut kinds = kinds(definitions)?;
            kinds.extend(table.schema.attributes().map(|own| (own.name.clone(), own.kind)));
            table.settings.index = Some(index(create.clone(), &kinds, table.settings.throughput.is_some())?);
        }
        (None, Some(update), None) => match own {
            Some(own) if own.name.as_str() == update.index_name => {
                own.throughput = update.provisioned_throughput.map(throughput).transpose()?;
            }
            _ => return Err(missing(&update.index_name)),
        },
        (None, None, Some(delete)) if named(&delete.index_name) => table.settings.index = None,
        (None, None, Some(delete)) => return Err(missing(&delete.index_name)),
        _ => return Err(fault::invalid("Each GlobalSecondaryIndexUpdate must have exactly one action")),
    }
    Ok(())
}

/// What a table is, as the service describes it.
pub(crate) fn description(table: &Table, extent: Extent, status: &'static str) -> TableDescription {
    let settings = &table.settings;
    let arn = table.key.arn().to_string();
    let mut attributes: Kinds = table.schema.attributes().map(|own| (own.name.clone(), own.kind)).collect();
    let in_index = settings.index.iter().flat_map(|index| index.schema.attributes());
    attributes.extend(in_index.map(|own| (own.name.clone(), own.kind)));
    let indexes = settings.index.as_ref().map(|index| vec![index_description(index, &arn)]);
    let on_demand = settings.throughput.is_none();
    TableDescription {
        table_name: table.key.name.as_str().to_owned(),
        table_id: Uuid::from_bytes(table.id).to_string(),
        table_status: status,
        creation_date_time: EpochTime(table.created),
        attribute_definitions: attributes
            .into_iter()
            .map(|(attribute_name, kind)| AttributeDefinition {
                attribute_name,
                attribute_type: kind.kind().name().to_owned(),
            })
            .collect(),
        key_schema: key_schema_shape(&table.schema),
        provisioned_throughput: throughput_description(settings.throughput),
        billing_mode_summary: on_demand.then_some(BillingModeSummary { billing_mode: "PAY_PER_REQUEST" }),
        item_count: extent.items,
        table_size_bytes: extent.bytes,
        global_secondary_indexes: indexes,
        deletion_protection_enabled: settings.deletion_protected,
        table_arn: arn,
    }
}

/// A table's tags.
pub(crate) fn tags_of(table: &Table) -> Vec<Tag> {
    let tag = |(key, value): (&String, &String)| Tag { key: key.clone(), value: value.clone() };
    table.settings.tags.iter().map(tag).collect()
}

fn index_description(index: &Index, table_arn: &str) -> IndexDescription {
    let (projection_type, non_key_attributes) = match &index.projection {
        Projection::All => ("ALL", None),
        Projection::KeysOnly => ("KEYS_ONLY", None),
        Projection::Include(names) => ("INCLUDE", Some(names.clone())),
    };
    IndexDescription {
        index_name: index.name.as_str().to_owned(),
        index_arn: format!("{table_arn}/index/{}", index.name.as_str()),
        index_status: "ACTIVE",
        key_schema: key_schema_shape(&index.schema),
        projection: ProjectionShape { projection_type: Some(projection_type.to_owned()), non_key_attributes },
        provisioned_throughput: throughput_description(index.throughput),
    }
}

fn key_schema_shape(schema: &KeySchema) -> Vec<KeySchemaElement> {
    let element = |(attribute, key_type): (&KeyAttribute, &str)| KeySchemaElement {
        attribute_name: attribute.name.clone(),
        key_type: key_type.to_owned(),
    };
    schema.attributes().zip(["HASH", "RANGE"]).map(element).collect()
}

fn throughput_description(throughput: Option<Throughput>) -> ThroughputDescription {
    let Throughput { read, write } = throughput.unwrap_or(Throughput { read: 0, write: 0 });
    ThroughputDescription {
        number_of_decreases_today: 0,
        read_capacity_units: read,
        write_capacity_units: write,
    }
}

fn kinds(definitions: &[AttributeDefinition]) -> Result<Kinds, Fault> {
    let mut kinds = Kinds::new();
    for AttributeDefinition { attribute_name, attribute_type } in definitions {
        let kind = KeyKind::named(attribute_type).ok_or_else(|| {
            fault::invalid(format!(
                "1 validation error detected: Value '{attribute_type}' at 'attributeDefinitions.member.attributeType' \
                 failed to satisfy constraint: Member must satisfy enum value set: [B, N, S]"
            ))
        })?;
        if kinds.insert(attribute_name.clone(), kind).is_some() {
            return Err(wrong(format!("Duplicate AttributeName in AttributeDefinitions: {attribute_name}")));
        }
    }
    Ok(kinds)
}

fn key_schema(elements: &[KeySchemaElement], kinds: &Kinds) -> Result<KeySchema, Fault> {
    let typed = |element: &KeySchemaElement| {
        let kind = kinds.get(&element.attribute_name).copied().ok_or_else(|| {
            let names: Vec<&str> = kinds.keys().map(String::as_str).collect();
            wrong(format!(
                "Some index key attributes are not defined in AttributeDefinitions. Keys: [{}], AttributeDefinitions: [{}]",
                element.attribute_name,
                names.join(", ")
            ))
        })?;
        Ok::<_, Fault>(KeyAttribute { name: element.attribute_name.clone(), kind })
    };
    let (hash, range) = match elements {
        [hash] => (hash, None),
        [hash, range] => (hash, Some(range)),
        _ => {
            return Err(fault::invalid(
                "1 validation error detected: Value at 'keySchema' failed to satisfy constraint: Member must have length between \
             1 and 2",
            ));
        }
    };
    if hash.key_type != "HASH" {
        return Err(fault::invalid("Invalid KeySchema: The first KeySchemaElement is not a HASH key type"));
    }
    if range.is_some_and(|range| range.key_type != "RANGE") {
        return Err(fault::invalid("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type"));
    }
    if range.is_some_and(|range| range.attribute_name == hash.attribute_name) {
        return Err(fault::invalid(
            "Both the Hash Key and the Range Key element in the KeySchema have the same name",
        ));
    }
    Ok(KeySchema { hash: typed(hash)?, range: range.map(typed).transpose()? })
}

fn index(shape: GlobalSecondaryIndex, kinds: &Kinds, provisioned: bool) -> Result<Index, Fault> {
    let name = TableName::new(&shape.index_name).map_err(|error| fault::invalid(error.to_string()))?;
    let schema = key_schema(&shape.key_schema, kinds)?;
    let ProjectionShape { projection_type, non_key_attributes } = shape.projection.unwrap_or_default();
    let projection = match (projection_type.as_deref(), non_key_attributes) {
        (Some("ALL"), None) => Projection::All,
        (Some("KEYS_ONLY"), None) => Projection::KeysOnly,
        (Some("INCLUDE"), Some(names)) if (1..=SHOWN_MAX).contains(&names.len()) => {
            Projection::Include(names)
        }
        (Some("ALL" | "KEYS_ONLY"), Some(_)) => {
            return Err(wrong("ProjectionType and NonKeyAttributes contradict one another"));
        }
        (Some("INCLUDE"), _) => {
            return Err(wrong("ProjectionType is INCLUDE, but NonKeyAttributes is not specified"));
        }
        (None, _) => return Err(wrong("Unknown ProjectionType: null")),
        (Some(other), _) => return Err(wrong(format!("Unknown ProjectionType: {other}"))),
    };
    let throughput = match (provisioned, shape.provisioned_throughput) {
        (true, Some(given)) => Some(throughput(given)?),
        (true, None) => {
            return Err(wrong(format!(
                "ProvisionedThroughput is not specified for index: {}",
                shape.index_name
            )));
        }
        (false, Some(_)) => {
            return Err(wrong(format!(
                "ProvisionedThroughput should not be specified for index: {} when BillingMode is PAY_PER_REQUEST",
                shape.index_name
            )));
        }
        (false, None) => None,
    };
    Ok(Index { name, schema, projection, throughput })
}

fn check_all_used(kinds: &Kinds, schema: &KeySchema, index: Option<&Index>) -> Result<(), Fault> {
    let used = |name: &str| schema.has(name) || index.is_some_and(|index| index.schema.has(name));
    if kinds.keys().all(|name| used(name)) {
        return Ok(());
    }
    Err(wrong(
        "Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions",
    ))
}

fn billing(mode: Option<&str>, given: Option<ProvisionedThroughput>) -> Result<Option<Throughput>, Fault> {
    match (mode.unwrap_or("PROVISIONED"), given) {
        ("PAY_PER_REQUEST", None) => Ok(None),
        ("PAY_PER_REQUEST", Some(_)) => Err(wrong(
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        )),
        ("PROVISIONED", Some(given)) => Ok(Some(throughput(given)?)),
        ("PROVISIONED", None) => Err(wrong(
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        )),
        (other, _) => Err(fault::invalid(format!(
            "1 validation error detected: Value '{other}' at 'billingMode' failed to satisfy constraint: Member must \
             satisfy enum value set: [PROVISIONED, PAY_PER_REQUEST]"
        ))),
    }
}

fn throughput(given: ProvisionedThroughput) -> Result<Throughput, Fault> {
    let units = |name: &str, n: i64| {
        u64::try_from(n).ok().filter(|n| *n > 0).ok_or_else(|| {
            fault::invalid(format!(
                "1 validation error detected: Value '{n}' at 'provisionedThroughput.{name}' failed to satisfy constraint: \
                 Member must have value greater than or equal to 1"
            ))
        })
    };
    Ok(Throughput {
        read: units("readCapacityUnits", given.read_capacity_units)?,
        write: units("writeCapacityUnits", given.write_capacity_units)?,
    })
}

fn tags(tags: Vec<Tag>) -> Result<BTreeMap<String, String>, Fault> {
    if tags.len() > TAGS_MAX {
        return Err(fault::invalid(format!(
            "One or more parameter values were invalid: at most {TAGS_MAX} tags"
        )));
    }
    let mut all = BTreeMap::new();
    for Tag { key, value } in tags {
        if !(1..=128).contains(&key.chars().count()) || value.chars().count() > 256 {
            return Err(wrong("a tag's key has 1 to 128 characters and its value at most 256"));
        }
        if all.insert(key.clone(), value).is_some() {
            return Err(wrong(format!("Duplicate tag key: {key}")));
        }
    }
    Ok(all)
}

fn refuse_feature(what: &str, enabled: Option<bool>) -> Result<(), Fault> {
    if enabled == Some(true) { Err(fault::not_here(what)) } else { Ok(()) }
}

fn wrong(what: impl std::fmt::Display) -> Fault {
    fault::invalid(format!("One or more parameter values were invalid: {what}"))
}
