//! Lifecycle: what becomes of objects as they age.
//!
//! ```text
//! rules change ─► RULE…, WALK ─► walk over the bucket ─┐
//! puts, deletes, tags in a bucket with rules ──────────┴─► DUE (when, key)
//! what is due ─► the key as it is now, the rules as they are now ─► act ─► DUE (when next)
//! ```
//! An entry of `DUE` says when to look at a key, not what to do: it may be early, late or double, never wrong.
//! Looking goes over all versions and uploads of the key, so one entry a key and day is enough.
//!
//! **Invariants.** Who adds to a bucket expects the `VERSIONED` fact as it was when it looked at the rules;
//! every change of the rules rewrites that. So what a walk does not meet was written by one who knew the
//! rules. An act expects the rules, the history and the version that it was decided on.
//!
//! **Failure.** Acts are commits of their own: a crash between two of them leaves the entry, and the rest is
//! found when it is looked at again. A walk commits how far it has come with what it found. What cannot be
//! done now (a full disk, a damaged body) is tried again later, and does not keep others waiting.

mod act;
mod config;
mod decide;
mod due;
mod reconcile;
mod rules;
mod stage;
mod validate;
mod walk;

pub use config::Ending;
pub(crate) use config::stage_name;
pub(crate) use config::{Rulebook, RulesNow};
pub use due::Day;
pub use reconcile::Lifecycles;
pub use rules::{
    Expiration, Filter, FilterForm, Lifecycle, NoncurrentExpiration, NoncurrentTransition, RULES_MAX, Rule,
    RuleError, RuleErrorKind, TRANSITION_BYTES_MIN, Transition, TransitionMinimum, When,
};
pub(crate) use stage::stage_due;
