//! Users, credentials and the guard.
