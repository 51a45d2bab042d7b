//! DeleteStream: the stream and its records are gone when this answers; a stream with consumers goes
//! only if the request says so.

use headwater_wire::{Access, Context, Fault, Operation};

use crate::shapes::{DeleteStreamInput, Nothing};
use crate::{State, fault, target};

pub(crate) struct DeleteStream;

impl Operation<State> for DeleteStream {
    const NAME: &'static str = "DeleteStream";
    type Input = DeleteStreamInput;
    type Output = Nothing;

    fn access(_: &State, cx: &Context, input: &DeleteStreamInput) -> Result<Access, Fault> {
        let key = target::of(cx, input)?;
        Ok(target::access("kinesis:DeleteStream", &key))
    }

    async fn call(state: &State, cx: &Context, input: DeleteStreamInput) -> Result<Nothing, Fault> {
        let key = target::of(cx, &input)?;
        if input.enforce_consumer_deletion == Some(true) {
            state.streams.delete(&key).await.map_err(|error| fault::of(&key, error))?;
        } else {
            let deleted = state.streams.delete_unconsumed(&key).await;
            deleted.map_err(|error| fault::of_consumer(&key, "", error))?;
        }
        Ok(Nothing {})
    }
}
