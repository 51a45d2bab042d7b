//! Posting to somebody else's HTTP endpoint, unsigned: how events leave the node.
//!
//! **Failure.** [`ClientError::Unreachable`] is ambiguous: the message may or may not have arrived.
//! Nothing is repeated here; who posts decides.

use std::time::Duration;

use bytes::Bytes;
use headwater_base::Seams;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::{ClientError, chain};

/// How long a connection may take to be made.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// How much of an answer's body is read, so that its connection can be used again.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Posts bodies to any `http://` address over pooled connections. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Poster {
    http: hyper_util::client::legacy::Client<HttpConnector, Full<Bytes>>,
    seams: Seams,
}

impl Poster {
    /// A poster that keeps up to `connections` to each host open.
    pub fn new(connections: usize, seams: Seams) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_MAX));
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(connections)
            .build(connector);
        Self { http, seams }
    }

    /// Checks that something can be posted to this address: `http://`, a host, maybe a path.
    ///
    /// # Errors
    /// [`ClientError::Invalid`].
    pub fn check(url: &str) -> Result<(), ClientError> {
        let invalid = || ClientError::Invalid(format!("{url:?} is not of the form http://host:port/path"));
        let uri: http::Uri = url.parse().map_err(|_| invalid())?;
        let is_plain = uri.scheme_str() == Some("http") && uri.host().is_some_and(|host| !host.is_empty());
        if is_plain { Ok(()) } else { Err(invalid()) }
    }

    /// Posts `body` and returns the status of the answer, whose body is of no interest. Gives up
    /// after `limit`.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] for an address or headers that are none, [`ClientError::Unreachable`].
    pub async fn post(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        body: Bytes,
        limit: Duration,
    ) -> Result<u16, ClientError> {
        let mut request = http::Request::builder().method(http::Method::POST).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).map_err(|e| ClientError::Invalid(e.to_string()))?;
        let unreachable = |reason: String| ClientError::Unreachable { endpoint: url.to_owned(), reason };
        let exchange = async {
            let answer = self.http.request(request).await.map_err(|e| unreachable(chain(&e)))?;
            let status = answer.status().as_u16();
            // The status is the answer. A body that is too long or breaks off costs the connection.
            let _ = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
            Ok(status)
        };
        let late = || Err(unreachable(format!("no answer within {} ms", limit.as_millis())));
        self.seams.clock.timeout(limit, exchange).await.unwrap_or_else(late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        for good in ["http://127.0.0.1:9000", "http://hooks.example.org/s3/events?from=lake"] {
            assert!(Poster::check(good).is_ok(), "{good}");
        }
        for bad in ["", "127.0.0.1:9000", "https://example.org", "http://", "ftp://example.org/"] {
            assert!(matches!(Poster::check(bad), Err(ClientError::Invalid(_))), "{bad}");
        }
    }
}
