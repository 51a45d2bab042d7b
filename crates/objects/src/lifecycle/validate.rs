//! What S3 asks of rules, in its words. A mistake that it names in a way of its own gets that name; one
//! that its schema excludes is malformed.

use std::collections::{BTreeMap, HashSet};

use super::due::is_midnight;
use super::rules::{
    Expiration, Filter, FilterForm, NoncurrentTransition, RULES_MAX, Rule, RuleError, RuleErrorKind,
    Transition, When,
};
use crate::StorageClass;

/// The longest id of a rule, in characters.
const ID_CHARS_MAX: usize = 255;

/// The longest prefix, in bytes.
const PREFIX_BYTES_MAX: usize = 1024;

/// How many versions may be kept beside their age.
const NEWER_KEPT_MAX: i32 = 100;

/// For how many days an object stays where it was put before it may move to an infrequent-access class, and
/// in such a class before it may move on.
const INFREQUENT_DAYS_MIN: i32 = 30;

type Checked = Result<(), RuleError>;

/// Whether S3 would take these rules.
pub(super) fn check(rules: &[Rule]) -> Checked {
    if rules.is_empty() {
        return Err(malformed());
    }
    if rules.len() > RULES_MAX {
        return Err(request(format!(
            "The number of lifecycle rules must not exceed the allowed limit of {RULES_MAX} rules"
        )));
    }
    let mut ids = HashSet::new();
    for rule in rules {
        check_rule(rule)?;
        if !ids.insert(rule.id.as_str()) {
            return Err(argument("Rule ID must be unique. Found same ID for more than one rule"));
        }
    }
    Ok(())
}

fn check_rule(rule: &Rule) -> Checked {
    if rule.id.chars().count() > ID_CHARS_MAX {
        return Err(argument(format!("ID length should not exceed allowed limit of {ID_CHARS_MAX}")));
    }
    check_filter(&rule.filter)?;
    let acts = rule.expiration.is_some()
        || rule.noncurrent_expiration.is_some()
        || rule.abort_uploads_days.is_some()
        || !rule.transitions.is_empty()
        || !rule.noncurrent_transitions.is_empty();
    if !acts {
        return Err(request("At least one action needs to be specified in a rule"));
    }
    check_expiration(rule)?;
    check_transitions(rule)?;
    check_noncurrent(rule)?;
    check_abort(rule)
}

fn check_filter(filter: &Filter) -> Checked {
    if filter.prefix.as_ref().is_some_and(|prefix| prefix.len() > PREFIX_BYTES_MAX) {
        return Err(request(format!("The maximum size of a prefix is {PREFIX_BYTES_MAX}")));
    }
    let said = usize::from(filter.prefix.is_some())
        + filter.tags.len()
        + usize::from(filter.larger_than.is_some())
        + usize::from(filter.smaller_than.is_some());
    let fits = match filter.form {
        FilterForm::Prefix => filter.prefix.is_some() && said == 1,
        FilterForm::Single => said <= 1,
        FilterForm::And => said >= 2,
    };
    if !fits {
        return Err(malformed());
    }
    let mut names = BTreeMap::new();
    for (name, value) in &filter.tags {
        if name.is_empty() || name.chars().count() > 128 {
            return Err(argument("The TagKey you have provided is invalid"));
        }
        if value.chars().count() > 256 {
            return Err(argument("The TagValue you have provided is invalid"));
        }
        if names.insert(name, value).is_some() {
            return Err(request("Duplicate Tag Keys are not allowed."));
        }
    }
    check_sizes(filter)
}

fn check_sizes(filter: &Filter) -> Checked {
    if filter.larger_than.is_some_and(|bytes| bytes < 0) {
        return Err(request("'ObjectSizeGreaterThan' should be greater than or equal to 0"));
    }
    if filter.smaller_than.is_some_and(|bytes| bytes <= 0) {
        return Err(request("'ObjectSizeLessThan' should be greater than 0"));
    }
    match (filter.larger_than, filter.smaller_than) {
        // Nothing would lie between the two.
        (Some(above), Some(below)) if below <= above.saturating_add(1) => {
            Err(request("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'"))
        }
        _ => Ok(()),
    }
}

fn check_expiration(rule: &Rule) -> Checked {
    match rule.expiration {
        None | Some(Expiration::Nothing) => Ok(()),
        Some(Expiration::At(When::Days(days))) if days <= 0 => {
            Err(argument("'Days' for Expiration action must be a positive integer"))
        }
        Some(Expiration::At(When::Date(date))) if !is_midnight(date) => {
            Err(argument("'Date' must be at midnight GMT"))
        }
        Some(Expiration::At(_)) => Ok(()),
        Some(Expiration::ExpiredMarkers) => check_bare(&rule.filter, "ExpiredObjectDeleteMarker"),
    }
}

