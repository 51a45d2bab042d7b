//! SQL and ETL plans over catalog and objects; implements the query port.
