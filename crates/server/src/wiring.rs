//! Store → blobs → engines → faces: the one place that names them all.

use std::sync::Arc;

use headwater_base::Seams;
use headwater_blob::Blobs;
use headwater_identity::{Sts, Users};
use headwater_kinesis::Kinesis;
use headwater_objects::Objects;
use headwater_s3::S3Face;
use headwater_store::Store;
use headwater_streams::Streams;
use headwater_wire::{Authority, Face, OperationRow};
use headwater_work::Work;

/// The faces of a node, in the order they are listed.
pub type FaceList = Vec<Arc<dyn Face>>;

/// What the node is made of, from the ground up.
#[derive(Clone)]
pub(crate) struct House {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) authority: Arc<dyn Authority>,
    pub(crate) faces: FaceList,
}

/// What faces and engines are built on.
pub(crate) struct Ground {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) users: Users,
    pub(crate) seams: Seams,
    pub(crate) work: Work,
}

/// Builds engines and faces and starts their reconcilers.
pub(crate) fn build(ground: Ground) -> House {
    let Ground { store, blobs, users, seams, work } = ground;
    let streams = Streams::new(Arc::clone(&store), seams.clone(), &work);
    let objects = Objects::new(Arc::clone(&store), blobs, seams, &work);
    let faces: FaceList =
        vec![Arc::new(Sts), Arc::new(Kinesis::new(streams)), Arc::new(S3Face::new(objects))];
    House { store, authority: Arc::new(users), faces }
}

/// Every face's signing name and operations, for the documentation.
pub fn face_operations(faces: &FaceList) -> Vec<(&'static str, Vec<OperationRow>)> {
    faces.iter().map(|face| (face.signing_name(), face.operations())).collect()
}
