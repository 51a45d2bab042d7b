//! Change events of buckets: what a bucket notifies about, and the delivery of it.
//!
//! ```text
//! commit of the change ─► outbox ─► Router: rules of the bucket ─► a queue per destination ─► Lane ─► HTTP
//!   (crates/objects)                 in commit order, in one commit    in commit order        2xx takes it
//! ```
//! The outbox is the objects engine's: an event is a fact of the change's own commit. The [`Router`]
//! moves events to the queues of their destinations; a [`Lane`] per destination posts them.
//!
//! **Invariants.** An event leaves the outbox in the commit that queues it, and a queue in the
//! commit that follows its delivery or that makes it a dead letter; so each is delivered at least
//! once or kept as a dead letter. Events of one key reach a destination in the order of their
//! commits. A destination that is slow or down harms only its own queue, and never a put.
//!
//! **Failure.** A crash between a delivery and its commit repeats the delivery, with the same bytes
//! and the same id. A target that is down is tried again with backoff; what is older than
//! [`Options::keep`], and the oldest of a queue longer than [`Options::queue_bytes_max`], becomes a
//! dead letter. Dead letters beyond [`DEAD_LETTERS_MAX`] make room, counted and logged.

mod engine;
mod error;
mod kind;
mod lane;
mod message;
mod notification;
mod queue;
mod records;
mod route;
mod target;

pub use engine::{Events, Options};
pub use error::EventError;
pub use kind::{EventName, NAMES};
pub use lane::Lane;
pub use notification::{DestinationKind, Notification, NotificationError, RULES_MAX, Rule};
pub use queue::{DEAD_LETTERS_MAX, DeadLetter, DestinationStatus};
pub use route::Router;
pub use target::{Carrier, HttpCarrier, Message, Target, Undelivered};
