//! The node's own pages: `/_headwater/health`, `metrics`, `status`, `streams`, `events`, `audit`, `backup`, and the reset of a development
//! node.
//!
//! Health is for everyone. The others are for this machine (metrics also for everyone if the
//! configuration says so), and never for a page in a browser: a request with an `Origin` is refused.

use std::net::SocketAddr;
use std::sync::Arc;

use headwater_delivery::DeliveryError;
use headwater_store::Key;
use headwater_wire::{Answer, answer};
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{Door, books, storage};
use crate::backup::BackupError;
use crate::telemetry;

/// Where the node's own pages are. No bucket can have this name.
pub(super) const PREFIX: &str = "/_headwater/";
/// The first byte of the kinds of keys that a reset keeps: identity.
const KEPT: &[u8] = &[0x05];

/// Answers a request for one of the node's own pages.
pub(super) async fn answer(door: &Arc<Door>, request: &Request<Incoming>, peer: SocketAddr) -> Answer {
    let page = request.uri().path().strip_prefix(PREFIX).unwrap_or_default();
    let near = peer.ip().is_loopback() && !request.headers().contains_key(http::header::ORIGIN);
    match (request.method(), page) {
        (&Method::GET | &Method::HEAD, "health") => health(door),
        (&Method::GET, "metrics") if near || door.metrics_public => metrics(door),
        (&Method::GET, "status") if near => status(door).await,
        (&Method::GET, "streams") if near => streams(door).await,
        (&Method::GET, "events") if near => events(door).await,
        (&Method::GET, "audit") if near => audit(door).await,
        (&Method::POST, "backup") if near => backup(door).await,
        (&Method::POST, "dev/reset") if door.dev && near => reset(door).await,
        (_, "metrics" | "status" | "streams" | "events" | "audit") if !near => {
            error(StatusCode::FORBIDDEN, "ask from this machine")
        }
        _ => error(StatusCode::NOT_FOUND, "there is no such page"),
    }
}

