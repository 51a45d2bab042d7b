//! The node as a library: configuration, stores, engines, faces, workers, listeners.
