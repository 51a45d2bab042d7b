//! Results as Athena leaves them in S3: CSV for queries, text for everything that tells or
//! defines, a list of files for what wrote some; and the same read back, page by page.

pub mod cells;
pub mod csv;
pub mod kinds;
pub mod metadata;