fn check_abort(rule: &Rule) -> Checked {
    match rule.abort_uploads_days {
        None => Ok(()),
        Some(days) if days <= 0 => Err(argument(
            "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer",
        )),
        Some(_) => check_bare(&rule.filter, "AbortIncompleteMultipartUpload"),
    }
}

/// What has neither tags nor a size is not to be chosen by them.
fn check_bare(filter: &Filter, action: &str) -> Checked {
    if !filter.tags.is_empty() {
        return Err(request(format!("{action} cannot be specified with Tags.")));
    }
    if filter.larger_than.is_some() || filter.smaller_than.is_some() {
        return Err(request(format!("{action} cannot be specified with Object Size.")));
    }
    Ok(())
}

fn check_transitions(rule: &Rule) -> Checked {
    for transition in &rule.transitions {
        check_target(transition.class)?;
        match transition.when {
            When::Days(days) if days < 0 => {
                return Err(argument("'Days' for Transition action must be nonnegative"));
            }
            When::Days(days) => check_infrequent("Days", "Transition", transition.class, days)?,
            When::Date(date) if !is_midnight(date) => return Err(argument("'Date' must be at midnight GMT")),
            When::Date(_) => {}
        }
    }
    check_mixed(rule)?;
    check_steps("Transition", "Days", &rule.filter, &by_days(&rule.transitions))?;
    check_steps("Transition", "Date", &rule.filter, &by_date(&rule.transitions))?;
    let Some(Expiration::At(when)) = rule.expiration else {
        return Ok(());
    };
    let late = rule.transitions.iter().find(|transition| match (transition.when, when) {
        (When::Days(moved), When::Days(expired)) => expired <= moved,
        (When::Date(moved), When::Date(expired)) => expired <= moved,
        _ => false,
    });
    match late {
        None => Ok(()),
        Some(transition) => {
            let unit = unit_of(transition.when);
            Err(argument(format!(
                "'{unit}' in the Expiration action for {} must be greater than '{unit}' in the Transition action",
                described(&rule.filter)
            )))
        }
    }
}

fn check_mixed(rule: &Rule) -> Checked {
    let mut units: Vec<&str> = rule.transitions.iter().map(|transition| unit_of(transition.when)).collect();
    units.dedup();
    if units.len() > 1 {
        return Err(request(format!(
            "Found mixed 'Date' and 'Days' based Transition actions in lifecycle rule for {}",
            described(&rule.filter)
        )));
    }
    if let (Some(Expiration::At(when)), Some(unit)) = (rule.expiration, units.first())
        && unit_of(when) != *unit
    {
        return Err(request(format!(
            "Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule for {}",
            described(&rule.filter)
        )));
    }
    Ok(())
}

fn check_noncurrent(rule: &Rule) -> Checked {
    let kept = |kept: Option<i32>, action: &str| match kept {
        Some(kept) if !(1..=NEWER_KEPT_MAX).contains(&kept) => Err(argument(format!(
            "'NewerNoncurrentVersions' for {action} action must be a positive integer not greater than {NEWER_KEPT_MAX}"
        ))),
        _ => Ok(()),
    };
    for transition in &rule.noncurrent_transitions {
        check_target(transition.class)?;
        if transition.days < 0 {
            return Err(argument(
                "'NoncurrentDays' for NoncurrentVersionTransition action must be nonnegative",
            ));
        }
        kept(transition.newer_kept, "NoncurrentVersionTransition")?;
        check_infrequent("NoncurrentDays", "NoncurrentVersionTransition", transition.class, transition.days)?;
    }
    let steps: Vec<Step> = rule.noncurrent_transitions.iter().map(NoncurrentTransition::step).collect();
    check_steps("NoncurrentVersionTransition", "NoncurrentDays", &rule.filter, &steps)?;
    let Some(expiration) = rule.noncurrent_expiration else {
        return Ok(());
    };
    if expiration.days <= 0 {
        return Err(argument(
            "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer",
        ));
    }
    kept(expiration.newer_kept, "NoncurrentVersionExpiration")?;
    if rule.noncurrent_transitions.iter().any(|transition| expiration.days <= transition.days) {
        return Err(argument(format!(
            "'NoncurrentDays' in the NoncurrentVersionExpiration action for {} must be greater than 'NoncurrentDays' \
             in the NoncurrentVersionTransition action",
            described(&rule.filter)
        )));
    }
    Ok(())
}

