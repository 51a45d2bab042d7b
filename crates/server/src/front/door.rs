//! One request, from its head to its answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use headwater_base::Seams;
use headwater_delivery::Deliveries;
use headwater_events::Events;
use headwater_objects::Objects;
use headwater_store::Store;
use headwater_streams::Streams;
use headwater_wire::answer::{self, REQUEST_ID};
use headwater_wire::sigv4::Dialect;
use headwater_wire::{Answer, Codec, Face, Fault, Outcome};
use headwater_work::{Panicked, Work};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};
use tokio::sync::Semaphore;

use super::admit::{Admission, Arrival};
use super::internal;
use super::meters::Meters;
use super::route::{self, Route, Routes};
use crate::backup::Backups;
use crate::config::Config;
use crate::wiring::House;

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
const S3_REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
const HOST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");
/// The JSON service whose answers carry S3's second id, too.
const EXTENDED_ID_OF: &str = "kinesis";
/// How long a request waits until fewer than the most allowed are under way.
const TURN_WAIT_MAX: Duration = Duration::from_secs(30);

/// Answers every request of the node.
pub(crate) struct Door {
    routes: Routes,
    admission: Admission,
    turns: Arc<Semaphore>,
    meters: Meters,
    pub(super) store: Arc<dyn Store>,
    pub(super) streams: Streams,
    pub(super) deliveries: Deliveries,
    pub(super) objects: Objects,
    pub(super) events: Events,
    pub(super) backups: Option<Backups>,
    pub(super) seams: Seams,
    pub(super) work: Work,
    pub(super) dev: bool,
    pub(super) metrics_public: bool,
}

/// Who sits at the other end of a connection.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) addr: SocketAddr,
    /// Its address without the port, as requests tell it.
    ip: Arc<str>,
    /// The version of TLS that is spoken with it, if any.
    pub(super) tls: Option<&'static str>,
}

impl Peer {
    pub(super) fn new(addr: SocketAddr, tls: Option<&'static str>) -> Self {
        Self { addr, ip: addr.ip().to_string().into(), tls }
    }
}

/// What the log and the metrics say of a request.
struct Line {
    method: Method,
    uri: Uri,
    started: Duration,
    arrival: Arrival,
    spelling: Spelling,
}

/// How the request is spelled, and so any fault of the front door itself.
#[derive(Clone, Copy)]
struct Spelling {
    codec: Codec,
    /// It names its operation in `X-Amz-Target`, also of a service that speaks Query, too.
    targeted: bool,
    /// It is one of RPC v2.
    rpc: bool,
}

impl Door {
    /// The door of a house.
    pub(crate) fn new(
        config: &Config,
        house: House,
        backups: Option<Backups>,
        seams: Seams,
        work: Work,
    ) -> Self {
        let memory = usize::try_from(config.body_memory().bytes()).unwrap_or(usize::MAX);
        Self {
            routes: Routes::new(&house.faces),
            admission: Admission::new(house.authority, seams.clone(), memory),
            turns: Arc::new(Semaphore::new(config.requests_max)),
            meters: Meters::default(),
            store: house.engines.store,
            streams: house.engines.streams,
            deliveries: house.engines.deliveries,
            objects: house.engines.objects,
            events: house.engines.events,
            backups,
            seams,
            work,
            dev: config.dev,
            metrics_public: config.metrics_public,
        }
    }

