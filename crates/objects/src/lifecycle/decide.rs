//! What rules ask for, for one version or upload at one moment. Pure: it reads nothing and changes nothing.
//!
//! Where several rules apply, the earliest end counts; an end outweighs a move, except an end that only
//! hides the object behind a delete marker; of several moves the one to the coldest class is made.

use std::collections::BTreeMap;

use headwater_base::Timestamp;

use super::due::Day;
use super::rules::{Expiration, Lifecycle, Rule, When};
use crate::StorageClass;

/// A version as rules see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) key: &'a str,
    pub(crate) size: u64,
    pub(crate) tags: &'a BTreeMap<String, String>,
    pub(crate) class: StorageClass,
    pub(crate) modified: Timestamp,
    /// Whether it is a delete marker.
    pub(crate) is_marker: bool,
}

/// The tags of what has none.
pub(crate) static NO_TAGS: BTreeMap<String, String> = BTreeMap::new();

impl<'a> Seen<'a> {
    /// A delete marker.
    pub(crate) fn marker(key: &'a str, modified: Timestamp) -> Self {
        Self { key, size: 0, tags: &NO_TAGS, class: StorageClass::Standard, modified, is_marker: true }
    }
}

/// What is to be done with a version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Act {
    /// The current object comes to its end: a delete marker where there are versions, else removal.
    Expire,
    /// This version goes for good.
    Remove,
    /// The body moves to another class.
    Move(StorageClass),
}

/// What rules say of a version.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Ruling {
    /// What is to be done now.
    pub(crate) act: Option<Act>,
    /// When there may be something more to do, if nothing else changes.
    pub(crate) next: Option<Timestamp>,
}

impl Ruling {
    /// Whichever is due first.
    fn then(mut self, due: Option<Timestamp>) -> Self {
        self.next = earlier(self.next, due);
        self
    }
}

/// How a current version stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Position {
    /// Whether the key has no other version.
    pub(crate) alone: bool,
    /// Whether its end would be a delete marker.
    pub(crate) hides: bool,
}

/// The earlier of two moments that may be.
pub(crate) fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

impl Lifecycle {
    /// When a current object comes to its end, and by which rule.
    pub(crate) fn expiry(&self, day: Day, seen: &Seen<'_>) -> Option<(Timestamp, &Rule)> {
        self.earliest(|rule| match rule.expiration {
            Some(Expiration::At(when)) if rule.filter.takes(seen.key, seen.size, seen.tags) => {
                Some(moment(day, when, seen.modified))
            }
            _ => None,
        })
    }

    /// When an upload is given up, and by which rule.
    pub(crate) fn upload_end(&self, day: Day, key: &str, initiated: Timestamp) -> Option<(Timestamp, &Rule)> {
        self.earliest(|rule| {
            let days = rule.abort_uploads_days.filter(|_| rule.filter.takes_bare(key))?;
            Some(day.after(initiated, days.unsigned_abs()))
        })
    }

    /// What to do with the current version of a key.
    pub(crate) fn current(&self, day: Day, seen: &Seen<'_>, standing: Position, now: Timestamp) -> Ruling {
        if seen.is_marker {
            let end = if standing.alone { self.marker_end(day, seen) } else { None };
            return ruled(end, Act::Remove, now);
        }
        let moves = self.moves(day, seen, seen.modified, None);
        let end = self.expiry(day, seen).map(|(due, _)| due);
        let moving = choose(&moves, seen.class, now);
        match moving.act {
            // It can be moved first and hidden then.
            Some(_) if standing.hides => moving.then(end),
            _ if end.is_some_and(|due| due <= now) => ruled(end, Act::Expire, now),
            _ => moving.then(end),
        }
    }

    /// What to do with a version that was succeeded at `since`, when `newer` of the succeeded ones are newer.
    pub(crate) fn noncurrent(
        &self,
        day: Day,
        seen: &Seen<'_>,
        since: Timestamp,
        newer: usize,
        now: Timestamp,
    ) -> Ruling {
        let end = self.earliest(|rule| {
            let expiration = rule.noncurrent_expiration?;
            let takes = takes(rule, seen) && is_beyond(newer, expiration.newer_kept);
            takes.then(|| day.after(since, expiration.days.unsigned_abs()))
        });
        let end = end.map(|(due, _)| due);
        if seen.is_marker || end.is_some_and(|due| due <= now) {
            return ruled(end, Act::Remove, now);
        }
        choose(&self.moves(day, seen, since, Some(newer)), seen.class, now).then(end)
    }

    /// Whether versions may come to their end because others push them back.
    pub(crate) fn counts_versions(&self) -> bool {
        let mut rules = self.rules().iter().filter(|rule| rule.enabled);
        rules.any(|rule| {
            rule.noncurrent_expiration.is_some_and(|end| end.newer_kept.is_some())
                || rule.noncurrent_transitions.iter().any(|step| step.newer_kept.is_some())
        })
    }

