//! Date and time patterns: MySQL's (`%Y-%m-%d`) and Joda's (`yyyy-MM-dd`), both compiled to the
//! same few items, which write and read moments.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};

/// One item of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Literal(char),
    /// A number of at least so many digits.
    Number(Field, usize),
    MonthName {
        short: bool,
    },
    DayName {
        short: bool,
    },
    Half,
    Fraction(usize),
    Zone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Year,
    ShortYear,
    Month,
    Day,
    DayOfYear,
    Hour,
    Hour12,
    Minute,
    Second,
    Week,
    DayOfWeek,
}

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Item>);

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

impl Pattern {
    /// Compiles a MySQL pattern (`date_format`, `date_parse`).
    pub fn mysql(text: &str) -> Result<Self, String> {
        let mut items = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                items.push(Item::Literal(c));
                continue;
            }
            let code = chars.next().ok_or("the pattern ends with %")?;
            match code {
                'T' => items.extend(Self::mysql("%H:%i:%s")?.0),
                'r' => items.extend(Self::mysql("%h:%i:%s %p")?.0),
                'D' | 'U' | 'u' | 'V' | 'w' | 'X' => {
                    return Err(format!("%{code} not supported in date format string"));
                }
                _ => items.push(mysql_item(code)),
            }
        }
        Ok(Self(items))
    }

    /// Compiles a Joda pattern (`format_datetime`, `parse_datetime`).
    pub fn joda(text: &str) -> Result<Self, String> {
        let mut items = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            if c == '\'' {
                joda_quoted(&mut chars, &mut items)?;
                continue;
            }
            if !c.is_ascii_alphabetic() {
                items.push(Item::Literal(c));
                continue;
            }
            let mut count = 1;
            while chars.peek() == Some(&c) {
                chars.next();
                count += 1;
            }
            items.push(joda_item(c, count)?);
        }
        Ok(Self(items))
    }

    /// The moment (UTC, in microseconds) written by the pattern.
    pub fn format(&self, micros: i64) -> Result<String, String> {
        let at = DateTime::from_timestamp_micros(micros).ok_or("a timestamp is out of range")?.naive_utc();
        let mut text = String::new();
        for item in &self.0 {
            match *item {
                Item::Literal(c) => text.push(c),
                Item::Number(field, digits) => text += &format!("{:0digits$}", field.of(at)),
                Item::MonthName { short } => text += shortened(MONTHS[at.month0() as usize], short),
                Item::DayName { short } => {
                    text += shortened(DAYS[at.weekday().num_days_from_monday() as usize], short)
                }
                Item::Half => text += if at.hour() < 12 { "AM" } else { "PM" },
                Item::Fraction(digits) => {
                    let nanos = format!("{:09}", at.nanosecond() % 1_000_000_000);
                    text += &nanos[..digits.min(9)];
                }
                Item::Zone => text += "Z",
            }
        }
        Ok(text)
    }

    /// The moment (in microseconds, UTC) that `text` says; all of `text` must be used.
    pub fn parse(&self, text: &str) -> Result<i64, String> {
        let mut read = Read::default();
        let mut rest = text;
        for (at, item) in self.0.iter().enumerate() {
            let tight = matches!(self.0.get(at + 1), Some(Item::Number(..) | Item::Fraction(_)));
            rest = read.item(item, rest, tight).ok_or_else(|| malformed(text, rest))?;
        }
        if !rest.is_empty() {
            return Err(malformed(text, rest));
        }
        read.moment().ok_or_else(|| malformed(text, rest))
    }
}

fn malformed(text: &str, rest: &str) -> String {
    if rest.is_empty() {
        format!("Invalid format: \"{text}\" is too short or out of range")
    } else {
        format!("Invalid format: \"{text}\" is malformed at \"{rest}\"")
    }
}

