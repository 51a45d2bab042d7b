//! Card transactions: a million plausible ones a second, each a pure function of a seed and its id.
//!
//! About 350 bytes of JSON each, from 50,000 cards at 2,000 merchants in 14 categories over seven
//! days, with a daily rhythm, log-normal amounts per category, 0.5 % fraud (by category, so that
//! there is something to find), some missing values, and one in a thousand malformed on purpose.
//!
//! **Invariants.** The same seed and id give the same bytes. Every record, malformed ones too,
//! begins with its id, so that what became of it can always be told.

mod merchants;
mod random;

use std::io::Write;

pub use merchants::{CATEGORIES, Merchants};
use random::Draws;

/// Records of this and every malformed record begin so; the id's digits follow.
const ID_FIELD: &[u8] = b"{\"transaction_id\":\"t";

/// How many digits an id has.
const ID_DIGITS: usize = 12;

const CARDS: u64 = 50_000;
const DAYS: u64 = 7;
const DAY_MS: u64 = 86_400_000;

/// The transactions begin on 2026-03-02; all seven days lie in March 2026.
const FIRST_DAY_OF_MONTH: u64 = 2;

/// The day of month that probe records carry: a partition of their own.
pub const PROBE_DAY_OF_MONTH: u64 = 1;

/// What is wrong with a record, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// It fits the table.
    Good,
    /// It ends in the middle, as after a broken upload.
    Truncated,
    /// Its amount is not a number.
    WrongType,
    /// It has no event time, so it belongs to no partition.
    Timeless,
}

/// The generator. Cheap to clone; every method may be called from any thread.
#[derive(Clone, Debug)]
pub struct Cards {
    seed: u64,
    merchants: std::sync::Arc<Merchants>,
}

impl Cards {
    /// The transactions of `seed`.
    pub fn new(seed: u64) -> Self {
        Self { seed, merchants: std::sync::Arc::new(Merchants::new(seed)) }
    }

    /// The merchants that the transactions refer to.
    pub fn merchants(&self) -> &Merchants {
        &self.merchants
    }

    /// Appends transaction `id` to `out` and the card it was made with to `key`.
    pub fn write(&self, id: u64, out: &mut Vec<u8>, key: &mut Vec<u8>) -> Shape {
        let mut draws = Draws::new(self.seed, id);
        let shape = match draws.below(3000) {
            0 => Shape::Truncated,
            1 => Shape::WrongType,
            2 => Shape::Timeless,
            _ => Shape::Good,
        };
        self.write_as(id, shape, None, &mut draws, out, key);
        shape
    }

    /// Appends a good transaction whose event time lies on [`PROBE_DAY_OF_MONTH`].
    pub fn write_probe(&self, id: u64, out: &mut Vec<u8>, key: &mut Vec<u8>) {
        let mut draws = Draws::new(self.seed, id);
        self.write_as(id, Shape::Good, Some(PROBE_DAY_OF_MONTH), &mut draws, out, key);
    }

    fn write_as(
        &self,
        id: u64,
        shape: Shape,
        day: Option<u64>,
        draws: &mut Draws,
        out: &mut Vec<u8>,
        key: &mut Vec<u8>,
    ) {
        let start = out.len();
        let card = (draws.unit().powf(1.4) * CARDS as f64) as u64;
        let merchant = self.merchants.pick(draws);
        let is_fraud = draws.unit() < merchant.fraud_rate;
        out.extend_from_slice(ID_FIELD);
        digits(out, id, ID_DIGITS);
        out.extend_from_slice(b"\",\"card_id\":\"c");
        digits(out, card, 6);
        out.extend_from_slice(b"\",\"merchant_id\":\"m");
        digits(out, merchant.number, 5);
        out.push(b'"');
        if shape != Shape::Timeless {
            write_time(out, day, draws);
        }
        write_amount(out, shape, merchant.typical_amount, is_fraud, draws);
        write_place(out, is_fraud, draws);
        write_device(out, draws);
        out.extend_from_slice(if is_fraud { b",\"is_fraud\":true}" } else { b",\"is_fraud\":false}" });
        if shape == Shape::Truncated {
            let whole = out.len() - start;
            out.truncate(start + whole * 2 / 3);
        }
        key.push(b'c');
        digits(key, card, 6);
    }
}

