//! The keys of every fact of the engine. Kinds are never reused.

use headwater_store::{Key, Kind, Lsn};

/// By a bucket's incarnation: what it notifies about.
const RULES: Kind = Kind(0x0b00);
/// By destination, commit and nonce: an event that waits for its destination.
const QUEUED: Kind = Kind(0x0b10);
/// By destination, commit and nonce: an event that was given up.
const DEAD: Kind = Kind(0x0b11);
/// By destination and figure: counters.
const FIGURE: Kind = Kind(0x0b12);

/// What is counted for each destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Figure {
    /// Events that wait.
    Waiting = 0,
    /// Their bytes.
    WaitingBytes = 1,
    /// Dead letters kept.
    Dead = 2,
    /// Events delivered, ever.
    Delivered = 3,
    /// Events given up, ever.
    DeadLettered = 4,
    /// Dead letters that made room for newer ones, ever.
    Dropped = 5,
}

pub(crate) fn rules(incarnation: u64) -> Key {
    Key::of(RULES).u64(incarnation).build()
}

pub(crate) fn all_rules() -> Key {
    Key::of(RULES).build()
}

pub(crate) fn incarnation_of(key: &Key) -> Option<u64> {
    let mut reader = key.reader();
    reader.kind()?;
    reader.u64()
}

pub(crate) fn queued(destination: &str, lsn: Lsn, nonce: u64) -> Key {
    Key::of(QUEUED).str(destination).u64(lsn.0).u64(nonce).build()
}

pub(crate) fn queue(destination: &str) -> Key {
    Key::of(QUEUED).str(destination).build()
}

pub(crate) fn dead(destination: &str, lsn: Lsn, nonce: u64) -> Key {
    Key::of(DEAD).str(destination).u64(lsn.0).u64(nonce).build()
}

pub(crate) fn dead_letters(destination: &str) -> Key {
    Key::of(DEAD).str(destination).build()
}

pub(crate) fn figure(destination: &str, figure: Figure) -> Key {
    Key::of(FIGURE).str(destination).u32(figure as u32).build()
}

pub(crate) fn all_figures() -> Key {
    Key::of(FIGURE).build()
}

/// The destination, commit and nonce of a `QUEUED` or `DEAD` fact.
pub(crate) fn event_of(key: &Key) -> Option<(String, Lsn, u64)> {
    let mut reader = key.reader();
    reader.kind()?;
    Some((reader.str()?, Lsn(reader.u64()?), reader.u64()?))
}

/// The destination of a `FIGURE` fact.
pub(crate) fn destination_of(key: &Key) -> Option<String> {
    let mut reader = key.reader();
    reader.kind()?;
    reader.str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_keys() {
        let hex = |key: Key| hex::encode(key.as_bytes());
        assert_eq!(hex(rules(5)), "0b000000000000000005");
        assert_eq!(hex(queued("a", Lsn(1), 2)), "0b1061000000000000000000010000000000000002");
        assert_eq!(hex(dead("a", Lsn(1), 2)), "0b1161000000000000000000010000000000000002");
        assert_eq!(hex(figure("a", Figure::Dropped)), "0b1261000000000005");
    }

    #[test]
    fn keys_read_back() {
        assert_eq!(event_of(&queued("a", Lsn(1), 2)), Some(("a".to_owned(), Lsn(1), 2)));
        assert_eq!(event_of(&dead("a", Lsn(1), 2)), Some(("a".to_owned(), Lsn(1), 2)));
        assert_eq!(destination_of(&figure("b", Figure::Dead)), Some("b".to_owned()));
        assert_eq!(incarnation_of(&rules(9)), Some(9));
    }
}
