//! The in-memory backend: the same sequencer and the same semantics, nothing durable. For unit
//! tests and simulations; a process that ends forgets everything.
