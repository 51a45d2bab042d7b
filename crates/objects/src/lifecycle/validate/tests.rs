//! Every demand, by a rule that breaks it and one that does not.

use headwater_base::Timestamp;

use super::*;
use crate::lifecycle::rules::NoncurrentExpiration;

fn rule() -> Rule {
    Rule { id: "r".into(), enabled: true, ..Rule::default() }
}

fn expiring(days: i32) -> Rule {
    Rule { expiration: Some(Expiration::At(When::Days(days))), ..rule() }
}

fn moving(steps: &[(i32, StorageClass)]) -> Rule {
    let transitions =
        steps.iter().map(|(days, class)| Transition { when: When::Days(*days), class: *class }).collect();
    Rule { transitions, ..rule() }
}

fn noncurrent(steps: &[(i32, StorageClass)]) -> Rule {
    let noncurrent_transitions = steps
        .iter()
        .map(|(days, class)| NoncurrentTransition { days: *days, newer_kept: None, class: *class })
        .collect();
    Rule { noncurrent_transitions, ..rule() }
}

fn date(day: i64) -> When {
    When::Date(Timestamp::from_ms(day * 86_400_000))
}

fn filtered(filter: Filter) -> Rule {
    Rule { filter, ..expiring(1) }
}

fn tag(name: &str) -> (String, String) {
    (name.to_owned(), "v".to_owned())
}

fn code(rule: Rule) -> Option<(RuleErrorKind, String)> {
    check(&[rule]).err().map(|error| (error.kind, error.message))
}

fn refused(rule: Rule, kind: RuleErrorKind, message: &str) {
    assert_eq!(code(rule.clone()), Some((kind, message.to_owned())), "{rule:?}");
}

fn taken(rule: Rule) {
    assert_eq!(code(rule.clone()), None, "{rule:?}");
}

#[test]
fn rules_are_counted_and_named() {
    assert_eq!(check(&[]).unwrap_err().kind, RuleErrorKind::Malformed);
    let many = |count: usize| -> Vec<Rule> {
        (0..count).map(|n| Rule { id: n.to_string(), ..expiring(1) }).collect()
    };
    assert!(check(&many(RULES_MAX)).is_ok());
    assert_eq!(check(&many(RULES_MAX + 1)).unwrap_err().kind, RuleErrorKind::Request);
    let twice = check(&[expiring(1), expiring(2)]).unwrap_err();
    assert_eq!(twice.message, "Rule ID must be unique. Found same ID for more than one rule");
    taken(Rule { id: "é".repeat(255), ..expiring(1) });
    assert_eq!(code(Rule { id: "x".repeat(256), ..expiring(1) }).unwrap().0, RuleErrorKind::Argument);
    refused(rule(), RuleErrorKind::Request, "At least one action needs to be specified in a rule");
}

#[test]
fn expirations_have_days_or_a_midnight() {
    let argument = RuleErrorKind::Argument;
    for days in [0, -1] {
        refused(expiring(days), argument, "'Days' for Expiration action must be a positive integer");
    }
    taken(expiring(1));
    let at = |when| Rule { expiration: Some(Expiration::At(when)), ..rule() };
    taken(at(date(20_000)));
    refused(at(When::Date(Timestamp::from_ms(1))), argument, "'Date' must be at midnight GMT");
    taken(Rule { expiration: Some(Expiration::ExpiredMarkers), ..rule() });
}

#[test]
fn filters_have_the_form_they_say() {
    let malformed = |filter: Filter| assert_eq!(code(filtered(filter)).unwrap().0, RuleErrorKind::Malformed);
    let empty = Filter::default;
    taken(filtered(empty()));
    taken(filtered(Filter { prefix: Some("a".into()), ..empty() }));
    taken(filtered(Filter { form: FilterForm::Prefix, prefix: Some(String::new()), ..empty() }));
    taken(filtered(Filter {
        form: FilterForm::And,
        prefix: Some("a".into()),
        tags: vec![tag("t")],
        ..empty()
    }));
    taken(filtered(Filter { form: FilterForm::And, tags: vec![tag("t"), tag("u")], ..empty() }));
    malformed(Filter { form: FilterForm::And, tags: vec![tag("t")], ..empty() });
    malformed(Filter { prefix: Some("a".into()), tags: vec![tag("t")], ..empty() });
    malformed(Filter { form: FilterForm::Prefix, ..empty() });
    let long = Filter { prefix: Some("x".repeat(1025)), ..empty() };
    assert_eq!(code(filtered(long)).unwrap().0, RuleErrorKind::Request);
    let twice = Filter { form: FilterForm::And, tags: vec![tag("t"), tag("t")], ..empty() };
    refused(filtered(twice), RuleErrorKind::Request, "Duplicate Tag Keys are not allowed.");
    let nameless = Filter { tags: vec![tag("")], ..empty() };
    assert_eq!(code(filtered(nameless)).unwrap().0, RuleErrorKind::Argument);
}

#[test]
fn sizes_leave_room_between_them() {
    let sized = |larger_than, smaller_than| {
        filtered(Filter { form: FilterForm::And, larger_than, smaller_than, ..Filter::default() })
    };
    taken(sized(Some(0), Some(2)));
    for (above, below) in [(5, 5), (5, 6), (5, 1), (-1, 5), (0, 0)] {
        assert_eq!(
            code(sized(Some(above), Some(below))).unwrap().0,
            RuleErrorKind::Request,
            "{above} {below}"
        );
    }
}