fn shortened(name: &'static str, short: bool) -> &'static str {
    if short { &name[..3] } else { name }
}

fn mysql_item(code: char) -> Item {
    match code {
        'Y' => Item::Number(Field::Year, 4),
        'y' => Item::Number(Field::ShortYear, 2),
        'm' => Item::Number(Field::Month, 2),
        'c' => Item::Number(Field::Month, 1),
        'd' => Item::Number(Field::Day, 2),
        'e' => Item::Number(Field::Day, 1),
        'j' => Item::Number(Field::DayOfYear, 3),
        'H' => Item::Number(Field::Hour, 2),
        'k' => Item::Number(Field::Hour, 1),
        'h' | 'I' => Item::Number(Field::Hour12, 2),
        'l' => Item::Number(Field::Hour12, 1),
        'i' => Item::Number(Field::Minute, 2),
        's' | 'S' => Item::Number(Field::Second, 2),
        'v' => Item::Number(Field::Week, 2),
        'M' => Item::MonthName { short: false },
        'b' => Item::MonthName { short: true },
        'W' => Item::DayName { short: false },
        'a' => Item::DayName { short: true },
        'p' => Item::Half,
        'f' => Item::Fraction(6),
        other => Item::Literal(other),
    }
}

fn joda_item(letter: char, count: usize) -> Result<Item, String> {
    Ok(match (letter, count) {
        ('y' | 'Y', 2) => Item::Number(Field::ShortYear, 2),
        ('y' | 'Y' | 'x', _) => Item::Number(Field::Year, count),
        ('M', 1 | 2) => Item::Number(Field::Month, count),
        ('M', 3) => Item::MonthName { short: true },
        ('M', _) => Item::MonthName { short: false },
        ('d', _) => Item::Number(Field::Day, count),
        ('D', _) => Item::Number(Field::DayOfYear, count),
        ('H', _) => Item::Number(Field::Hour, count),
        ('h', _) => Item::Number(Field::Hour12, count),
        ('m', _) => Item::Number(Field::Minute, count),
        ('s', _) => Item::Number(Field::Second, count),
        ('w', _) => Item::Number(Field::Week, count),
        ('e', _) => Item::Number(Field::DayOfWeek, count),
        ('E', 1..=3) => Item::DayName { short: true },
        ('E', _) => Item::DayName { short: false },
        ('a', _) => Item::Half,
        ('S', _) => Item::Fraction(count),
        ('Z', _) => Item::Zone,
        _ => return Err(format!("Illegal pattern component: {letter}")),
    })
}

fn joda_quoted(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    items: &mut Vec<Item>,
) -> Result<(), String> {
    if chars.peek() == Some(&'\'') {
        chars.next();
        items.push(Item::Literal('\''));
        return Ok(());
    }
    for c in chars.by_ref() {
        if c == '\'' {
            return Ok(());
        }
        items.push(Item::Literal(c));
    }
    Err("a quote in the pattern is never closed".to_owned())
}

impl Field {
    fn of(self, at: NaiveDateTime) -> i64 {
        match self {
            Self::Year => i64::from(at.year()),
            Self::ShortYear => i64::from(at.year().rem_euclid(100)),
            Self::Month => i64::from(at.month()),
            Self::Day => i64::from(at.day()),
            Self::DayOfYear => i64::from(at.ordinal()),
            Self::Hour => i64::from(at.hour()),
            Self::Hour12 => i64::from((at.hour() + 11) % 12 + 1),
            Self::Minute => i64::from(at.minute()),
            Self::Second => i64::from(at.second()),
            Self::Week => i64::from(at.iso_week().week()),
            Self::DayOfWeek => i64::from(at.weekday().number_from_monday()),
        }
    }

    /// The most digits read when no digit follows in the pattern.
    fn digits_max(self) -> usize {
        match self {
            Self::Year => 9,
            Self::DayOfYear => 3,
            _ => 2,
        }
    }
}

/// What was read so far.
#[derive(Default)]
struct Read {
    year: Option<i32>,
    month: Option<u32>,
    day: Option<u32>,
    day_of_year: Option<u32>,
    hour: u32,
    hour12: Option<u32>,
    minute: u32,
    second: u32,
    nanos: u32,
    afternoon: Option<bool>,
    offset_seconds: i64,
}

impl Read {
    /// Reads one item off the front of `text`; `None` if it is not there.
    fn item<'a>(&mut self, item: &Item, text: &'a str, tight: bool) -> Option<&'a str> {
        match *item {
            Item::Literal(c) => text.strip_prefix(c),
            Item::Number(field, width) => {
                let most = if tight { width.max(1) } else { field.digits_max().max(width) };
                let (number, rest) = digits(text, most)?;
                self.set(field, number);
                Some(rest)
            }
            Item::MonthName { .. } => {
                let (index, rest) = named(text, &MONTHS)?;
                self.month = Some(index + 1);
                Some(rest)
            }
            Item::DayName { .. } => named(text, &DAYS).map(|(_, rest)| rest),
            Item::Half => {
                let half = text.get(..2)?;
                self.afternoon = Some(half.eq_ignore_ascii_case("PM"));
                (half.eq_ignore_ascii_case("AM") || half.eq_ignore_ascii_case("PM")).then(|| &text[2..])
            }
            Item::Fraction(most) => {
                let count = text.bytes().take(most.min(9)).take_while(u8::is_ascii_digit).count();
                let (number, rest) = digits(text, count.max(1))?;
                self.nanos = number * 10_u32.pow(9 - u32::try_from(count).ok()?);
                Some(rest)
            }
            Item::Zone => self.zone(text),
        }
    }

    fn set(&mut self, field: Field, number: u32) {
        match field {
            Field::Year => self.year = i32::try_from(number).ok(),
            Field::ShortYear => {
                let century = if number < 70 { 2000 } else { 1900 };
                self.year = i32::try_from(number + century).ok();
            }
            Field::Month => self.month = Some(number),
            Field::Day => self.day = Some(number),
            Field::DayOfYear => self.day_of_year = Some(number),
            Field::Hour => self.hour = number,
            Field::Hour12 => self.hour12 = Some(number),
            Field::Minute => self.minute = number,
            Field::Second => self.second = number,
            Field::Week | Field::DayOfWeek => {}
        }
    }

    fn zone<'a>(&mut self, text: &'a str) -> Option<&'a str> {
        if let Some(rest) = text.strip_prefix('Z') {
            return Some(rest);
        }
        let sign = match text.bytes().next()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let (hours, rest) = digits(&text[1..], 2)?;
        let (minutes, rest) = digits(rest.strip_prefix(':').unwrap_or(rest), 2)?;
        self.offset_seconds = sign * i64::from(hours * 3600 + minutes * 60);
        Some(rest)
    }

    fn moment(&self) -> Option<i64> {
        let year = self.year.unwrap_or(1970);
        let date = match self.day_of_year {
            Some(day) => NaiveDate::from_yo_opt(year, day)?,
            None => NaiveDate::from_ymd_opt(year, self.month.unwrap_or(1), self.day.unwrap_or(1))?,
        };
        let hour = match self.hour12 {
            Some(12) => 12 * u32::from(self.afternoon.unwrap_or(false)),
            Some(hour @ 1..12) => hour + 12 * u32::from(self.afternoon.unwrap_or(false)),
            Some(_) => return None,
            None => self.hour,
        };
        let time = NaiveTime::from_hms_nano_opt(hour, self.minute, self.second, self.nanos)?;
        let micros = date.and_time(time).and_utc().timestamp_micros();
        micros.checked_sub(self.offset_seconds * 1_000_000)
    }
}

