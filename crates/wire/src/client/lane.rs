//! A connection of one's own, for who measures: no pool to ask, no task to wake. The caller's task signs,
//! sends, and moves the bytes of its connection itself, so that a load generator takes as little of the
//! machine as it can from the node under load.
//!
//! **Failure.** Nothing is repeated. After an error the next call opens the connection anew.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use http::uri::PathAndQuery;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{ATTEMPT_MAX, Answer, Client, ClientError, call_headers};
use crate::Codec;

/// One plain HTTP/1.1 connection to a client's endpoint, opened by the first call.
#[derive(Debug)]
pub struct Lane {
    client: Client,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    sender: http1::SendRequest<Full<Bytes>>,
    connection: http1::Connection<TokioIo<TcpStream>, Full<Bytes>>,
}

impl Client {
    /// A connection of its own to the same endpoint, for the same caller.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] when the endpoint is a secure one.
    pub fn lane(&self) -> Result<Lane, ClientError> {
        if self.0.base.starts_with("https:") {
            return Err(ClientError::Invalid(format!("{}: a lane is a plain connection", self.0.base)));
        }
        Ok(Lane { client: self.clone(), open: None })
    }
}

impl Lane {
    /// Calls an operation once, as [`Client::call`] does several times.
    ///
    /// # Errors
    /// The service's refusal, or why there was no answer.
    pub async fn call(
        &mut self,
        codec: Codec,
        service: &str,
        target: &str,
        body: Bytes,
    ) -> Result<Bytes, ClientError> {
        let invocation = self.client.0.seams.chance.uuid().to_string();
        let headers = call_headers(codec, target, &invocation);
        self.send(service, "POST", "/", &headers, body).await?.accepted()
    }

    /// Sends one signed request and returns whatever was answered, as [`Client::send`] does.
    ///
    /// # Errors
    /// Why there was no answer.
    pub async fn send(
        &mut self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, ClientError> {
        let mut request = self.client.signed(service, method, path, headers, body)?;
        // To the server itself a request names the path alone; the host is in its header.
        let target = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
        *request.uri_mut() = target.parse().map_err(|e| ClientError::Invalid(format!("{target:?}: {e}")))?;
        let clock = self.client.0.seams.clock.clone();
        let answered = clock.timeout(ATTEMPT_MAX, self.exchange(request)).await;
        answered.unwrap_or_else(|| Err(self.client.late()))
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, ClientError> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.open().await?,
        };
        let answer = open.exchange(request).await.map_err(|error| self.client.unreachable(&error))?;
        let is_last = answer.header("connection").is_some_and(|told| told.eq_ignore_ascii_case("close"));
        self.open = (!is_last).then_some(open);
        Ok(answer)
    }

    async fn open(&self) -> Result<Open, ClientError> {
        let stream = async {
            let stream = TcpStream::connect(&self.client.0.host).await?;
            stream.set_nodelay(true)?;
            Ok::<_, std::io::Error>(stream)
        };
        let stream = stream.await.map_err(|error| self.client.unreachable(&error))?;
        let shaken = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(|error| self.client.unreachable(&error))?;
        Ok(Open { sender, connection })
    }
}

impl Open {
    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Answer> {
        let Self { sender, connection } = self;
        let mut answering = pin!(async move {
            sender.ready().await?;
            Answer::read(sender.send_request(request).await?).await
        });
        // What is answered comes out of the connection, and this is the only task that moves it.
        let mut ended = false;
        poll_fn(|cx: &mut Context<'_>| {
            if let Poll::Ready(answer) = answering.as_mut().poll(cx) {
                return Poll::Ready(answer);
            }
            // Why a connection ended is told to the exchange, too.
            ended = ended || Pin::new(&mut *connection).poll(cx).is_ready();
            answering.as_mut().poll(cx)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Credentials;
    use headwater_base::Seams;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    fn client(endpoint: &str) -> Client {
        let credentials = Credentials { access_key: "a".into(), secret: "b".into() };
        Client::new(endpoint, "eu-central-1".parse().unwrap(), credentials, 1, Seams::system()).unwrap()
    }

    /// Reads one request and returns its head.
    async fn request(stream: &mut TcpStream) -> String {
        let mut read = Vec::new();
        while !read.ends_with(b"\r\n\r\n") {
            read.push(stream.read_u8().await.unwrap());
        }
        String::from_utf8(read).unwrap()
    }

    #[tokio::test]
    async fn calls_go_over_one_connection_until_it_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut lane = client(&format!("http://{}", listener.local_addr().unwrap())).lane().unwrap();
        let serving = async {
            let (mut first, _) = listener.accept().await.unwrap();
            let head = request(&mut first).await;
            assert!(head.starts_with("GET /b/key?versions HTTP/1.1\r\n"), "{head}");
            assert!(head.contains("\r\nauthorization: AWS4-HMAC-SHA256 Credential=a/"), "{head}");
            first.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\none").await.unwrap();
            request(&mut first).await;
            first
                .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .await
                .unwrap();
            let (mut second, _) = listener.accept().await.unwrap();
            request(&mut second).await;
            // It goes away in the middle of the answer.
            second.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nt").await.unwrap();
        };
        let calling = async {
            let mut get = async || lane.send("s3", "GET", "/b/key?versions", &[], Bytes::new()).await;
            assert_eq!(get().await.unwrap().body, "one");
            assert_eq!(get().await.unwrap().status, 404);
            assert!(matches!(get().await, Err(ClientError::Unreachable { .. })));
        };
        tokio::join!(serving, calling);
    }

    #[test]
    fn a_lane_is_plain() {
        assert!(matches!(client("https://localhost:1").lane(), Err(ClientError::Invalid(_))));
    }
}
