//! The one spelling of time in signatures: `20260102T030405Z`.

use headwater_base::Timestamp;

/// Parses it; `None` for anything else.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    if bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    let number = |from: usize, len: usize| {
        bytes[from..from + len]
            .iter()
            .try_fold(0i64, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
    };
    let (year, month, day) = (number(0, 4)?, number(4, 2)?, number(6, 2)?);
    let (hour, minute, second) = (number(9, 2)?, number(11, 2)?, number(13, 2)?);
    let legal =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 61;
    legal.then(|| {
        Timestamp::from_ms((((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000)
    })
}

/// Writes it.
pub(crate) fn format(time: Timestamp) -> String {
    time.utc().format("%Y%m%dT%H%M%SZ").to_string()
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years are counted from March, so that
/// the leap day is the last of its year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let leaps = year / 4 - year / 100 + year / 400;
    year * 365 + leaps + (month * 306 + 5) / 10 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn times_survive_a_round_trip(seconds in 0i64..253_402_300_800) {
            let time = Timestamp::from_ms(seconds * 1000);
            prop_assert_eq!(parse(&format(time)), Some(time));
        }

        #[test]
        fn foreign_text_never_panics(text: String) {
            let _ = parse(&text);
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in ["", "20260102", "2026-01-02T03:04:05Z", "20261302T030405Z", "20260102T250405Z"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
