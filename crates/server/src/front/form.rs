//! Uploads by HTML forms on their way in: the fields are read, their signature is verified, and the
//! file goes on as it arrives.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use headwater_base::Clock;
use headwater_wire::Fault;
use headwater_wire::form::{Form, FormDecoder, FormError, FormPiece};
use http::request::Parts;
use http::{HeaderMap, Method, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;

/// Whether a request is a form that carries its signature in its fields.
pub(super) fn is_form(head: &Parts) -> bool {
    let names_presigned =
        |query: &str| query.contains("X-Amz-Signature=") || query.contains("X-Amz-Algorithm=");
    head.method == Method::POST
        && content_type(&head.headers).to_ascii_lowercase().starts_with("multipart/form-data")
        && !head.headers.contains_key(header::AUTHORIZATION)
        && !head.uri.query().is_some_and(names_presigned)
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// A form whose body is still arriving.
pub(super) struct Arriving {
    decoder: FormDecoder,
    body: Incoming,
    clock: Clock,
    idle_max: Duration,
    ended: bool,
}

impl Arriving {
    /// Of a request's body, which may fall silent for `idle_max` at most.
    ///
    /// # Errors
    /// When the content type names no boundary: the body comes back to be drained.
    #[expect(clippy::result_large_err, reason = "the body goes back to who drains it; once a form")]
    pub(super) fn new(
        head: &Parts,
        body: Incoming,
        clock: Clock,
        idle_max: Duration,
    ) -> Result<Self, (Fault, Incoming)> {
        match FormDecoder::new(content_type(&head.headers)) {
            Ok(decoder) => Ok(Self { decoder, body, clock, idle_max, ended: false }),
            Err(error) => Err((fault(&error), body)),
        }
    }

    /// What precedes the file.
    pub(super) async fn fields(&mut self) -> Result<Form, Fault> {
        loop {
            match self.decoder.piece().map_err(|error| fault(&error))? {
                FormPiece::Fields(form) => return Ok(form),
                FormPiece::More if !self.fill().await? => {
                    self.decoder.finish().map_err(|error| fault(&error))?;
                    return Err(fault(&FormError::NoFile));
                }
                FormPiece::More | FormPiece::Data(_) | FormPiece::FileEnd => {}
            }
        }
    }

    /// The file, once the fields were read.
    pub(super) fn file(self) -> BoxStream<'static, Result<Bytes, Fault>> {
        stream::unfold(self, |mut form| async move {
            if form.ended {
                return None;
            }
            let next = form.data().await;
            // After an error or the end nothing more is asked.
            form.ended = !matches!(next, Ok(Some(_)));
            next.transpose().map(|item| (item, form))
        })
        .boxed()
    }

    /// The rest of a refused one.
    pub(super) fn into_body(self) -> Incoming {
        self.body
    }

    async fn data(&mut self) -> Result<Option<Bytes>, Fault> {
        loop {
            match self.decoder.piece().map_err(|error| fault(&error))? {
                FormPiece::Data(data) => return Ok(Some(data)),
                FormPiece::More if !self.fill().await? => {
                    return self.decoder.finish().map(|()| None).map_err(|error| fault(&error));
                }
                FormPiece::More | FormPiece::FileEnd | FormPiece::Fields(_) => {}
            }
        }
    }

    /// Reads on; `false` at the end.
    async fn fill(&mut self) -> Result<bool, Fault> {
        let frame = self.clock.timeout(self.idle_max, self.body.frame()).await;
        let frame = frame.ok_or_else(|| {
            Fault::client(
                "RequestTimeout",
                "Your socket connection to the server was not read from or written to within the timeout period.",
            )
        })?;
        match frame {
            None => Ok(false),
            Some(Err(_)) => Err(fault(&FormError::Incomplete)),
            Some(Ok(frame)) => {
                self.decoder.push(frame.data_ref().unwrap_or(&Bytes::new()));
                Ok(true)
            }
        }
    }
}

fn fault(error: &FormError) -> Fault {
    match error {
        FormError::Malformed(_) => Fault::client(
            "MalformedPOSTRequest",
            "The body of your POST request is not well-formed multipart/form-data.",
        ),
        FormError::TooLarge => Fault::client(
            "MaxPostPreDataLengthExceededError",
            "Your POST request fields preceding the upload file were too large.",
        ),
        FormError::NoFile => Fault::client(
            "IncorrectNumberOfFilesInPostRequest",
            "POST requires exactly one file upload per request.",
        ),
        FormError::Incomplete => Fault::client("IncompleteBody", "The request body terminated unexpectedly"),
    }
}
