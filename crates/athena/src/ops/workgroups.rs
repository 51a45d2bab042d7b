//! GetWorkGroup, ListWorkGroups, CreateWorkGroup, UpdateWorkGroup and DeleteWorkGroup.

use headwater_wire::{Access, Context, Fault, Operation};

use super::{anywhere, on_workgroup, page_size};
use crate::shapes::{
    CreateWorkGroupInput, DeleteWorkGroupInput, Empty, GetWorkGroupOutput, ListWorkGroupsOutput, PageInput,
    UpdateWorkGroupInput, WorkGroupInput,
};
use crate::{State, convert, fault};

/// Workgroups of a page.
const PAGE_MAX: usize = 50;

/// The operation.
pub struct GetWorkGroup;

impl Operation<State> for GetWorkGroup {
    const NAME: &'static str = "GetWorkGroup";
    type Input = WorkGroupInput;
    type Output = GetWorkGroupOutput;

    fn access(_: &State, cx: &Context, input: &Self::Input) -> Result<Access, Fault> {
        Ok(on_workgroup(cx, "athena:GetWorkGroup", &input.work_group))
    }

    async fn call(state: &State, cx: &Context, input: Self::Input) -> Result<Self::Output, Fault> {
        let row = state.workgroups.get(&cx.scope(), &input.work_group).await?;
        Ok(GetWorkGroupOutput { work_group: convert::workgroup(&input.work_group, &row) })
    }
}

/// The operation.
pub struct ListWorkGroups;

impl Operation<State> for ListWorkGroups {
    const NAME: &'static str = "ListWorkGroups";
    type Input = PageInput;
    type Output = ListWorkGroupsOutput;

    fn access(_: &State, _: &Context, _: &Self::Input) -> Result<Access, Fault> {
        Ok(anywhere("athena:ListWorkGroups"))
    }

    async fn call(state: &State, cx: &Context, input: Self::Input) -> Result<Self::Output, Fault> {
        let limit = page_size(input.max_results, PAGE_MAX)?;
        let after = input.next_token.unwrap_or_default();
        let all = state.workgroups.list(&cx.scope()).await?;
        let mut rest = all.iter().filter(|(name, _)| *name > after);
        let page: Vec<_> = rest.by_ref().take(limit).collect();
        let more = rest.next().is_some();
        Ok(ListWorkGroupsOutput {
            work_groups: page.iter().map(|(name, row)| convert::workgroup_summary(name, row)).collect(),
            next_token: page.last().filter(|_| more).map(|(name, _)| name.clone()),
        })
    }
}

/// The operation.
pub struct CreateWorkGroup;

impl Operation<State> for CreateWorkGroup {
    const NAME: &'static str = "CreateWorkGroup";
    type Input = CreateWorkGroupInput;
    type Output = Empty;

    fn access(_: &State, cx: &Context, input: &Self::Input) -> Result<Access, Fault> {
        Ok(on_workgroup(cx, "athena:CreateWorkGroup", &input.name))
    }

    async fn call(state: &State, cx: &Context, input: Self::Input) -> Result<Self::Output, Fault> {
        let name = input.name.clone();
        state.workgroups.create(&cx.scope(), &name, convert::new_workgroup(input)).await?;
        Ok(Empty {})
    }
}

/// The operation.
pub struct UpdateWorkGroup;

impl Operation<State> for UpdateWorkGroup {
    const NAME: &'static str = "UpdateWorkGroup";
    type Input = UpdateWorkGroupInput;
    type Output = Empty;

    fn access(_: &State, cx: &Context, input: &Self::Input) -> Result<Access, Fault> {
        Ok(on_workgroup(cx, "athena:UpdateWorkGroup", &input.work_group))
    }

    async fn call(state: &State, cx: &Context, input: Self::Input) -> Result<Self::Output, Fault> {
        let name = input.work_group.clone();
        let row = state.workgroups.get(&cx.scope(), &name).await?;
        state.workgroups.put(&cx.scope(), &name, &convert::updated_workgroup(row, input)).await?;
        Ok(Empty {})
    }
}

/// The operation.
pub struct DeleteWorkGroup;

impl Operation<State> for DeleteWorkGroup {
    const NAME: &'static str = "DeleteWorkGroup";
    type Input = DeleteWorkGroupInput;
    type Output = Empty;

    fn access(_: &State, cx: &Context, input: &Self::Input) -> Result<Access, Fault> {
        Ok(on_workgroup(cx, "athena:DeleteWorkGroup", &input.work_group))
    }

    async fn call(state: &State, cx: &Context, input: Self::Input) -> Result<Self::Output, Fault> {
        let scope = cx.scope();
        let used = state.executions.list(&scope, &input.work_group, None, 1).await;
        let used = !used.map_err(|error| fault::store(&error))?.is_empty();
        if used && input.recursive_delete_option != Some(true) {
            return Err(fault::invalid(format!("WorkGroup {} is not empty", input.work_group)));
        }
        state.workgroups.delete(&scope, &input.work_group).await?;
        Ok(Empty {})
    }
}
