//! STS, as far as clients need it to ask who they are (Query protocol).

use async_trait::async_trait;
use headwater_base::Caller;
use headwater_wire::{
    Access, Answer, Context, Face, Fault, OperationRow, Outcome, RawBody, VerifiedRequest, answer,
};

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
/// Requests are a few hundred bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;
const GET_CALLER_IDENTITY: &str = "GetCallerIdentity";
/// Known and refused: there are no temporary credentials.
const REFUSED: [&str; 8] = [
    "AssumeRole",
    "AssumeRoleWithSAML",
    "AssumeRoleWithWebIdentity",
    "AssumeRoot",
    "DecodeAuthorizationMessage",
    "GetAccessKeyInfo",
    "GetFederationToken",
    "GetSessionToken",
];

/// The face.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sts;

#[async_trait]
impl Face for Sts {
    fn signing_name(&self) -> &'static str {
        "sts"
    }

    fn target_prefix(&self) -> Option<&'static str> {
        None
    }

    fn body_bytes_max(&self) -> usize {
        BODY_BYTES_MAX
    }

    fn operations(&self) -> Vec<OperationRow> {
        let works = OperationRow { name: GET_CALLER_IDENTITY, works: true };
        std::iter::once(works).chain(REFUSED.map(|name| OperationRow { name, works: false })).collect()
    }

    async fn handle(&self, request: VerifiedRequest) -> Answer {
        let action = action(&request);
        let known = std::iter::once(GET_CALLER_IDENTITY).chain(REFUSED).find(|name| *name == action);
        let id = request.context.request_id.clone();
        let result = match known {
            Some(GET_CALLER_IDENTITY) => get_caller_identity(&request.context).await,
            Some(name) => {
                Err(Fault::client("InvalidAction", format!("{name} is not supported by this endpoint")))
            }
            None => Err(Fault::client("InvalidAction", "Could not find operation for version 2011-06-15")),
        };
        let fault = result.as_ref().err().map(|fault| fault.code.clone());
        let mut response = match result {
            Ok(body) => answer::whole(answer::OK, "text/xml", body),
            Err(fault) => answer::query_fault(&fault, NAMESPACE, &id),
        };
        response.extensions_mut().insert(Outcome { operation: known.unwrap_or("Unknown"), fault });
        response
    }
}

async fn get_caller_identity(cx: &Context) -> Result<String, Fault> {
    let access = Access { action: "sts:GetCallerIdentity", resource: None };
    cx.authority.check(&cx.caller, &access, None).await?;
    Ok(identity_xml(&cx.caller, &cx.request_id))
}

fn identity_xml(caller: &Caller, request_id: &str) -> String {
    let user_id = if caller.user == "root" { caller.account.to_string() } else { caller.access_key.clone() };
    format!(
        "<GetCallerIdentityResponse xmlns=\"{NAMESPACE}\"><GetCallerIdentityResult><Arn>{}</Arn><UserId>{}</UserId>\
         <Account>{}</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>{request_id}</RequestId>\
         </ResponseMetadata></GetCallerIdentityResponse>",
        answer::xml_text(&caller.arn()),
        answer::xml_text(&user_id),
        caller.account
    )
}

/// The `Action` parameter of a form, in the body or the query.
fn action(request: &VerifiedRequest) -> String {
    let body = match &request.body {
        RawBody::Whole(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        RawBody::Streaming { .. } | RawBody::Form { .. } => String::new(),
    };
    let query = request.head.uri.query().unwrap_or_default();
    let pairs = body.split('&').chain(query.split('&'));
    let found = pairs.filter_map(|pair| pair.split_once('=')).find(|(name, _)| *name == "Action");
    found.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_names_account_and_user() {
        let caller = Caller {
            account: "000000000042".parse().unwrap(),
            access_key: "AKIA1".into(),
            user: "a<b".into(),
            canonical_id: String::new(),
        };
        let xml = identity_xml(&caller, "id-1");
        assert!(xml.contains("<Arn>arn:aws:iam::000000000042:user/a&lt;b</Arn>"), "{xml}");
        assert!(xml.contains("<Account>000000000042</Account>"), "{xml}");
    }
}