    /// When a delete marker that hides nothing goes.
    fn marker_end(&self, day: Day, seen: &Seen<'_>) -> Option<Timestamp> {
        let end =
            self.earliest(|rule| match rule.expiration.filter(|_| rule.filter.takes_bare(seen.key))? {
                Expiration::ExpiredMarkers => Some(day.after(seen.modified, 0)),
                Expiration::At(when) => Some(moment(day, when, seen.modified)),
                Expiration::Nothing => None,
            });
        end.map(|(due, _)| due)
    }

    /// Every move that rules ask for, with its time; `newer` is given for versions that were succeeded.
    fn moves(
        &self,
        day: Day,
        seen: &Seen<'_>,
        from: Timestamp,
        newer: Option<usize>,
    ) -> Vec<(Timestamp, StorageClass)> {
        let mut found = Vec::new();
        for rule in self.rules().iter().filter(|rule| rule.enabled && takes(rule, seen)) {
            let fits = |class| !self.too_small(&rule.filter, seen.size, class);
            match newer {
                None => found.extend(
                    rule.transitions
                        .iter()
                        .filter(|step| fits(step.class))
                        .map(|step| (moment(day, step.when, from), step.class)),
                ),
                Some(newer) => found.extend(
                    rule.noncurrent_transitions
                        .iter()
                        .filter(|step| fits(step.class) && is_beyond(newer, step.newer_kept))
                        .map(|step| (day.after(from, step.days.unsigned_abs()), step.class)),
                ),
            }
        }
        found
    }

    fn earliest(&self, due: impl Fn(&Rule) -> Option<Timestamp>) -> Option<(Timestamp, &Rule)> {
        let rules = self.rules().iter().filter(|rule| rule.enabled);
        rules.filter_map(|rule| Some((due(rule)?, rule))).min_by_key(|(due, _)| *due)
    }
}

fn takes(rule: &Rule, seen: &Seen<'_>) -> bool {
    if seen.is_marker {
        return rule.filter.takes_bare(seen.key);
    }
    rule.filter.takes(seen.key, seen.size, seen.tags)
}

/// Whether enough newer versions are kept for this one to be one too many.
fn is_beyond(newer: usize, kept: Option<i32>) -> bool {
    kept.is_none_or(|kept| newer >= kept.unsigned_abs() as usize)
}

fn moment(day: Day, when: When, from: Timestamp) -> Timestamp {
    match when {
        When::Days(days) => day.after(from, days.unsigned_abs()),
        When::Date(date) => date,
    }
}

fn ruled(due: Option<Timestamp>, act: Act, now: Timestamp) -> Ruling {
    match due {
        Some(due) if due <= now => Ruling { act: Some(act), next: None },
        due => Ruling { act: None, next: due },
    }
}

