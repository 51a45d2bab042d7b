//! Parts for tests: signed clients, nodes on free ports, generators.
