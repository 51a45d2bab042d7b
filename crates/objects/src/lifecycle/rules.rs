//! The rules of a lifecycle as S3 writes them, and which objects they are about.

use std::collections::BTreeMap;

use headwater_base::{Chance, Timestamp};

use super::validate;
use crate::StorageClass;

/// The most rules a bucket may have.
pub const RULES_MAX: usize = 1000;

/// Objects smaller than this are not moved unless a rule's filter speaks of sizes: 128 KiB.
pub const TRANSITION_BYTES_MIN: u64 = 128 << 10;

/// A bucket's lifecycle. One that exists satisfies S3's rules for rules.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lifecycle {
    rules: Vec<Rule>,
    minimum: TransitionMinimum,
}

/// Which objects are too small to be moved, when a filter does not say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TransitionMinimum {
    /// `all_storage_classes_128K`.
    #[default]
    All128K,
    /// `varies_by_storage_class`: `GLACIER` and `DEEP_ARCHIVE` take objects of every size.
    VariesByClass,
}

/// One rule. What its numbers may be is checked when it becomes part of a [`Lifecycle`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rule {
    /// Unique in its lifecycle, at most 255 characters; an empty one is replaced by one of chance's.
    pub id: String,
    /// Whether it is in force.
    pub enabled: bool,
    /// Which objects it is about.
    pub filter: Filter,
    /// When current objects expire.
    pub expiration: Option<Expiration>,
    /// When current objects move to other classes.
    pub transitions: Vec<Transition>,
    /// When versions expire that others have succeeded.
    pub noncurrent_expiration: Option<NoncurrentExpiration>,
    /// When versions move that others have succeeded.
    pub noncurrent_transitions: Vec<NoncurrentTransition>,
    /// After how many days a multipart upload is given up.
    pub abort_uploads_days: Option<i32>,
}

/// Which objects a rule is about: all that satisfy everything it says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    /// How it was written.
    pub form: FilterForm,
    /// What keys begin with.
    pub prefix: Option<String>,
    /// Tags objects have, with these values.
    pub tags: Vec<(String, String)>,
    /// Bodies have more bytes than this.
    pub larger_than: Option<i64>,
    /// Bodies have fewer bytes than this.
    pub smaller_than: Option<i64>,
}

/// How a filter was written; it is given back like that.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FilterForm {
    /// A `Prefix` of the rule, without a `Filter`: how S3 wrote rules once.
    Prefix,
    /// A `Filter` that says one thing or nothing.
    #[default]
    Single,
    /// A `Filter` with `And`.
    And,
}

/// A number of days or a date.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// That many days after the object was put.
    Days(i32),
    /// From that midnight UTC on.
    Date(Timestamp),
}

/// What happens to current objects at their end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expiration {
    /// They expire.
    At(When),
    /// A delete marker that hides nothing any more goes.
    ExpiredMarkers,
    /// `ExpiredObjectDeleteMarker` said to be false, and nothing else: nothing happens.
    Nothing,
}

/// A move of current objects to another class.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transition {
    /// When.
    pub when: When,
    /// Where to.
    pub class: StorageClass,
}

/// The end of versions that others have succeeded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoncurrentExpiration {
    /// That many days after they were succeeded.
    pub days: i32,
    /// How many of the newest are kept all the same.
    pub newer_kept: Option<i32>,
}

/// A move to another class of versions that others have succeeded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoncurrentTransition {
    /// That many days after they were succeeded.
    pub days: i32,
    /// How many of the newest stay all the same.
    pub newer_kept: Option<i32>,
    /// Where to.
    pub class: StorageClass,
}

/// Why rules are not accepted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct RuleError {
    /// Which of S3's codes it is.
    pub kind: RuleErrorKind,
    /// What is wrong.
    pub message: String,
}

/// What kind of mistake a rule has, by S3's codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RuleErrorKind {
    /// `MalformedXML`: not of the form a lifecycle has.
    Malformed,
    /// `InvalidArgument`: a value out of its bounds.
    Argument,
    /// `InvalidRequest`: values that contradict one another.
    Request,
}