fn health(door: &Door) -> Answer {
    if door.work.is_stopping() {
        return json_page(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "stopping" }));
    }
    json_page(StatusCode::OK, &json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

fn metrics(door: &Door) -> Answer {
    let store = door.store.status();
    metrics::gauge!("headwater_store_published_lsn").set(store.published.0 as f64);
    metrics::gauge!("headwater_store_unsettled_bytes").set(store.unsettled_bytes as f64);
    metrics::gauge!("headwater_store_queued_bytes").set(store.queued_bytes as f64);
    metrics::gauge!("headwater_store_segments").set(store.segments as f64);
    metrics::gauge!("headwater_store_segment_bytes").set(store.segment_bytes as f64);
    metrics::gauge!("headwater_store_logs").set(store.logs as f64);
    metrics::gauge!("headwater_store_full").set(f64::from(u8::from(store.full)));
    metrics::gauge!("headwater_tasks_live").set(door.work.live() as f64);
    let text = telemetry::recorder().map(metrics_exporter_prometheus::PrometheusHandle::render);
    match text {
        Some(text) => answer::whole(StatusCode::OK, "text/plain; version=0.0.4", text),
        None => error(StatusCode::NOT_FOUND, "this process records metrics elsewhere"),
    }
}

async fn status(door: &Door) -> Answer {
    let deliveries = match books::ledgers(&door.deliveries).await {
        Ok(deliveries) => deliveries,
        Err(failure) => return unread(&failure),
    };
    match storage::buckets(&door.objects).await {
        Ok(buckets) => json_page(StatusCode::OK, &state(door, &deliveries, &buckets)),
        Err(failure) => {
            tracing::error!(error = %failure, "the buckets could not be read");
            error(StatusCode::INTERNAL_SERVER_ERROR, "the buckets could not be read; see the node's log")
        }
    }
}

async fn streams(door: &Door) -> Answer {
    match books::streams(&door.streams, &door.deliveries).await {
        Ok(streams) => {
            let now = door.seams.clock.now();
            json_page(StatusCode::OK, &json!({ "time_ms": now.ms(), "streams": streams }))
        }
        Err(failure) => {
            tracing::error!(error = %failure, "the streams could not be read");
            error(StatusCode::INTERNAL_SERVER_ERROR, "the streams could not be read; see the node's log")
        }
    }
}

/// The destinations of buckets' events: how their queues stand, and what was given up.
async fn events(door: &Door) -> Answer {
    match books::destinations(&door.events).await {
        Ok(destinations) => {
            let time = door.seams.clock.now().iso();
            json_page(StatusCode::OK, &json!({ "time": time, "destinations": destinations }))
        }
        Err(failure) => {
            tracing::error!(error = %failure, "the events' queues could not be read");
            let text = "the events' queues could not be read; see the node's log";
            error(StatusCode::INTERNAL_SERVER_ERROR, text)
        }
    }
}

/// Recounts the ledger from the files: reads every delivered byte.
async fn audit(door: &Door) -> Answer {
    match door.deliveries.audit(None).await {
        Ok(report) => json_page(StatusCode::OK, &books::audit(&report)),
        Err(failure) => unread(&failure),
    }
}

/// Makes the copy that a file in the data directory asks for; see [`crate::backup`].
async fn backup(door: &Door) -> Answer {
    let Some(backups) = &door.backups else {
        return error(StatusCode::NOT_FOUND, "this node keeps nothing on disk");
    };
    match backups.run().await {
        Ok(copied) => json_page(
            StatusCode::OK,
            &json!({
                "to": copied.to.display().to_string(),
                "commit": copied.store.lsn.0,
                "facts": copied.store.facts,
                "batches": copied.store.batches,
                "store_bytes": copied.store.bytes,
                "blobs": copied.blobs,
                "blob_bytes": copied.blob_bytes,
            }),
        ),
        Err(BackupError::NotAsked) => error(StatusCode::FORBIDDEN, &BackupError::NotAsked.to_string()),
        Err(failure) => {
            let failure = anyhow::Error::from(failure);
            tracing::error!(error = %format!("{failure:#}"), "the backup failed");
            error(StatusCode::CONFLICT, &format!("{failure:#}"))
        }
    }
}

fn unread(failure: &DeliveryError) -> Answer {
    tracing::error!(error = %failure, "the ledger could not be read");
    error(StatusCode::INTERNAL_SERVER_ERROR, "the ledger could not be read; see the node's log")
}

fn state(door: &Door, deliveries: &[Value], buckets: &[Value]) -> Value {
    let store = door.store.status();
    let tasks = door.work.status().into_iter().map(|task| {
        json!({
            "name": task.name,
            "runs": task.runs,
            "failures": task.failures,
            "last_run": task.last_run.map(|time| time.iso()),
            "last_error": task.last_error,
            "next_run": task.next_run.map(|time| time.iso()),
        })
    });
    let tasks: Vec<Value> = tasks.collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "time": door.seams.clock.now().iso(),
        "dev": door.dev,
        "store": {
            "published": store.published.0,
            "generation": store.generation,
            "unsettled_bytes": store.unsettled_bytes,
            "queued_bytes": store.queued_bytes,
            "segments": store.segments,
            "segment_bytes": store.segment_bytes,
            "logs": store.logs,
            "full": store.full,
        },
        "buckets": buckets,
        "scrub": storage::scrub(&door.objects),
        "deliveries": deliveries,
        "tasks": tasks,
    })
}

/// Forgets everything but who there is. Engines notice by the store's generation; bodies that no
/// fact names any more are swept.
async fn reset(door: &Door) -> Answer {
    let keep = [Key::from_bytes(bytes::Bytes::from_static(KEPT))];
    let started = door.seams.clock.monotonic();
    match door.store.wipe(&keep).await {
        Ok(()) => {
            let took = door.seams.clock.monotonic().saturating_sub(started);
            tracing::info!(ms = took.as_millis() as u64, "reset");
            json_page(StatusCode::OK, &json!({ "generation": door.store.status().generation }))
        }
        Err(failure) => {
            tracing::error!(error = %failure, "the reset failed");
            error(StatusCode::INTERNAL_SERVER_ERROR, "the reset failed; see the node's log")
        }
    }
}

fn error(status: StatusCode, message: &str) -> Answer {
    json_page(status, &json!({ "error": message }))
}

fn json_page(status: StatusCode, value: &Value) -> Answer {
    answer::whole(status, "application/json", value.to_string())
}
