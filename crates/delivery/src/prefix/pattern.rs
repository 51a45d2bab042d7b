//! Java `DateTimeFormatter` patterns, as `!{timestamp:…}` uses them.
//!
//! The letters that make sense in an object's key are supported, in the `en_US` locale Firehose
//! uses; the others are refused when the delivery is created, not when the first object is named.

use std::fmt::Write as _;

use chrono::{DateTime, Datelike, Offset, Timelike};
use chrono_tz::Tz;

use super::PrefixError;

/// A parsed pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatePattern(Vec<Item>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Literal(String),
    Field { letter: char, count: usize },
}

/// The longest run of one letter that is accepted.
const RUN_MAX: usize = 9;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

impl DatePattern {
    /// Parses a pattern such as `yyyy/MM/dd/HH` or `'day='dd`.
    pub fn parse(pattern: &str) -> Result<Self, PrefixError> {
        if pattern.is_empty() {
            return Err(PrefixError("the date pattern is empty".to_owned()));
        }
        let mut items = Vec::new();
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            if c == '\'' {
                let text = quoted(&mut chars)?;
                push_literal(&mut items, &text);
            } else if c.is_ascii_alphabetic() {
                let mut count = 1;
                while chars.next_if_eq(&c).is_some() {
                    count += 1;
                }
                check_field(c, count)?;
                items.push(Item::Field { letter: c, count });
            } else if matches!(c, '[' | ']' | '{' | '}' | '#') {
                return Err(PrefixError(format!("the character {c:?} is reserved in date patterns")));
            } else {
                push_literal(&mut items, c.encode_utf8(&mut [0; 4]));
            }
        }
        Ok(Self(items))
    }

    /// Writes `time` in this pattern.
    pub fn format(&self, time: &DateTime<Tz>, out: &mut String) {
        for item in &self.0 {
            match item {
                Item::Literal(text) => out.push_str(text),
                Item::Field { letter, count } => field(*letter, *count, time, out),
            }
        }
    }
}