/// The id of the record that begins with these bytes, whatever comes after.
pub fn id_of_record(record: &[u8]) -> Option<u64> {
    id_of_name(record.strip_prefix(&ID_FIELD[..ID_FIELD.len() - 1])?.get(..=ID_DIGITS)?)
}

/// The id in a `transaction_id` such as `t000000000042`.
pub fn id_of_name(name: &[u8]) -> Option<u64> {
    let digits = name.strip_prefix(b"t")?;
    if digits.len() != ID_DIGITS {
        return None;
    }
    digits.iter().try_fold(0, |id, d| d.is_ascii_digit().then(|| id * 10 + u64::from(d - b'0')))
}

/// Fixed-width decimal.
fn digits(out: &mut Vec<u8>, mut number: u64, width: usize) {
    let end = out.len() + width;
    out.resize(end, b'0');
    for place in (end - width..end).rev() {
        out[place] = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// A moment of the week: people sleep, so two uniform draws averaged give the day its hump.
fn write_time(out: &mut Vec<u8>, day: Option<u64>, draws: &mut Draws) {
    let offset = draws.below(DAYS);
    let day_of_month = day.unwrap_or(FIRST_DAY_OF_MONTH + offset);
    let of_day = ((draws.unit() + draws.unit()) / 2.0 * DAY_MS as f64) as u64;
    let seconds = of_day / 1000;
    out.extend_from_slice(b",\"event_time\":\"2026-03-");
    digits(out, day_of_month, 2);
    out.push(b'T');
    digits(out, seconds / 3600, 2);
    out.push(b':');
    digits(out, seconds / 60 % 60, 2);
    out.push(b':');
    digits(out, seconds % 60, 2);
    out.push(b'.');
    digits(out, of_day % 1000, 3);
    out.extend_from_slice(b"Z\"");
}

/// Log-normal about what the merchant's category usually costs; fraud goes for more. One in a
/// hundred terminals forgets the amount.
fn write_amount(out: &mut Vec<u8>, shape: Shape, typical: f64, is_fraud: bool, draws: &mut Draws) {
    let factor = if is_fraud { 3.5 } else { 1.0 };
    let cents = (typical * factor * (draws.normal() * 0.8).exp() * 100.0).clamp(50.0, 5_000_000.0) as u64;
    let is_missing = draws.below(100) == 0;
    match shape {
        Shape::WrongType => out.extend_from_slice(b",\"amount\":\"see receipt\""),
        _ if is_missing => out.extend_from_slice(b",\"amount\":null"),
        _ => {
            // Writing to a Vec cannot fail.
            let _ = write!(out, ",\"amount\":{}.{:02}", cents / 100, cents % 100);
        }
    }
}

const COUNTRIES: [(&str, &str, i64, i64); 8] = [
    ("DE", "EUR", 52_520, 13_405),
    ("FR", "EUR", 48_857, 2_352),
    ("ES", "EUR", 40_417, -3_704),
    ("GB", "GBP", 51_507, -128),
    ("US", "USD", 40_713, -74_006),
    ("IT", "EUR", 41_903, 12_496),
    ("PL", "PLN", 52_230, 21_012),
    ("JP", "JPY", 35_690, 139_692),
];

fn write_place(out: &mut Vec<u8>, is_fraud: bool, draws: &mut Draws) {
    let far = if is_fraud { 1.0 } else { 2.2 };
    let at = (draws.unit().powf(far) * COUNTRIES.len() as f64) as usize;
    let (country, currency, latitude, longitude) = COUNTRIES[at.min(COUNTRIES.len() - 1)];
    let _ = write!(out, ",\"currency\":\"{currency}\"");
    if draws.below(50) != 0 {
        let _ = write!(out, ",\"country\":\"{country}\"");
    }
    if draws.below(33) != 0 {
        let (north, east) = (draws.below(400) as i64 - 200, draws.below(400) as i64 - 200);
        coordinate(out, ",\"latitude\":", latitude + north);
        coordinate(out, ",\"longitude\":", longitude + east);
    }
}

fn coordinate(out: &mut Vec<u8>, field: &str, thousandths: i64) {
    let sign = if thousandths < 0 { "-" } else { "" };
    let size = thousandths.unsigned_abs();
    let _ = write!(out, "{field}{sign}{}.{:03}", size / 1000, size % 1000);
}

fn write_device(out: &mut Vec<u8>, draws: &mut Draws) {
    const CHANNELS: [(&str, &str); 4] =
        [("pos", "chip"), ("pos", "contactless"), ("ecommerce", "manual"), ("mobile", "wallet")];
    const SYSTEMS: [&str; 3] = ["android", "ios", "terminal"];
    let (channel, entry) = CHANNELS[draws.below(4) as usize];
    let system = SYSTEMS[draws.below(3) as usize];
    let (minor, patch) = (draws.below(30), draws.below(10));
    let _ = write!(
        out,
        ",\"channel\":\"{channel}\",\"entry_mode\":\"{entry}\",\"device_os\":\"{system}\",\"app_version\":\"4.{minor}.{patch}\""
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(cards: &Cards, id: u64) -> (Vec<u8>, Shape) {
        let (mut out, mut key) = (Vec::new(), Vec::new());
        let shape = cards.write(id, &mut out, &mut key);
        assert_eq!(key.len(), 7);
        (out, shape)
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        assert_eq!(record(&Cards::new(1), 42), record(&Cards::new(1), 42));
        assert_ne!(record(&Cards::new(1), 42), record(&Cards::new(2), 42));
    }

    #[test]
    fn good_records_are_json_of_the_promised_size_and_shares() {
        let cards = Cards::new(7);
        let (mut bytes, mut fraud, mut bad, mut no_amount) = (0, 0, 0, 0);
        for id in 0..30_000 {
            let (out, shape) = record(&cards, id);
            assert_eq!(id_of_record(&out), Some(id));
            bytes += out.len();
            if shape != Shape::Good {
                bad += 1;
                continue;
            }
            let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
            let time = value["event_time"].as_str().unwrap();
            assert!(("2026-03-02".."2026-03-09").contains(&time), "{time}");
            fraud += u32::from(value["is_fraud"].as_bool().unwrap());
            no_amount += u32::from(value["amount"].is_null());
        }
        assert!((300..400).contains(&(bytes / 30_000)), "{} bytes a record", bytes / 30_000);
        assert!((100..200).contains(&fraud), "{fraud} frauds");
        assert!((15..50).contains(&bad), "{bad} malformed");
        assert!((200..400).contains(&no_amount), "{no_amount} without amount");
    }

    #[test]
    fn malformed_records_are_malformed() {
        let cards = Cards::new(7);
        let mut seen = [false; 3];
        for id in 0..60_000 {
            let (out, shape) = record(&cards, id);
            let value = serde_json::from_slice::<serde_json::Value>(&out);
            match shape {
                Shape::Good => continue,
                Shape::Truncated => assert!(value.is_err()),
                Shape::WrongType => assert!(value.unwrap()["amount"].is_string()),
                Shape::Timeless => assert!(value.unwrap().get("event_time").is_none()),
            }
            seen[shape as usize - 1] = true;
        }
        assert_eq!(seen, [true; 3]);
    }

    #[test]
    fn probes_have_a_day_of_their_own() {
        let (mut out, mut key) = (Vec::new(), Vec::new());
        Cards::new(7).write_probe(5, &mut out, &mut key);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert!(value["event_time"].as_str().unwrap().starts_with("2026-03-01T"));
    }

    #[test]
    fn ids_are_read_from_names_only() {
        assert_eq!(id_of_name(b"t000000000042"), Some(42));
        assert_eq!(id_of_name(b"t42"), None);
        assert_eq!(id_of_name(b"t00000000004x"), None);
        assert_eq!(id_of_record(b"{\"transaction_id\":\"t000"), None);
    }
}
