//! An error as a client sees it.

use std::borrow::Cow;

/// An AWS error: code, message and status. Encoded per protocol by the codec.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Fault {
    /// The code, such as `ResourceNotFoundException`.
    pub code: Cow<'static, str>,
    /// A true sentence for a person.
    pub message: String,
    /// The HTTP status.
    pub status: u16,
    /// Further members of the error's shape (JSON object members), such as `resource`.
    pub members: Vec<(&'static str, String)>,
    /// Members that are no text (DynamoDB's `Item` and `CancellationReasons`), in JSON and CBOR.
    pub structures: Vec<(&'static str, serde_json::Value)>,
}

impl Fault {
    /// A client error (400).
    pub fn client(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            status: 400,
            members: Vec::new(),
            structures: Vec::new(),
        }
    }

    /// A server error (500): the SDK retries it.
    pub fn server(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { status: 500, ..Self::client(code, message) }
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }
}