/// The text up to the closing quote; `''` is a quote.
fn quoted(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, PrefixError> {
    let mut text = String::new();
    loop {
        match chars.next() {
            None => return Err(PrefixError("a quote is not closed".to_owned())),
            Some('\'') if chars.next_if_eq(&'\'').is_some() => text.push('\''),
            Some('\'') => break,
            Some(c) => text.push(c),
        }
    }
    // Two quotes with nothing between them stand for one.
    Ok(if text.is_empty() { "'".to_owned() } else { text })
}

fn push_literal(items: &mut Vec<Item>, text: &str) {
    if let Some(Item::Literal(last)) = items.last_mut() {
        last.push_str(text);
    } else {
        items.push(Item::Literal(text.to_owned()));
    }
}

fn check_field(letter: char, count: usize) -> Result<(), PrefixError> {
    let most = match letter {
        'y' | 'u' | 'S' => RUN_MAX,
        'M' | 'L' | 'E' | 'Q' | 'q' => 4,
        'D' => 3,
        'd' | 'H' | 'h' | 'K' | 'k' | 'm' | 's' => 2,
        'a' => 1,
        'X' | 'x' | 'Z' => 3,
        'V' if count == 2 => 2,
        _ => return Err(PrefixError(format!("the pattern letter {letter:?} is not supported"))),
    };
    if count > most {
        return Err(PrefixError(format!(
            "at most {most} of the pattern letter {letter:?} may follow one another"
        )));
    }
    Ok(())
}

fn field(letter: char, count: usize, time: &DateTime<Tz>, out: &mut String) {
    // Writing to a String cannot fail.
    let mut number = |n: i64| {
        let _ = write!(out, "{n:0count$}");
    };
    match letter {
        'y' | 'u' if count == 2 => number(i64::from(time.year().rem_euclid(100))),
        'y' | 'u' => number(i64::from(time.year())),
        'M' | 'L' if count <= 2 => number(i64::from(time.month())),
        'M' | 'L' => out.push_str(named(MONTHS[time.month0() as usize], count)),
        'd' => number(i64::from(time.day())),
        'D' => number(i64::from(time.ordinal())),
        'H' => number(i64::from(time.hour())),
        'k' => number(i64::from(if time.hour() == 0 { 24 } else { time.hour() })),
        'K' => number(i64::from(time.hour() % 12)),
        'h' => number(i64::from(time.hour12().1)),
        'm' => number(i64::from(time.minute())),
        's' => number(i64::from(time.second())),
        'S' => {
            let nanos = format!("{:09}", time.nanosecond() % 1_000_000_000);
            out.push_str(&nanos[..count]);
        }
        'a' => out.push_str(if time.hour() < 12 { "AM" } else { "PM" }),
        'E' => out.push_str(named(DAYS[time.weekday().num_days_from_monday() as usize], count.max(3))),
        'Q' | 'q' if count <= 2 => number(i64::from(time.month0() / 3 + 1)),
        'Q' | 'q' => {
            let _ = write!(out, "Q{}", time.month0() / 3 + 1);
        }
        'V' => out.push_str(time.timezone().name()),
        _ => offset(letter, count, time, out),
    }
}

/// `X` writes `Z` for UTC, `x` and `Z` never do; one letter gives hours, two `+0100`, three `+01:00`.
fn offset(letter: char, count: usize, time: &DateTime<Tz>, out: &mut String) {
    let minutes = time.offset().fix().local_minus_utc() / 60;
    if letter == 'X' && minutes == 0 {
        out.push('Z');
        return;
    }
    let sign = if minutes < 0 { '-' } else { '+' };
    let (hours, rest) = (minutes.abs() / 60, minutes.abs() % 60);
    let form = if letter == 'Z' { 2 } else { count };
    let _ = match form {
        1 if rest == 0 => write!(out, "{sign}{hours:02}"),
        1 | 2 => write!(out, "{sign}{hours:02}{rest:02}"),
        _ => write!(out, "{sign}{hours:02}:{rest:02}"),
    };
}

/// The first three letters up to three pattern letters, the whole name with four.
fn named(name: &str, count: usize) -> &str {
    if count < 4 { &name[..3] } else { name }
}

#[cfg(test)]
mod tests {
    use headwater_base::Timestamp;

    use super::*;

    #[track_caller]
    fn check(pattern: &str, zone: Tz, want: &str) {
        let time = Timestamp::from_ms(1_535_365_841_123).utc().with_timezone(&zone);
        let mut out = String::new();
        DatePattern::parse(pattern).unwrap().format(&time, &mut out);
        assert_eq!(out, want, "{pattern}");
    }

    #[test]
    fn patterns_write_what_java_writes() {
        check("yyyy-MM-dd'T'HH:mm:ss.SSS", Tz::UTC, "2018-08-27T10:30:41.123");
        check("yy M d H m s", Tz::UTC, "18 8 27 10 30 41");
        check("MMM MMMM E EEEE", Tz::UTC, "Aug August Mon Monday");
        check("D DDD Q QQQ", Tz::UTC, "239 239 3 Q3");
        check("h a K k", Tz::UTC, "10 AM 10 10");
        check("hh a", Tz::Asia__Tokyo, "07 PM");
        check("X XX XXX Z", Tz::UTC, "Z Z Z +0000");
        check("X xx XXX VV", Tz::Asia__Kolkata, "+0530 +0530 +05:30 Asia/Kolkata");
        check("'it''s' ''", Tz::UTC, "it's '");
        check("yyyyMMdd", Tz::UTC, "20180827");
    }

    #[test]
    fn unknown_letters_and_open_quotes_are_refused() {
        for pattern in ["", "b", "yyyyyyyyyyyy", "'open", "HHH", "[yyyy]", "MMMMM"] {
            assert!(DatePattern::parse(pattern).is_err(), "{pattern}");
        }
    }
}
