//! The Glue face: databases, tables, partitions, crawlers, jobs, triggers.
