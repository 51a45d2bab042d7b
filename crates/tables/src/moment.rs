//! Dates and timestamps as people and programs write them, to Arrow's integers.

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime};

/// Days from 0001-01-01 (day 1 of chrono's common era) to 1970-01-01.
const EPOCH_DAY_OF_COMMON_ERA: i32 = 719_163;

/// Days since 1970-01-01 of `yyyy-MM-dd`, also when a time of day follows.
pub(crate) fn date_days(text: &str) -> Option<i32> {
    let text = text.trim();
    let date = parse_date(text.get(..10)?)?;
    let rest = &text[10..];
    if !rest.is_empty() {
        timestamp_micros_of_text(text)?;
    }
    Some(date.num_days_from_ce() - EPOCH_DAY_OF_COMMON_ERA)
}

/// Microseconds since 1970 of a date and time: `yyyy-MM-dd`, then optionally `T` or a space and
/// `HH:mm[:ss[.fraction]]`, then optionally `Z` or an offset. Without offset it is UTC. Digits
/// past the microsecond are cut.
pub(crate) fn timestamp_micros_of_text(text: &str) -> Option<i64> {
    let text = text.trim();
    let date = parse_date(text.get(..10)?)?;
    let rest = &text[10..];
    if rest.is_empty() {
        return Some(date.and_time(NaiveTime::MIN).and_utc().timestamp_micros());
    }
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let zone_at = rest.find(['Z', 'z', '+', '-', ' ']).unwrap_or(rest.len());
    let time = parse_time(&rest[..zone_at])?;
    let offset_seconds = parse_zone(rest[zone_at..].trim())?;
    let local = NaiveDateTime::new(date, time).and_utc().timestamp_micros();
    local.checked_sub(i64::from(offset_seconds) * 1_000_000)
}

/// Microseconds since 1970 of a number that says so in seconds, milliseconds, microseconds or
/// nanoseconds; its size tells which (a reading in seconds ends in the year 5138).
pub(crate) fn timestamp_micros_of_integer(number: i64) -> Option<i64> {
    match number.unsigned_abs() {
        0..100_000_000_000 => number.checked_mul(1_000_000),
        100_000_000_000..100_000_000_000_000 => number.checked_mul(1_000),
        100_000_000_000_000..100_000_000_000_000_000 => Some(number),
        _ => Some(number.div_euclid(1_000)),
    }
}

/// The same for a number with a fraction.
pub(crate) fn timestamp_micros_of_float(number: f64) -> Option<i64> {
    let factor = match number.abs() {
        n if n < 1e11 => 1e6,
        n if n < 1e14 => 1e3,
        n if n < 1e17 => 1.0,
        n if n < 9e18 => 1e-3,
        _ => return None,
    };
    Some((number * factor).round() as i64)
}

/// The text of microseconds since 1970, as Hive writes a timestamp.
#[cfg(test)]
pub(crate) fn timestamp_text(micros: i64) -> Option<String> {
    let moment = chrono::DateTime::from_timestamp_micros(micros)?;
    Some(moment.format("%Y-%m-%d %H:%M:%S%.f").to_string())
}

fn parse_date(text: &str) -> Option<NaiveDate> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let year = digits(&bytes[..4])?;
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, digits(&bytes[5..7])?, digits(&bytes[8..])?)
}

fn parse_time(text: &str) -> Option<NaiveTime> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':');
    let hour = digits(parts.next()?.as_bytes())?;
    let minute = digits(parts.next()?.as_bytes())?;
    let second = parts.next().map_or(Some(0), |s| digits(s.as_bytes()))?;
    if parts.next().is_some() || fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let kept = &fraction[..fraction.len().min(6)];
    let micros =
        if kept.is_empty() { 0 } else { digits(kept.as_bytes())? * 10_u32.pow(6 - kept.len() as u32) };
    NaiveTime::from_hms_micro_opt(hour, minute, second, micros)
}

/// Seconds east of UTC; nothing means UTC.
fn parse_zone(text: &str) -> Option<i32> {
    if text.is_empty() || text.eq_ignore_ascii_case("z") || text.eq_ignore_ascii_case("utc") {
        return Some(0);
    }
    let (sign, digits_text) = match text.as_bytes()[0] {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let compact: String = digits_text.chars().filter(|c| *c != ':').collect();
    let (hours, minutes) = match compact.len() {
        2 => (digits(compact.as_bytes())?, 0),
        4 => (digits(&compact.as_bytes()[..2])?, digits(&compact.as_bytes()[2..])?),
        _ => return None,
    };
    (hours <= 18 && minutes < 60).then(|| sign * i32::try_from(hours * 3600 + minutes * 60).unwrap_or(0))
}

fn digits(bytes: &[u8]) -> Option<u32> {
    if bytes.is_empty() || bytes.len() > 9 {
        return None;
    }
    bytes.iter().try_fold(0_u32, |n, b| b.is_ascii_digit().then(|| n * 10 + u32::from(b - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        timestamp_text(timestamp_micros_of_text(text)?)
    }

    #[test]
    fn timestamps_are_read_in_every_usual_form() {
        for text in [
            "2026-03-01T10:20:30Z",
            "2026-03-01 10:20:30",
            "2026-03-01T12:20:30+02:00",
            "2026-03-01T05:20:30-0500",
            "2026-03-01 10:20:30 UTC",
            "2026-03-01T10:20:30.000000Z",
        ] {
            assert_eq!(shown(text).as_deref(), Some("2026-03-01 10:20:30"), "{text}");
        }
        assert_eq!(shown("2026-03-01 10:20").as_deref(), Some("2026-03-01 10:20:00"));
        assert_eq!(shown("2026-03-01").as_deref(), Some("2026-03-01 00:00:00"));
        assert_eq!(shown("2026-03-01T10:20:30.123456789Z").as_deref(), Some("2026-03-01 10:20:30.123456"));
        for text in
            ["", "2026-3-1", "2026-13-01", "2026-03-01T25:00:00", "2026-03-01Tx", "yesterday", "2026-03-0ü"]
        {
            assert_eq!(shown(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_tell_their_unit_by_their_size() {
        let moment = 1_700_000_000_123_456;
        assert_eq!(timestamp_micros_of_integer(1_700_000_000), Some(1_700_000_000_000_000));
        assert_eq!(timestamp_micros_of_integer(1_700_000_000_123), Some(1_700_000_000_123_000));
        assert_eq!(timestamp_micros_of_integer(moment), Some(moment));
        assert_eq!(timestamp_micros_of_integer(moment * 1000 + 7), Some(moment));
        assert_eq!(timestamp_micros_of_float(1_700_000_000.5), Some(1_700_000_000_500_000));
    }

    #[test]
    fn dates_count_from_1970() {
        assert_eq!(date_days("1970-01-02"), Some(1));
        assert_eq!(date_days("1969-12-31"), Some(-1));
        assert_eq!(date_days("2026-03-01T10:00:00Z"), date_days("2026-03-01"));
        assert_eq!(date_days("2026-02-29"), None);
        assert_eq!(date_days("2026-03-01x"), None);
    }
}
