//! Store → blobs → engines → faces: the one place that names them all.

use std::path::PathBuf;
use std::sync::Arc;

use headwater_athena::Athena;
use headwater_base::Seams;
use headwater_blob::Blobs;
use headwater_catalog::{Catalog, QueryEngine};
use headwater_delivery::Deliveries;
use headwater_events::{Events, HttpCarrier};
use headwater_firehose::Firehose;
use headwater_glue::Glue;
use headwater_identity::{Guard, Sts, Users};
use headwater_kinesis::Kinesis;
use headwater_leases::Leases;
use headwater_monitoring::Monitoring;
use headwater_objects::{Day, Keyring, ObjectOptions, Objects};
use headwater_s3::S3Face;
use headwater_store::Store;
use headwater_streams::Streams;
use headwater_wire::{Authority, Face, OperationRow};
use headwater_work::Work;

use crate::config::QueriesConfig;
use crate::policies::StreamPolicies;
use crate::queries;

/// The faces of a node, in the order they are listed.
pub type FaceList = Vec<Arc<dyn Face>>;

/// What the node is made of, from the ground up.
pub(crate) struct House {
    pub(crate) authority: Arc<dyn Authority>,
    pub(crate) engines: Engines,
    pub(crate) faces: FaceList,
}

/// What faces and engines are built on.
pub(crate) struct Ground {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) blobs: Arc<dyn Blobs>,
    /// Where bodies of the colder storage classes lie, if there is such a place.
    pub(crate) cold: Option<Arc<dyn Blobs>>,
    pub(crate) lifecycle_day: Day,
    /// What buckets may hold, and how bodies are read again.
    pub(crate) objects: ObjectOptions,
    /// What bodies of objects are sealed with.
    pub(crate) keyring: Arc<Keyring>,
    /// What queries may use.
    pub(crate) queries: QueriesConfig,
    /// Where queries spill.
    pub(crate) spill: PathBuf,
    pub(crate) users: Users,
    /// Streams whose shards are held to AWS' limits.
    pub(crate) limited_streams: Vec<String>,
    /// Where events of buckets go, and how long they wait.
    pub(crate) events: headwater_events::Options,
    pub(crate) seams: Seams,
    pub(crate) work: Work,
}

/// The engines of a node, for tools that run in the same process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Engines {
    /// Facts and logs.
    pub store: Arc<dyn Store>,
    /// Streams and their records.
    pub streams: Streams,
    /// Buckets and objects.
    pub objects: Objects,
    /// What buckets notify about, and its delivery.
    pub events: Events,
    /// Databases, tables, partitions.
    pub catalog: Catalog,
    /// Deliveries and their ledger.
    pub deliveries: Deliveries,
    /// SQL.
    pub queries: Arc<dyn QueryEngine>,
}

/// Builds engines and faces and starts their reconcilers.
///
/// # Errors
/// When the query engine's threads cannot be started.
pub(crate) fn build(ground: Ground) -> std::io::Result<House> {
    let Ground {
        store,
        blobs,
        objects,
        keyring,
        cold,
        lifecycle_day,
        queries: config,
        spill,
        users,
        limited_streams,
        events,
        seams,
        work,
    } = ground;
    let streams = Streams::new(store.clone(), seams.clone(), &work);
    let objects = Objects::unattended(store.clone(), blobs, seams.clone(), objects)
        .with_keyring(keyring)
        .with_cold(cold)
        .with_day(lifecycle_day)
        .attended(&work);
    let carrier = Arc::new(HttpCarrier::new(seams.clone()));
    let events = Events::new(objects.clone(), events, carrier, &work);
    let catalog = Catalog::new(store.clone(), seams.clone());
    let deliveries = Deliveries::new(
        store.clone(),
        seams.clone(),
        &work,
        streams.clone(),
        objects.clone(),
        catalog.clone(),
    );
    let queries =
        queries::engine(&config, &spill, store.clone(), catalog.clone(), objects.clone(), seams.clone())?;
    let athena = Athena::new(
        &headwater_athena::Options { at_once: config.at_once },
        store.clone(),
        objects.clone(),
        catalog.clone(),
        queries.clone(),
        seams.clone(),
        &work,
    );
    let glue = headwater_glue::Ground {
        store: store.clone(),
        catalog: catalog.clone(),
        objects: objects.clone(),
        queries: Some(queries.clone()),
        seams: seams.clone(),
    };
    let glue = Glue::new(glue, &work);
    let leases = Leases::new(store.clone(), seams, &work);
    let engines = Engines { queries, store, streams, objects, events, catalog, deliveries };
    let faces: FaceList = vec![
        Arc::new(Kinesis::new(engines.streams.clone()).with_limits_for(limited_streams)),
        Arc::new(Firehose::new(engines.deliveries.clone())),
        Arc::new(glue),
        Arc::new(athena),
        Arc::new(S3Face::new(engines.objects.clone(), engines.events.clone())),
        Arc::new(leases),
        Arc::new(Monitoring::new()),
        Arc::new(Sts),
    ];
    let policies = Arc::new(StreamPolicies { streams: engines.streams.clone() });
    Ok(House { authority: Arc::new(Guard::new(users, policies)), engines, faces })
}

/// Every face's signing name and operations, for the documentation.
pub fn face_operations(faces: &FaceList) -> Vec<(&'static str, Vec<OperationRow>)> {
    faces.iter().map(|face| (face.signing_name(), face.operations())).collect()
}
