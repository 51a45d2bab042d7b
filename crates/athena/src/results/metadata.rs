//! The `.metadata` file beside a result: its columns as protocol-buffer messages, field 4 of the
//! whole, with the members that drivers read.

use crate::records::execution::ColumnRow;

const COLUMN: u32 = 4;

/// The file's bytes.
pub fn encode(columns: &[ColumnRow]) -> Vec<u8> {
    let mut file = Vec::new();
    for column in columns {
        let mut message = Vec::new();
        bytes(1, b"hive", &mut message);
        bytes(4, column.name.as_bytes(), &mut message);
        bytes(5, column.name.as_bytes(), &mut message);
        bytes(6, column.kind.as_bytes(), &mut message);
        number(7, u64::from(column.precision), &mut message);
        number(8, u64::from(column.scale), &mut message);
        number(9, 3, &mut message);
        number(10, u64::from(column.kind == "varchar"), &mut message);
        bytes(COLUMN, &message, &mut file);
    }
    file
}

fn bytes(field: u32, value: &[u8], out: &mut Vec<u8>) {
    varint(u64::from(field << 3 | 2), out);
    varint(value.len() as u64, out);
    out.extend_from_slice(value);
}

fn number(field: u32, value: u64, out: &mut Vec<u8>) {
    varint(u64::from(field << 3), out);
    varint(value, out);
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_messages() {
        let column = ColumnRow { name: "n".into(), kind: "bigint".into(), precision: 19, scale: 0 };
        let message =
            [&b"\x0a\x04hive\x22\x01n\x2a\x01n\x32\x06bigint"[..], &[0x38, 19, 0x40, 0, 0x48, 3, 0x50, 0]]
                .concat();
        let file = [&[0x22, message.len() as u8][..], &message].concat();
        assert_eq!(encode(&[column]), file);
    }
}
