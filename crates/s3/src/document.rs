//! Configurations as they are kept: the XML that S3 speaks, written and read by the codec.

use s3s::xml::{Deserialize, Deserializer, Serialize, Serializer};

use crate::fault::Refusal;

/// The XML of a configuration.
pub(crate) fn write(value: &impl Serialize) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::new(&mut bytes)).map_err(|error| {
        tracing::error!(error = %error, "a configuration could not be written");
        Refusal::internal()
    })?;
    Ok(bytes)
}

/// Reads what [`write`] wrote.
pub(crate) fn read<T: for<'xml> Deserialize<'xml>>(bytes: &[u8]) -> Result<T, Refusal> {
    T::deserialize(&mut Deserializer::new(bytes)).map_err(|error| {
        tracing::error!(error = %error, "a configuration could not be read");
        Refusal::internal()
    })
}

/// The refusal of XML that says what S3's schema does not know.
pub(crate) fn malformed() -> Refusal {
    Refusal::new(
        400,
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema",
    )
}