    /// Answers one request. Never fails: faults are answers.
    pub(super) async fn answer(self: &Arc<Self>, request: Request<Incoming>, from: Peer) -> Answer {
        if request.uri().path().starts_with(internal::PREFIX) {
            return internal::answer(self, &request, from.addr).await;
        }
        let arrival = Arrival {
            request_id: self.seams.chance.uuid().to_string().into(),
            time: self.seams.clock.now(),
            source_ip: from.ip.clone(),
            tls: from.tls,
        };
        let line = Line {
            method: request.method().clone(),
            uri: request.uri().clone(),
            started: self.seams.clock.monotonic(),
            arrival: arrival.clone(),
            spelling: Spelling::of(request.headers()),
        };
        let is_last = is_promised_in_vain(&request);
        let (head, body) = request.into_parts();
        let (service, dialect, response) = match self.routes.find(&head) {
            Route::Face(face) => {
                let dialect = route::dialect(face.as_ref());
                let name = face.signing_name();
                let result = self.serve(face, Request::from_parts(head, body), arrival).await;
                (name, dialect, result.unwrap_or_else(|fault| spelled(&fault, dialect, &line)))
            }
            Route::Nowhere(fault, dialect) => {
                self.admission.drain(&head, body).await;
                ("none", dialect, spelled(&fault, dialect, &line))
            }
        };
        let mut answer = self.finish(service, dialect, &line, response);
        if is_last {
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }

    async fn serve(
        &self,
        face: Arc<dyn Face>,
        request: Request<Incoming>,
        arrival: Arrival,
    ) -> Result<Answer, Fault> {
        let turn = match self.turns.clone().try_acquire_owned() {
            Ok(turn) => Some(Ok(turn)),
            Err(_) => self.seams.clock.timeout(TURN_WAIT_MAX, self.turns.clone().acquire_owned()).await,
        };
        let Some(Ok(turn)) = turn else {
            return Err(
                Fault::server("ServiceUnavailable", "too many requests at once; slow down").with_status(503)
            );
        };
        let admitted = self.admission.admit(face.as_ref(), request, arrival).await?;
        let is_long = admitted.is_long();
        let handling = async move {
            let response = face.handle(admitted.request).await;
            drop((admitted.memory, turn));
            response
        };
        // From here on it runs to its end, whoever still listens: beside its connection where there is much to
        // receive and to digest at once.
        let handled = if is_long {
            self.work.detach(handling).await.map_err(|_| Panicked)
        } else {
            self.work.see_through(handling).await
        };
        handled.map_err(|Panicked| {
            tracing::error!("a handler panicked");
            Fault::server("InternalFailure", "the request failed inside the node; see its log")
        })
    }

    /// Names the request in the answer, logs it and counts it.
    fn finish(&self, service: &'static str, dialect: Dialect, line: &Line, mut response: Answer) -> Answer {
        let id = HeaderValue::from_str(&line.arrival.request_id);
        let id = id.unwrap_or_else(|_| HeaderValue::from_static("-"));
        let headers = response.headers_mut();
        if dialect == Dialect::S3 {
            headers.entry(S3_REQUEST_ID).or_insert_with(|| id.clone());
            headers.entry(HOST_ID).or_insert(id);
        } else {
            headers.entry(REQUEST_ID).or_insert_with(|| id.clone());
            if service == EXTENDED_ID_OF {
                headers.entry(HOST_ID).or_insert(id);
            }
        }
        let outcome = response.extensions_mut().remove::<Outcome>();
        let (operation, fault) = outcome.map_or(("-", None), |outcome| (outcome.operation, outcome.fault));
        let status = response.status().as_u16();
        let took = self.seams.clock.monotonic().saturating_sub(line.started);
        self.log(line, service, operation, status, fault.as_deref().unwrap_or("-"), took);
        let class = match status {
            0..400 => "ok",
            400..500 => "client_fault",
            _ => "server_fault",
        };
        self.meters.count(service, operation, class, took);
        if line.method == Method::HEAD { without_body(response) } else { response }
    }

    /// The access log: faults at the level `info`, what went well at `debug`.
    fn log(&self, line: &Line, service: &str, operation: &str, status: u16, fault: &str, took: Duration) {
        macro_rules! event {
            ($level:ident) => {
                tracing::$level!(
                    target: "headwater::access",
                    id = &*line.arrival.request_id,
                    from = &*line.arrival.source_ip,
                    service,
                    operation,
                    method = line.method.as_str(),
                    // Without the query: it may hold a signature.
                    path = line.uri.path(),
                    status,
                    fault,
                    ms = took.as_secs_f64() * 1000.0,
                )
            };
        }
        if status < 400 { event!(debug) } else { event!(info) }
    }
}

impl Spelling {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            codec: Codec::of_content_type(text("content-type")),
            targeted: headers.contains_key("x-amz-target"),
            rpc: text(answer::RPC.0) == Some(answer::RPC.1),
        }
    }
}

/// Whether a client of HTTP/1.1 waits for `100 Continue` before it sends a body that has no bytes: the library
/// answers such a request at once, with the final status alone. The AWS CLI 1 takes the next answer on that
/// connection for this one's then, so there must be none.
fn is_promised_in_vain(request: &Request<Incoming>) -> bool {
    request.version() == Version::HTTP_11
        && request.headers().contains_key(header::EXPECT)
        && request.body().is_end_stream()
}

/// HEAD is answered by the head alone. HTTP/1.1 sees to that itself; over HTTP/2 a body would go out.
fn without_body(answer: Answer) -> Answer {
    answer.map(|_| Empty::new().map_err(|never| match never {}).boxed_unsync())
}

/// A fault of the front door itself, in the words of the service that was meant.
fn spelled(fault: &Fault, dialect: Dialect, line: &Line) -> Answer {
    let id = &line.arrival.request_id;
    let Spelling { codec, targeted, rpc } = line.spelling;
    let mut response = match dialect {
        Dialect::S3 => answer::s3_fault(fault, line.uri.path(), id),
        Dialect::Json | Dialect::Query if rpc => answer::rpc_fault(fault),
        Dialect::Query if !targeted => answer::query_fault(fault, NAMESPACE, id),
        Dialect::Json | Dialect::Query => answer::coded(codec, fault),
    };
    response.extensions_mut().insert(Outcome { operation: "-", fault: Some(fault.code.clone()) });
    response
}
