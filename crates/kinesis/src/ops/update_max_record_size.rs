//! UpdateMaxRecordSize: 1 to 10 MiB for data and partition key together.

use headwater_wire::{Access, Context, Fault, Operation};

use crate::checks::Checks;
use crate::shapes::{Nothing, UpdateMaxRecordSizeInput};
use crate::{State, fault, target};

pub(crate) struct UpdateMaxRecordSize;

impl Operation<State> for UpdateMaxRecordSize {
    const NAME: &'static str = "UpdateMaxRecordSize";
    type Input = UpdateMaxRecordSizeInput;
    type Output = Nothing;

    fn access(_: &State, cx: &Context, input: &UpdateMaxRecordSizeInput) -> Result<Access, Fault> {
        Ok(target::access("kinesis:UpdateMaxRecordSize", &target::of(cx, input)?))
    }

    async fn call(state: &State, cx: &Context, input: UpdateMaxRecordSizeInput) -> Result<Nothing, Fault> {
        let kib = input.max_record_size_in_kib;
        let mut checks = Checks::new();
        checks.present("maxRecordSizeInKiB", kib.as_ref());
        checks.range("maxRecordSizeInKiB", kib, 1024, 10240);
        checks.finish()?;
        let key = target::of(cx, &input)?;
        let stream = state.stream(&key).await?;
        let bytes = kib.unwrap_or_default() as usize * 1024;
        if stream.record_bytes_max != bytes {
            let set = state.streams.set_record_bytes_max(&stream, bytes).await;
            set.map_err(|error| fault::of(&key, error))?;
        }
        Ok(Nothing {})
    }
}