fn digits(text: &str, most: usize) -> Option<(u32, &str)> {
    let count = text.bytes().take(most.min(9)).take_while(u8::is_ascii_digit).count();
    let number = text.get(..count)?.parse().ok()?;
    Some((number, &text[count..]))
}

fn named<'a>(text: &'a str, names: &[&str]) -> Option<(u32, &'a str)> {
    for (index, name) in names.iter().enumerate() {
        for candidate in [*name, &name[..3]] {
            if text.get(..candidate.len()).is_some_and(|front| front.eq_ignore_ascii_case(candidate)) {
                return Some((u32::try_from(index).ok()?, &text[candidate.len()..]));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn micros(text: &str) -> i64 {
        text.parse::<NaiveDateTime>().unwrap().and_utc().timestamp_micros()
    }

    #[test]
    fn mysql_patterns_write_and_read() {
        let at = micros("2026-03-04T15:06:07.89");
        let check = |pattern: &str, text: &str| {
            assert_eq!(Pattern::mysql(pattern).unwrap().format(at).unwrap(), text, "{pattern}");
        };
        check("%Y-%m-%d %H:%i:%s", "2026-03-04 15:06:07");
        check("%c/%e/%y %r", "3/4/26 03:06:07 PM");
        check("%W %a %M %b %f %%", "Wednesday Wed March Mar 890000 %");
        let parse = |pattern: &str, text: &str| Pattern::mysql(pattern).unwrap().parse(text);
        assert_eq!(parse("%Y-%m-%d %H:%i:%s.%f", "2026-03-04 15:06:07.89").unwrap(), at);
        assert_eq!(parse("%Y%m%d", "20260304").unwrap(), micros("2026-03-04T00:00:00"));
        assert_eq!(
            parse("%d/%b/%Y %I:%i %p", "04/mar/2026 12:30 AM").unwrap(),
            micros("2026-03-04T00:30:00")
        );
        assert!(parse("%Y-%m-%d", "2026-13-01").is_err());
        assert!(parse("%Y-%m-%d", "2026-01-01x").is_err());
        assert!(Pattern::mysql("%U").is_err());
    }

    #[test]
    fn joda_patterns_write_and_read() {
        let at = micros("2026-03-04T05:06:07.089");
        let check = |pattern: &str, text: &str| {
            assert_eq!(Pattern::joda(pattern).unwrap().format(at).unwrap(), text, "{pattern}");
        };
        check("yyyy-MM-dd'T'HH:mm:ss.SSS", "2026-03-04T05:06:07.089");
        check("EEE, d MMM yy h:m a", "Wed, 4 Mar 26 5:6 AM");
        check("''yyyy''", "'2026'");
        let pattern = Pattern::joda("yyyy-MM-dd HH:mm:ss Z").unwrap();
        assert_eq!(pattern.parse("2026-03-04 05:06:07 +02:00").unwrap(), micros("2026-03-04T03:06:07"));
        assert!(Pattern::joda("yyyy-QQ").is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(seconds in -30_000_000_000_i64..100_000_000_000) {
            let micros = seconds * 1_000_000;
            for pattern in [Pattern::mysql("%Y-%m-%d %T").unwrap(), Pattern::joda("yyyy/MM/dd hh:mm:ss a").unwrap()] {
                let text = pattern.format(micros).unwrap();
                prop_assert_eq!(pattern.parse(&text).unwrap(), micros, "{}", text);
            }
        }

        #[test]
        fn foreign_texts_never_panic(pattern: String, text: String) {
            for compiled in [Pattern::mysql(&pattern), Pattern::joda(&pattern)].into_iter().flatten() {
                let _ = (compiled.parse(&text), compiled.format(0));
            }
        }
    }
}
