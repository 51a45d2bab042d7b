//! Connections: accepted, made secure, spoken to in HTTP/1.1 or HTTP/2 (as TLS agreed, or by prior
//! knowledge), closed in order.
//!
//! **Failure.** A client that vanished without a word is noticed: HTTP/2 pings it, the system's
//! keep-alive probes an idle connection, and one that acknowledges nothing of what it is sent, or takes
//! nothing, is cut off after [`TAKES_NOTHING_MAX`].

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use headwater_work::Work;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::door::{Door, Peer};
use super::tls::{self, Tls};

/// How long a client may take to send a request's head.
const HEAD_MAX: Duration = Duration::from_secs(30);
/// The largest head, and the piece in which bodies are read.
const READ_BUFFER_BYTES: usize = 256 * 1024;
/// The most headers in a request.
const HEADERS_MAX: usize = 120;
/// The largest head over HTTP/2.
const H2_HEAD_BYTES_MAX: u32 = 64 * 1024;
/// The most requests at once on one HTTP/2 connection.
const H2_STREAMS_MAX: u32 = 256;
/// Flow-control windows of HTTP/2, wide enough for large bodies on fast links.
const H2_STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
const H2_CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;
/// How often an HTTP/2 connection is checked for life, and how long its answer may take.
const H2_PING_EVERY: Duration = Duration::from_secs(30);
const H2_PING_MAX: Duration = Duration::from_secs(20);
/// When an idle connection is probed, and how often then.
const IDLE_PROBED_AFTER: Duration = Duration::from_secs(60);
const IDLE_PROBED_EVERY: Duration = Duration::from_secs(10);
/// How many probes may stay without an answer.
const IDLE_PROBES_MAX: u32 = 6;
/// How long a client may leave unacknowledged, or not take, what it is sent.
const TAKES_NOTHING_MAX: Duration = Duration::from_secs(120);
/// The pause after the operating system refused to accept (out of descriptors).
const REFUSED_PAUSE: Duration = Duration::from_millis(50);
/// How long open connections may take to finish their requests when the node stops.
const CLOSE_MAX: Duration = Duration::from_secs(10);

/// Accepts connections until the node stops; with `tls`, secure ones only.
pub(crate) async fn listen(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    door: Arc<Door>,
    connections_max: usize,
) {
    let room = Arc::new(Semaphore::new(connections_max));
    let host = Arc::new(Host { builder: protocols(&door.work), tls, door });
    let work = &host.door.work;
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &room) => accepted,
            () = work.stopping() => return,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                let host = host.clone();
                drop(work.detach(async move {
                    host.connection(stream, peer).await;
                    drop(permit);
                }));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                host.door.seams.clock.sleep(REFUSED_PAUSE).await;
            }
        }
    }
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = room.clone().acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    notice_when_gone(&stream)?;
    Ok((stream, peer, permit))
}

/// Has the system break the connection some time after its client vanished.
fn notice_when_gone(stream: &TcpStream) -> std::io::Result<()> {
    let socket = SockRef::from(stream);
    let probes = TcpKeepalive::new()
        .with_time(IDLE_PROBED_AFTER)
        .with_interval(IDLE_PROBED_EVERY)
        .with_retries(IDLE_PROBES_MAX);
    socket.set_tcp_keepalive(&probes)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(TAKES_NOTHING_MAX))?;
    Ok(())
}

fn protocols(work: &Work) -> Builder<Tasks> {
    let mut builder = Builder::new(Tasks(work.clone()));
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .max_buf_size(READ_BUFFER_BYTES)
        .max_headers(HEADERS_MAX)
        .keep_alive(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(H2_HEAD_BYTES_MAX)
        .max_concurrent_streams(H2_STREAMS_MAX)
        .initial_stream_window_size(H2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(H2_CONNECTION_WINDOW_BYTES)
        .keep_alive_interval(H2_PING_EVERY)
        .keep_alive_timeout(H2_PING_MAX);
    builder
}

/// What every connection is received with.
struct Host {
    builder: Builder<Tasks>,
    tls: Option<Arc<Tls>>,
    door: Arc<Door>,
}

impl Host {
    async fn connection(&self, stream: TcpStream, addr: SocketAddr) {
        let Some(tls) = &self.tls else {
            return self.speak(stream, Peer::new(addr, None)).await;
        };
        let shaken = tokio::select! {
            shaken = tls.accept(stream) => shaken,
            () = self.door.work.stopping() => return,
        };
        match shaken {
            Ok(stream) => {
                let version = tls::version(&stream);
                self.speak(stream, Peer::new(addr, Some(version))).await;
            }
            Err(error) => {
                metrics::counter!("headwater_failed_handshakes_total").increment(1);
                tracing::debug!(peer = %addr, %error, "a TLS handshake failed");
            }
        }
    }

    async fn speak(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, from: Peer) {
        let (inner, peer) = (self.door.clone(), from.clone());
        let asked = Arc::new(AtomicBool::new(false));
        let noted = asked.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            noted.store(true, Ordering::Relaxed);
            let (door, from) = (inner.clone(), peer.clone());
            async move { Ok::<_, Infallible>(door.answer(request, from).await) }
        });
        let serving = self.builder.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(serving);
        let ended = tokio::select! {
            ended = serving.as_mut() => ended,
            () = self.silence(&asked) => Err("it asked for nothing".into()),
            () = self.door.work.stopping() => {
                serving.as_mut().graceful_shutdown();
                let closing = self.door.seams.clock.timeout(CLOSE_MAX, serving.as_mut()).await;
                closing.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            // Clients hang up, send nonsense, fall silent: their affair, told to who debugs.
            tracing::debug!(peer = %from.addr, error, "a connection ended early");
        }
    }

    /// Ends when a connection has been open for [`HEAD_MAX`] without a request: the library's own
    /// limit begins only once it knows which version of HTTP is spoken.
    async fn silence(&self, asked: &AtomicBool) {
        self.door.seams.clock.sleep(HEAD_MAX).await;
        if asked.load(Ordering::Relaxed) {
            std::future::pending().await
        }
    }
}

/// Runs the tasks of HTTP/2 connections.
#[derive(Clone)]
struct Tasks(Work);

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, task: F) {
        drop(self.0.detach(task));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn vanished_clients_are_looked_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _, _permit) = accept(&listener, &Arc::new(Semaphore::new(1))).await.unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap() && stream.nodelay().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), IDLE_PROBED_AFTER);
        #[cfg(target_os = "linux")]
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(TAKES_NOTHING_MAX));
    }
}
