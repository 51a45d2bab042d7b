//! Tags of resources, by ARN; and what clients ask in passing.

use headwater_base::Arn;
use headwater_wire::{Context, Fault};

use super::operation;
use crate::checks::{arn, present, required, scope};
use crate::shapes::{
    CatalogIdInput, GetTagsInput, GetTagsOutput, ImportStatusOutput, ImportStatusShape, Nothing,
    TagResourceInput, UntagResourceInput,
};
use crate::{State, fault, tags};

operation!(GetCatalogImportStatus(CatalogIdInput) -> ImportStatusOutput, |cx, _input| arn(cx, "catalog"), import_status);
operation!(GetTags(GetTagsInput) -> GetTagsOutput, |cx, input| target(cx, &input.resource_arn), get);
operation!(TagResource(TagResourceInput) -> Nothing, |cx, input| target(cx, &input.resource_arn), add);
operation!(UntagResource(UntagResourceInput) -> Nothing, |cx, input| target(cx, &input.resource_arn), remove);

/// The ARN the request names, or the catalog's where it names none.
fn target(cx: &Context, text: &Option<String>) -> Arn {
    text.as_deref().and_then(|text| text.parse().ok()).unwrap_or_else(|| arn(cx, "catalog"))
}

/// The ARN the request names, which must be one of the caller's.
fn owned(cx: &Context, text: &Option<String>) -> Result<Arn, Fault> {
    let text = required(text, "resourceArn")?;
    let found: Arn = text.parse().map_err(|_| fault::invalid(format!("{text:?} is not an ARN")))?;
    if found.service != "glue"
        || found.account != Some(cx.caller.account)
        || found.region.as_ref() != Some(&cx.region)
    {
        return Err(fault::not_found(&format!("Resource {text} not found.")));
    }
    Ok(found)
}

async fn get(state: &State, cx: &Context, input: GetTagsInput) -> Result<GetTagsOutput, Fault> {
    Ok(GetTagsOutput { tags: tags::get(state, &owned(cx, &input.resource_arn)?).await? })
}

async fn add(state: &State, cx: &Context, input: TagResourceInput) -> Result<Nothing, Fault> {
    let target = owned(cx, &input.resource_arn)?;
    let more = present(input.tags_to_add, "tagsToAdd")?;
    tags::change(state, &target, |tags| tags.extend(more.clone())).await?;
    Ok(Nothing {})
}

async fn remove(state: &State, cx: &Context, input: UntagResourceInput) -> Result<Nothing, Fault> {
    let target = owned(cx, &input.resource_arn)?;
    let keys = present(input.tags_to_remove, "tagsToRemove")?;
    tags::change(state, &target, |tags| tags.retain(|key, _| !keys.contains(key))).await?;
    Ok(Nothing {})
}

/// There never was another catalog to import from.
async fn import_status(_: &State, cx: &Context, input: CatalogIdInput) -> Result<ImportStatusOutput, Fault> {
    scope(cx, input.catalog_id.as_deref())?;
    Ok(ImportStatusOutput { import_status: ImportStatusShape { import_completed: true } })
}
