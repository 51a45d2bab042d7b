//! The result file of a query: every cell quoted, null empty and without quotes, lines ended by a
//! line feed; and its reader.

use arrow::array::RecordBatch;
use arrow::error::ArrowError;

use super::cells;

/// A row as read back: a cell without value was null.
pub type Cells = Vec<Option<String>>;

/// The header line.
pub fn header<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut line = String::new();
    for (at, name) in names.enumerate() {
        if at > 0 {
            line.push(',');
        }
        quoted(name, &mut line);
    }
    line.push('\n');
    line
}

/// The lines of a batch.
pub fn lines(batch: &RecordBatch) -> Result<String, ArrowError> {
    let mut text = String::with_capacity(batch.num_rows() * batch.num_columns() * 12);
    let mut cell = String::new();
    for row in 0..batch.num_rows() {
        for (at, column) in batch.columns().iter().enumerate() {
            if at > 0 {
                text.push(',');
            }
            cell.clear();
            if cells::write(column.as_ref(), row, &mut cell)? {
                quoted(&cell, &mut text);
            }
        }
        text.push('\n');
    }
    Ok(text)
}

fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for (at, piece) in text.split('"').enumerate() {
        if at > 0 {
            out.push_str("\"\"");
        }
        out.push_str(piece);
    }
    out.push('"');
}

/// Reads one line off the front of `bytes`: its cells and its length. `None` when the line is not
/// whole and `last` is false (more bytes may follow).
pub fn read_line(bytes: &[u8], last: bool) -> Option<(Cells, usize)> {
    let mut row = Vec::new();
    let mut cell = Vec::new();
    let (mut quoted, mut value) = (false, false);
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        at += 1;
        match byte {
            b'"' if quoted && bytes.get(at) == Some(&b'"') => {
                cell.push(b'"');
                at += 1;
            }
            // The quote may be doubled by a byte that is still to come.
            b'"' if quoted && at == bytes.len() && !last => return None,
            b'"' => {
                quoted = !quoted;
                value = true;
            }
            b',' | b'\n' if !quoted => {
                let text = String::from_utf8_lossy(&std::mem::take(&mut cell)).into_owned();
                row.push(value.then_some(text));
                value = false;
                if byte == b'\n' {
                    return Some((row, at));
                }
            }
            other => cell.push(other),
        }
    }
    if !last || bytes.is_empty() {
        return None;
    }
    row.push(value.then(|| String::from_utf8_lossy(&cell).into_owned()));
    Some((row, at))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn null_and_empty_differ() {
        let column: ArrayRef = Arc::new(StringArray::from(vec![Some("a\"b"), Some(""), None]));
        let batch = RecordBatch::try_from_iter([("x", Arc::clone(&column)), ("y", column)]).unwrap();
        assert_eq!(header(["x", "y"].into_iter()), "\"x\",\"y\"\n");
        assert_eq!(lines(&batch).unwrap(), "\"a\"\"b\",\"a\"\"b\"\n\"\",\"\"\n,\n");
    }

    proptest! {
        #[test]
        fn lines_read_back_wherever_they_are_cut(cells: Vec<(Option<String>, Option<String>)>, cut in 0_usize..64) {
            let (x, y): (Vec<_>, Vec<_>) = cells.iter().cloned().unzip();
            let columns: [(&str, ArrayRef); 2] =
                [("x", Arc::new(StringArray::from(x))), ("y", Arc::new(StringArray::from(y)))];
            let text = lines(&RecordBatch::try_from_iter(columns).unwrap()).unwrap();
            let mut rest = text.as_bytes();
            for (x, y) in cells {
                let part = &rest[..cut.min(rest.len())];
                if let Some((row, _)) = read_line(part, false) {
                    prop_assert_eq!(row, vec![x.clone(), y.clone()]);
                }
                let (row, length) = read_line(rest, true).unwrap();
                prop_assert_eq!(row, vec![x, y]);
                rest = &rest[length..];
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = (read_line(&bytes, true), read_line(&bytes, false));
        }
    }
}
