//! The states of an execution.

/// QUEUED → RUNNING → SUCCEEDED, FAILED or CANCELLED.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Waits its turn.
    Queued,
    /// Runs.
    Running,
    /// Ended well; its result is there.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Was stopped.
    Cancelled,
}

const ALL: [State; 5] = [State::Queued, State::Running, State::Succeeded, State::Failed, State::Cancelled];

impl State {
    /// As it is stored.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// As it was stored; an unknown number is a failure.
    pub fn from_number(number: u8) -> Self {
        ALL.get(usize::from(number)).copied().unwrap_or(Self::Failed)
    }

    /// As Athena names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Whether nothing more will happen.
    pub fn has_ended(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// The kinds of statements as stored: 0 DDL, 1 DML, 2 UTILITY.
pub const KINDS: [&str; 3] = ["DDL", "DML", "UTILITY"];

/// The kind of a statement, as far as its first words tell; corrected when it has run.
pub fn kind_of(sql: &str) -> u8 {
    let first: String = sql
        .trim_start_matches(|c: char| c.is_whitespace() || c == '(')
        .chars()
        .take_while(|c| c.is_ascii_alphabetic())
        .collect();
    match first.to_ascii_uppercase().as_str() {
        "CREATE" | "DROP" | "ALTER" | "MSCK" => 0,
        "SHOW" | "DESCRIBE" | "DESC" | "EXPLAIN" => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_for_ever() {
        for (number, state) in ALL.iter().enumerate() {
            assert_eq!(usize::from(state.number()), number);
            assert_eq!(State::from_number(state.number()), *state);
        }
        assert_eq!(State::from_number(99), State::Failed);
    }

    #[test]
    fn first_words_tell_the_kind() {
        assert_eq!(kind_of("  create table x as select 1"), 0);
        assert_eq!(kind_of("(SELECT 1)"), 1);
        assert_eq!(kind_of("WITH x AS (SELECT 1) SELECT * FROM x"), 1);
        assert_eq!(kind_of("show tables"), 2);
    }
}