impl Lifecycle {
    /// The lifecycle of these rules, if S3 would take them.
    ///
    /// # Errors
    /// The first mistake found.
    pub fn new(mut rules: Vec<Rule>, minimum: TransitionMinimum, chance: &Chance) -> Result<Self, RuleError> {
        for rule in rules.iter_mut().filter(|rule| rule.id.is_empty()) {
            rule.id = chance.uuid().to_string();
        }
        validate::check(&rules)?;
        Ok(Self { rules, minimum })
    }

    /// A lifecycle as it was stored: it was checked when it was made.
    pub(crate) fn stored(rules: Vec<Rule>, minimum: TransitionMinimum) -> Self {
        Self { rules, minimum }
    }

    /// Its rules, in the order they were given.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Which objects are too small to be moved.
    pub fn minimum(&self) -> TransitionMinimum {
        self.minimum
    }

    /// Whether objects of `size` bytes are too small for a move to `class` that `filter` asks for.
    pub(crate) fn too_small(&self, filter: &Filter, size: u64, class: StorageClass) -> bool {
        let every_size = self.minimum == TransitionMinimum::VariesByClass && class.is_archive();
        let says_sizes = filter.larger_than.is_some() || filter.smaller_than.is_some();
        size < TRANSITION_BYTES_MIN && !every_size && !says_sizes
    }
}

impl TransitionMinimum {
    /// S3's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::All128K => "all_storage_classes_128K",
            Self::VariesByClass => "varies_by_storage_class",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::All128K, Self::VariesByClass].into_iter().find(|minimum| minimum.name() == name)
    }
}

impl Filter {
    /// Whether it lets an object with a body pass.
    pub(crate) fn takes(&self, key: &str, size: u64, tags: &BTreeMap<String, String>) -> bool {
        self.takes_key(key)
            && self.tags.iter().all(|(name, value)| tags.get(name) == Some(value))
            && self.larger_than.is_none_or(|bound| size > bound.unsigned_abs())
            && self.smaller_than.is_none_or(|bound| size < bound.unsigned_abs())
    }

    /// Whether it lets a key pass that has neither tags nor a size: a delete marker's, an upload's.
    pub(crate) fn takes_bare(&self, key: &str) -> bool {
        let bare = self.tags.is_empty() && self.larger_than.is_none() && self.smaller_than.is_none();
        bare && self.takes_key(key)
    }

    fn takes_key(&self, key: &str) -> bool {
        self.prefix.as_deref().is_none_or(|prefix| key.starts_with(prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_ask_for_everything_they_say() {
        let tags = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
        let filter = Filter {
            form: FilterForm::And,
            prefix: Some("logs/".into()),
            tags: vec![("a".into(), "1".into())],
            larger_than: Some(10),
            smaller_than: Some(20),
        };
        assert!(filter.takes("logs/x", 11, &tags));
        assert!(!filter.takes("log", 11, &tags));
        assert!(!filter.takes("logs/x", 10, &tags) && !filter.takes("logs/x", 20, &tags));
        assert!(!filter.takes("logs/x", 11, &BTreeMap::new()));
        assert!(!filter.takes_bare("logs/x"), "what has no tags and no size is not meant");
        assert!(Filter::default().takes_bare("anything") && Filter::default().takes("x", 0, &tags));
    }

    #[test]
    fn small_objects_stay_unless_a_filter_speaks_of_sizes() {
        let lifecycle = |minimum| Lifecycle { rules: Vec::new(), minimum };
        let (all, varies) =
            (lifecycle(TransitionMinimum::All128K), lifecycle(TransitionMinimum::VariesByClass));
        let plain = Filter::default();
        let sized = Filter { larger_than: Some(1), ..Filter::default() };
        assert!(all.too_small(&plain, TRANSITION_BYTES_MIN - 1, StorageClass::Glacier));
        assert!(!all.too_small(&plain, TRANSITION_BYTES_MIN, StorageClass::Glacier));
        assert!(!all.too_small(&sized, 5, StorageClass::Glacier));
        assert!(!varies.too_small(&plain, 5, StorageClass::DeepArchive));
        assert!(varies.too_small(&plain, 5, StorageClass::StandardIa));
        assert_eq!(
            TransitionMinimum::named("varies_by_storage_class"),
            Some(TransitionMinimum::VariesByClass)
        );
        assert_eq!(TransitionMinimum::named("x"), None);
    }
}