#[test]
fn what_has_no_tags_is_not_chosen_by_them() {
    let tagged = Filter { tags: vec![tag("t")], ..Filter::default() };
    let sized = Filter { larger_than: Some(1), ..Filter::default() };
    let abort = |filter| Rule { abort_uploads_days: Some(1), filter, ..rule() };
    let markers = |filter| Rule { expiration: Some(Expiration::ExpiredMarkers), filter, ..rule() };
    let request = RuleErrorKind::Request;
    refused(abort(tagged.clone()), request, "AbortIncompleteMultipartUpload cannot be specified with Tags.");
    refused(
        abort(sized.clone()),
        request,
        "AbortIncompleteMultipartUpload cannot be specified with Object Size.",
    );
    refused(markers(tagged), request, "ExpiredObjectDeleteMarker cannot be specified with Tags.");
    refused(markers(sized), request, "ExpiredObjectDeleteMarker cannot be specified with Object Size.");
    taken(abort(Filter { prefix: Some("p".into()), ..Filter::default() }));
    assert_eq!(code(Rule { abort_uploads_days: Some(0), ..rule() }).unwrap().0, RuleErrorKind::Argument);
}

#[test]
fn transitions_lead_to_colder_classes_in_time() {
    use StorageClass::{
        DeepArchive, Glacier, GlacierIr, IntelligentTiering, OnezoneIa, ReducedRedundancy, Standard,
        StandardIa,
    };
    taken(moving(&[(0, Glacier)]));
    taken(moving(&[(0, IntelligentTiering)]));
    taken(moving(&[(30, StandardIa), (60, GlacierIr), (61, Glacier), (62, DeepArchive)]));
    taken(moving(&[(90, Glacier), (30, StandardIa)]));
    for class in [Standard, ReducedRedundancy] {
        assert_eq!(code(moving(&[(30, class)])).unwrap().0, RuleErrorKind::Malformed);
    }
    for class in [StandardIa, OnezoneIa] {
        let message = format!(
            "'Days' in Transition action must be greater than or equal to 30 for storageClass '{}'",
            class.name()
        );
        refused(moving(&[(29, class)]), RuleErrorKind::Argument, &message);
    }
    refused(
        moving(&[(30, StandardIa), (59, Glacier)]),
        RuleErrorKind::Argument,
        "'Days' in the 'Transition' action for StorageClass 'GLACIER' for filter '()' must be 30 days more than \
         'Days' in the 'Transition' action for StorageClass 'STANDARD_IA'",
    );
    for steps in [[(5, Glacier), (5, DeepArchive)], [(5, Glacier), (4, DeepArchive)]] {
        assert_eq!(code(moving(&steps)).unwrap().0, RuleErrorKind::Argument);
    }
    refused(
        moving(&[(5, Glacier), (6, Glacier)]),
        RuleErrorKind::Request,
        "'StorageClass' must be different for 'Transition' actions in same 'Rule' with filter '()'",
    );
    assert_eq!(code(moving(&[(-1, Glacier)])).unwrap().0, RuleErrorKind::Argument);
}

#[test]
fn days_and_dates_are_not_mixed_and_the_end_comes_last() {
    let by_date = Transition { when: date(20_000), class: StorageClass::Glacier };
    let mut mixed = moving(&[(5, StorageClass::GlacierIr)]);
    mixed.transitions.push(by_date);
    refused(
        mixed,
        RuleErrorKind::Request,
        "Found mixed 'Date' and 'Days' based Transition actions in lifecycle rule for filter '()'",
    );
    let ends = |when| Some(Expiration::At(when));
    let dated = Rule { transitions: vec![by_date], ..rule() };
    assert_eq!(
        code(Rule { expiration: ends(When::Days(1)), ..dated.clone() }).unwrap().0,
        RuleErrorKind::Request
    );
    taken(Rule { expiration: ends(date(20_001)), ..dated.clone() });
    assert_eq!(code(Rule { expiration: ends(date(20_000)), ..dated }).unwrap().0, RuleErrorKind::Argument);
    let filter = Filter { form: FilterForm::Prefix, prefix: Some("a/".into()), ..Filter::default() };
    let moved = Rule { filter, ..moving(&[(5, StorageClass::Glacier)]) };
    refused(
        Rule { expiration: ends(When::Days(5)), ..moved.clone() },
        RuleErrorKind::Argument,
        "'Days' in the Expiration action for prefix 'a/' must be greater than 'Days' in the Transition action",
    );
    taken(Rule { expiration: ends(When::Days(6)), ..moved });
}

#[test]
fn noncurrent_versions_have_bounds_of_their_own() {
    let expiring = |days, newer_kept| Rule {
        noncurrent_expiration: Some(NoncurrentExpiration { days, newer_kept }),
        ..rule()
    };
    taken(expiring(1, None));
    taken(expiring(1, Some(100)));
    for (days, kept) in [(0, None), (1, Some(0)), (1, Some(101))] {
        assert_eq!(code(expiring(days, kept)).unwrap().0, RuleErrorKind::Argument, "{days} {kept:?}");
    }
    taken(noncurrent(&[(30, StorageClass::StandardIa), (60, StorageClass::Glacier)]));
    for steps in [
        [(30, StorageClass::StandardIa), (40, StorageClass::Glacier)],
        [(10, StorageClass::StandardIa), (90, StorageClass::Glacier)],
    ] {
        assert_eq!(code(noncurrent(&steps)).unwrap().0, RuleErrorKind::Argument);
    }
    let both = Rule {
        noncurrent_expiration: Some(NoncurrentExpiration { days: 5, newer_kept: None }),
        ..noncurrent(&[(5, StorageClass::Glacier)])
    };
    assert_eq!(code(both).unwrap().0, RuleErrorKind::Argument);
}