/// Nothing moves to where everything begins.
fn check_target(class: StorageClass) -> Checked {
    if StorageClass::Standard.may_become(class) { Ok(()) } else { Err(malformed()) }
}

fn check_infrequent(unit: &str, action: &str, class: StorageClass, days: i32) -> Checked {
    let infrequent = matches!(class, StorageClass::StandardIa | StorageClass::OnezoneIa);
    if infrequent && days < INFREQUENT_DAYS_MIN {
        return Err(argument(format!(
            "'{unit}' in {action} action must be greater than or equal to {INFREQUENT_DAYS_MIN} for storageClass '{}'",
            class.name()
        )));
    }
    Ok(())
}

/// A transition as the order of transitions is checked.
#[derive(Clone, Copy)]
struct Step {
    class: StorageClass,
    /// Days, or a date in days since the epoch.
    day: i64,
}

impl NoncurrentTransition {
    fn step(&self) -> Step {
        Step { class: self.class, day: i64::from(self.days) }
    }
}

fn by_days(transitions: &[Transition]) -> Vec<Step> {
    let step = |transition: &Transition| match transition.when {
        When::Days(days) => Some(Step { class: transition.class, day: i64::from(days) }),
        When::Date(_) => None,
    };
    transitions.iter().filter_map(step).collect()
}

fn by_date(transitions: &[Transition]) -> Vec<Step> {
    let step = |transition: &Transition| match transition.when {
        When::Date(date) => Some(Step { class: transition.class, day: date.ms().div_euclid(86_400_000) }),
        When::Days(_) => None,
    };
    transitions.iter().filter_map(step).collect()
}

/// Colder classes come later, each once, and not before what they leave may be left.
fn check_steps(action: &str, unit: &str, filter: &Filter, steps: &[Step]) -> Checked {
    let mut ordered = steps.to_vec();
    ordered.sort_by_key(|step| step.class.rank());
    for pair in ordered.windows(2) {
        let (warm, cold) = (pair[0], pair[1]);
        if warm.class == cold.class {
            return Err(request(format!(
                "'StorageClass' must be different for '{action}' actions in same 'Rule' with {}",
                described(filter)
            )));
        }
        let infrequent = matches!(warm.class, StorageClass::StandardIa | StorageClass::OnezoneIa);
        let (least, how) = if infrequent && unit != "Date" {
            (warm.day + i64::from(INFREQUENT_DAYS_MIN), format!("{INFREQUENT_DAYS_MIN} days more than"))
        } else {
            (warm.day + 1, "greater than".to_owned())
        };
        if cold.day < least {
            return Err(argument(format!(
                "'{unit}' in the '{action}' action for StorageClass '{}' for {} must be {how} '{unit}' in the '{action}' \
                 action for StorageClass '{}'",
                cold.class.name(),
                described(filter),
                warm.class.name()
            )));
        }
    }
    Ok(())
}

fn unit_of(when: When) -> &'static str {
    match when {
        When::Days(_) => "Days",
        When::Date(_) => "Date",
    }
}

/// Which rule a message is about.
fn described(filter: &Filter) -> String {
    let prefix = filter.prefix.as_deref();
    if filter.form == FilterForm::Prefix {
        return format!("prefix '{}'", prefix.unwrap_or_default());
    }
    let mut said: Vec<String> = prefix.map(|prefix| format!("prefix={prefix}")).into_iter().collect();
    said.extend(filter.tags.iter().map(|(name, value)| format!("tag: key={name}, value={value}")));
    said.extend(filter.larger_than.map(|bytes| format!("ObjectSizeGreaterThan={bytes}")));
    said.extend(filter.smaller_than.map(|bytes| format!("ObjectSizeLessThan={bytes}")));
    format!("filter '({})'", said.join(" and "))
}

fn malformed() -> RuleError {
    RuleError {
        kind: RuleErrorKind::Malformed,
        message: "The XML you provided was not well-formed or did not validate against our published schema"
            .into(),
    }
}

fn argument(message: impl Into<String>) -> RuleError {
    RuleError { kind: RuleErrorKind::Argument, message: message.into() }
}

fn request(message: impl Into<String>) -> RuleError {
    RuleError { kind: RuleErrorKind::Request, message: message.into() }
}

#[cfg(test)]
mod tests;
