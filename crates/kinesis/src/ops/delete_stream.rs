//! DeleteStream: the stream and its records are gone when this answers.

use headwater_wire::{Access, Context, Fault, Operation};

use crate::shapes::{Nothing, StreamInput};
use crate::{State, fault, target};

pub(crate) struct DeleteStream;

impl Operation<State> for DeleteStream {
    const NAME: &'static str = "DeleteStream";
    type Input = StreamInput;
    type Output = Nothing;

    fn access(_: &State, cx: &Context, input: &StreamInput) -> Result<Access, Fault> {
        let key = target::stream(cx, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        Ok(target::access("kinesis:DeleteStream", &key))
    }

    async fn call(state: &State, cx: &Context, input: StreamInput) -> Result<Nothing, Fault> {
        let key = target::stream(cx, input.stream_name.as_deref(), input.stream_arn.as_deref())?;
        state.streams.delete(&key).await.map_err(|error| fault::of(&key, error))?;
        Ok(Nothing {})
    }
}
