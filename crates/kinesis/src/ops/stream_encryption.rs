//! StartStreamEncryption and StopStreamEncryption: the flags are stored and echoed. Encryption at
//! rest is the disk's business: this node has no KMS to ask.

use headwater_streams::Encryption;
use headwater_wire::{Access, Context, Fault, Operation};

use crate::checks::Checks;
use crate::shapes::{EncryptionInput, Nothing};
use crate::{State, fault, target};

pub(crate) struct StartStreamEncryption;

impl Operation<State> for StartStreamEncryption {
    const NAME: &'static str = "StartStreamEncryption";
    type Input = EncryptionInput;
    type Output = Nothing;

    fn access(_: &State, cx: &Context, input: &EncryptionInput) -> Result<Access, Fault> {
        Ok(target::access("kinesis:StartStreamEncryption", &target::of(cx, input)?))
    }

    async fn call(state: &State, cx: &Context, input: EncryptionInput) -> Result<Nothing, Fault> {
        check(&input)?;
        let encryption = Encryption { key_id: input.key_id.clone().unwrap_or_default() };
        set(state, cx, &input, Some(encryption)).await
    }
}

pub(crate) struct StopStreamEncryption;

impl Operation<State> for StopStreamEncryption {
    const NAME: &'static str = "StopStreamEncryption";
    type Input = EncryptionInput;
    type Output = Nothing;

    fn access(_: &State, cx: &Context, input: &EncryptionInput) -> Result<Access, Fault> {
        Ok(target::access("kinesis:StopStreamEncryption", &target::of(cx, input)?))
    }

    async fn call(state: &State, cx: &Context, input: EncryptionInput) -> Result<Nothing, Fault> {
        check(&input)?;
        set(state, cx, &input, None).await
    }
}

fn check(input: &EncryptionInput) -> Result<(), Fault> {
    let kind = input.encryption_type.as_deref();
    let mut checks = Checks::new();
    checks.present("encryptionType", kind.as_ref());
    checks.one_of("encryptionType", kind, &["NONE", "KMS"]);
    checks.present("keyId", input.key_id.as_ref());
    checks.length("keyId", input.key_id.as_deref(), 1, 2048);
    checks.finish()?;
    if kind == Some("NONE") {
        return Err(fault::invalid("EncryptionType must be KMS."));
    }
    Ok(())
}

async fn set(
    state: &State,
    cx: &Context,
    input: &EncryptionInput,
    encryption: Option<Encryption>,
) -> Result<Nothing, Fault> {
    let key = target::of(cx, input)?;
    let stream = state.stream(&key).await?;
    if stream.encryption != encryption {
        let set = state.streams.set_encryption(&stream, encryption).await;
        set.map_err(|error| fault::of(&key, error))?;
    }
    Ok(Nothing {})
}
