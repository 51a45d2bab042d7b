//! A result read back, page by page.

use headwater_objects::{ObjectKey, ObjectReader};
use headwater_wire::Fault;

use super::state::State;
use super::{Execution, Executions};
use crate::fault;
use crate::records::execution::ColumnRow;
use crate::results::csv::{self, Cells};

/// Bytes read at a time.
const READ_BYTES: u64 = 1 << 20;
/// The longest line read back.
const LINE_BYTES_MAX: usize = 64 << 20;

/// Some rows of a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The columns.
    pub columns: Vec<ColumnRow>,
    /// The rows; a query's first page begins with the columns' names.
    pub rows: Vec<Cells>,
    /// Where the next page begins.
    pub next: Option<u64>,
    /// Rows written by the statement.
    pub updated: u64,
}

impl Executions {
    /// The rows from byte `from` of the result on, at most `limit`.
    pub async fn page(&self, execution: &Execution, from: u64, limit: usize) -> Result<Page, Fault> {
        match execution.state() {
            State::Succeeded => {}
            state @ (State::Queued | State::Running) => {
                return Err(fault::invalid(format!(
                    "Query has not yet finished. Current state: {}",
                    state.name()
                )));
            }
            state @ (State::Failed | State::Cancelled) => {
                let text = format!("Query did not finish successfully. Final query state: {}", state.name());
                return Err(fault::invalid(text));
            }
        }
        let columns = self.columns(execution).await.map_err(|error| fault::store(&error))?;
        if execution.row.manifest.is_some() {
            return Ok(Page {
                columns: Vec::new(),
                rows: Vec::new(),
                next: None,
                updated: execution.row.rows,
            });
        }
        let url = execution.row.output.as_deref().unwrap_or_default();
        let reader = self.result(execution, url).await?;
        let (rows, next) = read(&reader, url, from, limit, url.ends_with(".csv")).await?;
        Ok(Page { columns, rows, next, updated: 0 })
    }

    async fn result(&self, execution: &Execution, url: &str) -> Result<ObjectReader, Fault> {
        let (bucket, prefix) = self.place(&execution.key.scope, url).await?;
        let key = ObjectKey::new(prefix.trim_end_matches('/'))
            .map_err(|_| fault::invalid(format!("Could not find results at {url}")))?;
        self.objects.open(&bucket, &key).await.map_err(|error| fault::object(&error, url))
    }
}

async fn read(
    reader: &ObjectReader,
    url: &str,
    from: u64,
    limit: usize,
    is_csv: bool,
) -> Result<(Vec<Cells>, Option<u64>), Fault> {
    let size = reader.info.size;
    let mut rows = Vec::new();
    let mut buffer: Vec<u8> = Vec::new();
    let (mut at, mut fetched) = (from.min(size), from.min(size));
    while rows.len() < limit && at < size {
        let used = usize::try_from(at + buffer.len() as u64 - fetched).unwrap_or(0);
        let line = read_row(&buffer[used..], fetched == size, is_csv);
        match line {
            Some((row, length)) => {
                rows.push(row);
                at += length as u64;
            }
            None if fetched == size || buffer.len() - used > LINE_BYTES_MAX => {
                return Err(fault::invalid(format!("the result at {url} can't be read: it was changed")));
            }
            None => {
                buffer.drain(..used);
                let end = (fetched + READ_BYTES).min(size);
                let more = reader.read(fetched..end).await.map_err(|error| fault::object(&error, url))?;
                buffer.extend_from_slice(&more);
                fetched = end;
            }
        }
    }
    Ok((rows, (at < size).then_some(at)))
}

fn read_row(bytes: &[u8], last: bool, is_csv: bool) -> Option<(Cells, usize)> {
    if is_csv {
        return csv::read_line(bytes, last);
    }
    let (line, length) = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&bytes[..end], end + 1),
        None if last && !bytes.is_empty() => (bytes, bytes.len()),
        None => return None,
    };
    Some((vec![Some(String::from_utf8_lossy(line).into_owned())], length))
}