/// The move to make now, to the coldest class that is due, and when the next is.
fn choose(moves: &[(Timestamp, StorageClass)], class: StorageClass, now: Timestamp) -> Ruling {
    let reachable = moves.iter().filter(|(_, to)| class.may_become(*to));
    let chosen = reachable.filter(|(due, _)| *due <= now).map(|(_, to)| *to).max_by_key(|to| to.rank());
    let from = chosen.unwrap_or(class);
    let later = moves.iter().filter(|(due, to)| *due > now && from.may_become(*to));
    Ruling { act: chosen.map(Act::Move), next: later.map(|(due, _)| *due).min() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::rules::{
        Filter, NoncurrentExpiration, NoncurrentTransition, Transition, TransitionMinimum,
    };

    const DAY_MS: i64 = 86_400_000;

    fn day(number: i64) -> Timestamp {
        Timestamp::from_ms(number * DAY_MS)
    }

    fn lifecycle(rules: Vec<Rule>) -> Lifecycle {
        let rules = rules.into_iter().map(|rule| Rule { enabled: true, ..rule }).collect();
        Lifecycle::stored(rules, TransitionMinimum::default())
    }

    fn expiring(days: i32) -> Rule {
        Rule { expiration: Some(Expiration::At(When::Days(days))), ..Rule::default() }
    }

    fn moving(steps: &[(i32, StorageClass)]) -> Rule {
        let step =
            |(days, class): &(i32, StorageClass)| Transition { when: When::Days(*days), class: *class };
        Rule { transitions: steps.iter().map(step).collect(), ..Rule::default() }
    }

    /// A large object put on day 0.
    fn object(class: StorageClass) -> Seen<'static> {
        Seen { key: "k", size: 1 << 20, tags: &NO_TAGS, class, modified: day(0), is_marker: false }
    }

    fn marker() -> Seen<'static> {
        Seen::marker("k", day(0))
    }

    const PLAIN: Position = Position { alone: true, hides: false };
    const HIDING: Position = Position { alone: true, hides: true };

    #[test]
    fn the_earliest_end_counts() {
        let rules = lifecycle(vec![expiring(5), expiring(3)]);
        let seen = object(StorageClass::Standard);
        let at = |now| rules.current(Day::default(), &seen, PLAIN, now);
        assert_eq!(at(day(2)), Ruling { act: None, next: Some(day(3)) });
        assert_eq!(at(day(3)), Ruling { act: Some(Act::Expire), next: None });
        assert_eq!(rules.expiry(Day::default(), &seen).unwrap().0, day(3));
        let off = Lifecycle::stored(vec![expiring(3)], TransitionMinimum::default());
        assert_eq!(off.current(Day::default(), &seen, PLAIN, day(9)), Ruling::default(), "not enabled");
    }

    #[test]
    fn of_several_moves_the_coldest_is_made() {
        let rules = lifecycle(vec![
            moving(&[(1, StorageClass::GlacierIr), (5, StorageClass::DeepArchive)]),
            moving(&[(2, StorageClass::Glacier)]),
        ]);
        let at = |class, now| rules.current(Day::default(), &object(class), PLAIN, now);
        assert_eq!(at(StorageClass::Standard, day(0)).next, Some(day(1)));
        let moved = at(StorageClass::Standard, day(3));
        assert_eq!(moved, Ruling { act: Some(Act::Move(StorageClass::Glacier)), next: Some(day(5)) });
        assert_eq!(at(StorageClass::Glacier, day(3)), Ruling { act: None, next: Some(day(5)) });
        assert_eq!(at(StorageClass::DeepArchive, day(9)), Ruling::default());
    }

    #[test]
    fn an_end_outweighs_a_move_unless_it_only_hides() {
        let rules = lifecycle(vec![moving(&[(1, StorageClass::Glacier)]), expiring(2)]);
        let seen = object(StorageClass::Standard);
        assert_eq!(rules.current(Day::default(), &seen, PLAIN, day(2)).act, Some(Act::Expire));
        let hidden = rules.current(Day::default(), &seen, HIDING, day(2));
        assert_eq!(hidden, Ruling { act: Some(Act::Move(StorageClass::Glacier)), next: Some(day(2)) });
        let cold = object(StorageClass::Glacier);
        assert_eq!(rules.current(Day::default(), &cold, HIDING, day(2)).act, Some(Act::Expire));
    }

    #[test]
    fn a_marker_goes_when_it_hides_nothing() {
        let by_flag =
            lifecycle(vec![Rule { expiration: Some(Expiration::ExpiredMarkers), ..Rule::default() }]);
        let at =
            |alone, now| by_flag.current(Day::default(), &marker(), Position { alone, hides: true }, now);
        assert_eq!(at(true, day(0)).act, Some(Act::Remove));
        assert_eq!(at(false, day(5)), Ruling::default());
        let by_age = lifecycle(vec![expiring(3)]);
        let at = |now| by_age.current(Day::default(), &marker(), HIDING, now);
        assert_eq!(at(day(2)), Ruling { act: None, next: Some(day(3)) });
        assert_eq!(at(day(3)).act, Some(Act::Remove));
    }

    #[test]
    fn succeeded_versions_end_by_age_and_number() {
        let ends = |newer_kept| {
            let noncurrent_expiration = Some(NoncurrentExpiration { days: 2, newer_kept });
            lifecycle(vec![Rule { noncurrent_expiration, ..Rule::default() }])
        };
        let seen = object(StorageClass::Standard);
        let at = |rules: &Lifecycle, newer, now| rules.noncurrent(Day::default(), &seen, day(10), newer, now);
        let plain = ends(None);
        assert_eq!(at(&plain, 0, day(11)), Ruling { act: None, next: Some(day(12)) });
        assert_eq!(at(&plain, 0, day(12)).act, Some(Act::Remove));
        let counted = ends(Some(2));
        assert!(counted.counts_versions() && !plain.counts_versions());
        assert_eq!(at(&counted, 1, day(20)), Ruling::default());
        assert_eq!(at(&counted, 2, day(20)).act, Some(Act::Remove));
        let gone = plain.noncurrent(Day::default(), &marker(), day(10), 0, day(12));
        assert_eq!(gone.act, Some(Act::Remove), "markers are versions");
    }

    #[test]
    fn succeeded_versions_move() {
        let step = NoncurrentTransition { days: 1, newer_kept: Some(1), class: StorageClass::Glacier };
        let rules = lifecycle(vec![Rule { noncurrent_transitions: vec![step], ..Rule::default() }]);
        let seen = object(StorageClass::Standard);
        let at = |newer, now| rules.noncurrent(Day::default(), &seen, day(10), newer, now);
        assert_eq!(at(0, day(12)), Ruling::default());
        assert_eq!(at(1, day(11)).act, Some(Act::Move(StorageClass::Glacier)));
        assert_eq!(rules.noncurrent(Day::default(), &marker(), day(10), 1, day(12)), Ruling::default());
        assert!(rules.counts_versions());
    }

    #[test]
    fn uploads_end_by_rules_for_their_keys() {
        let filter = Filter { prefix: Some("in/".into()), ..Filter::default() };
        let rules = lifecycle(vec![Rule { abort_uploads_days: Some(3), filter, ..Rule::default() }]);
        assert_eq!(rules.upload_end(Day::default(), "in/x", day(1)).unwrap().0, day(4));
        assert!(rules.upload_end(Day::default(), "out/x", day(1)).is_none());
    }
}
