//! When things are due: AWS's `cron(minutes hours day-of-month month day-of-week year)`, in UTC.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use headwater_base::Timestamp;

/// A schedule.
#[derive(Debug, Clone)]
pub(crate) struct Schedule(Cron);

impl Schedule {
    /// Reads `cron(…)`. The error is a sentence for the client.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let refuse = |why: &str| Err(format!("Schedule expression {text:?} is not valid: {why}"));
        let Some(fields) = text.trim().strip_prefix("cron(").and_then(|rest| rest.strip_suffix(')')) else {
            return refuse("it has the form cron(minutes hours day-of-month month day-of-week year)");
        };
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let [_, _, day_of_month, _, day_of_week, _] = fields[..] else {
            return refuse("it has six fields");
        };
        if (day_of_month == "?") == (day_of_week == "?") {
            return refuse("either day-of-month or day-of-week is '?'");
        }
        let parser = CronParser::builder()
            .seconds(Seconds::Required)
            .year(Year::Required)
            .alternative_weekdays(true)
            .sloppy_ranges(true)
            .build();
        match parser.parse(&format!("0 {}", fields.join(" "))) {
            Ok(cron) => Ok(Self(cron)),
            Err(error) => refuse(&error.to_string()),
        }
    }

    /// The first moment after `now`; `None` when there is none.
    pub(crate) fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        let next = self.0.find_next_occurrence(&now.utc(), false).ok()?;
        Some(Timestamp::from_ms(next.timestamp_millis()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(text: &str, now: &str) -> String {
        let now = chrono::DateTime::parse_from_rfc3339(now).unwrap().timestamp_millis();
        let schedule = Schedule::parse(text).unwrap();
        schedule.next_after(Timestamp::from_ms(now)).map_or_else(|| "never".to_owned(), Timestamp::iso)
    }

    #[test]
    fn schedules_mean_what_aws_says() {
        // Sunday is 1.
        for (text, now, due) in [
            ("cron(15 12 * * ? *)", "2026-03-01T12:00:00Z", "2026-03-01T12:15:00.000Z"),
            ("cron(15 12 * * ? *)", "2026-03-01T12:15:00Z", "2026-03-02T12:15:00.000Z"),
            ("cron(0/10 * ? * MON-FRI *)", "2026-03-01T12:00:00Z", "2026-03-02T00:00:00.000Z"),
            ("cron(0 8 1 * ? *)", "2026-03-01T12:00:00Z", "2026-04-01T08:00:00.000Z"),
            ("cron(0 0 ? * 1 *)", "2026-03-02T00:00:00Z", "2026-03-08T00:00:00.000Z"),
            ("cron(0 0 L * ? *)", "2026-02-01T00:00:00Z", "2026-02-28T00:00:00.000Z"),
            ("cron(0 0 1 1 ? 2020)", "2026-02-01T00:00:00Z", "never"),
        ] {
            assert_eq!(next(text, now), due, "{text}");
        }
    }

    #[test]
    fn refusals_say_the_rule() {
        for text in [
            "",
            "rate(5 minutes)",
            "cron(* * * * *)",
            "cron(* * * * * *)",
            "cron(99 * * * ? *)",
            "cron(0 0 ? * ? *)",
        ] {
            assert!(Schedule::parse(text).unwrap_err().contains("is not valid"), "{text}");
        }
    }
}
