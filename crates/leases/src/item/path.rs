//! Document paths: `attribute`, `attribute.member`, `attribute[3].member`.

use std::collections::BTreeMap;
use std::fmt;

use super::{Item, Value};

/// Where a value is in an item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path {
    /// The attribute.
    pub(crate) attribute: String,
    /// From there on.
    pub(crate) steps: Vec<Step>,
}

/// A step into a map or a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Member(String),
    Index(usize),
}

impl Path {
    /// The path of a whole attribute.
    pub(crate) fn attribute(name: impl Into<String>) -> Self {
        Self { attribute: name.into(), steps: Vec::new() }
    }

    /// The value there.
    pub(crate) fn find<'i>(&self, item: &'i Item) -> Option<&'i Value> {
        let mut at = item.get(&self.attribute)?;
        for step in &self.steps {
            at = match (step, at) {
                (Step::Member(name), Value::Map(members)) => members.get(name)?,
                (Step::Index(index), Value::List(values)) => values.get(*index)?,
                _ => return None,
            };
        }
        Some(at)
    }

    /// Puts `value` there. Says whether what holds it is there to be changed; past a list's end it
    /// is appended.
    #[must_use]
    pub(crate) fn set(&self, item: &mut Item, value: Value) -> bool {
        let Some((last, steps)) = self.steps.split_last() else {
            item.insert(self.attribute.clone(), value);
            return true;
        };
        match (last, self.holder(item, steps)) {
            (Step::Member(name), Some(Value::Map(members))) => {
                members.insert(name.clone(), value);
                true
            }
            (Step::Index(index), Some(Value::List(values))) => {
                match values.get_mut(*index) {
                    Some(place) => *place = value,
                    None => values.push(value),
                }
                true
            }
            _ => false,
        }
    }

    /// Takes away what is there, if anything is. Says whether what would hold it is there.
    #[must_use]
    pub(crate) fn remove(&self, item: &mut Item) -> bool {
        let Some((last, steps)) = self.steps.split_last() else {
            item.remove(&self.attribute);
            return true;
        };
        match (last, self.holder(item, steps)) {
            (Step::Member(name), Some(Value::Map(members))) => {
                members.remove(name);
                true
            }
            (Step::Index(index), Some(Value::List(values))) => {
                if *index < values.len() {
                    values.remove(*index);
                }
                true
            }
            _ => false,
        }
    }

    /// Whether one of the paths is, or lies within, the other.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.attribute == other.attribute && self.steps.iter().zip(&other.steps).all(|(a, b)| a == b)
    }

    /// Whether the paths ask one value to be a list and a map at once.
    pub(crate) fn conflicts(&self, other: &Self) -> bool {
        let first_difference = self.steps.iter().zip(&other.steps).find(|(a, b)| a != b);
        self.attribute == other.attribute
            && matches!(
                first_difference,
                Some((Step::Member(_), Step::Index(_)) | (Step::Index(_), Step::Member(_)))
            )
    }

    fn holder<'i>(&self, item: &'i mut Item, steps: &[Step]) -> Option<&'i mut Value> {
        let mut at = item.get_mut(&self.attribute)?;
        for step in steps {
            at = match (step, at) {
                (Step::Member(name), Value::Map(members)) => members.get_mut(name)?,
                (Step::Index(index), Value::List(values)) => values.get_mut(*index)?,
                _ => return None,
            };
        }
        Some(at)
    }
}

impl fmt::Display for Path {
    /// As the service's messages write it: `[a, b, [2]]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}", self.attribute)?;
        for step in &self.steps {
            match step {
                Step::Member(name) => write!(f, ", {name}")?,
                Step::Index(index) => write!(f, ", [{index}]")?,
            }
        }
        f.write_str("]")
    }
}

/// Paths put together, to take just what they point at out of an item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PathTree {
    attributes: BTreeMap<String, Node>,
}

/// The paths from one value on; without any, the whole value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Node {
    steps: BTreeMap<Step, Self>,
}

impl PathTree {
    /// The tree of these paths.
    pub(crate) fn of<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Self {
        let mut tree = Self::default();
        for path in paths {
            let mut node = tree.attributes.entry(path.attribute.clone()).or_default();
            for step in &path.steps {
                node = node.steps.entry(step.clone()).or_default();
            }
        }
        tree
    }

    /// What the paths point at, in the shape it has in `item`.
    pub(crate) fn project(&self, item: &Item) -> Item {
        let found = self.attributes.iter().filter_map(|(name, node)| {
            let value = node.project(item.get(name)?)?;
            Some((name.clone(), value))
        });
        found.collect()
    }
}

impl Node {
    fn project(&self, value: &Value) -> Option<Value> {
        if self.steps.is_empty() {
            return Some(value.clone());
        }
        match value {
            Value::Map(members) => {
                let found = self.steps.iter().filter_map(|(step, node)| match step {
                    Step::Member(name) => Some((name.clone(), node.project(members.get(name)?)?)),
                    Step::Index(_) => None,
                });
                let found: Item = found.collect();
                (!found.is_empty()).then_some(Value::Map(found))
            }
            Value::List(values) => {
                let found = self.steps.iter().filter_map(|(step, node)| match step {
                    Step::Index(index) => node.project(values.get(*index)?),
                    Step::Member(_) => None,
                });
                let found: Vec<Value> = found.collect();
                (!found.is_empty()).then_some(Value::List(found))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(attribute: &str, steps: &[Step]) -> Path {
        Path { attribute: attribute.to_owned(), steps: steps.to_vec() }
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn values_are_found_set_and_removed_in_depth() {
        let list = Value::List(vec![text("x"), Value::Map(Item::from([("m".to_owned(), text("y"))]))]);
        let mut item = Item::from([("a".to_owned(), list)]);
        let deep = path("a", &[Step::Index(1), Step::Member("m".to_owned())]);
        assert_eq!(deep.find(&item), Some(&text("y")));
        assert!(deep.set(&mut item, text("z")));
        assert_eq!(PathTree::of([&deep]).project(&item).len(), 1);
        assert!(path("a", &[Step::Index(9)]).set(&mut item, text("end")));
        assert_eq!(path("a", &[Step::Index(2)]).find(&item), Some(&text("end")));
        assert!(path("a", &[Step::Index(0)]).remove(&mut item));
        let deep = path("a", &[Step::Index(0), Step::Member("m".to_owned())]);
        assert_eq!(deep.find(&item), Some(&text("z")));
        assert!(!path("b", &[Step::Index(0)]).set(&mut item, text("no")));
        assert!(!path("a", &[Step::Member("m".to_owned())]).remove(&mut item));
    }

    #[test]
    fn paths_overlap_and_conflict() {
        let (a, ab) = (path("a", &[]), path("a", &[Step::Member("b".to_owned())]));
        assert!(a.overlaps(&ab) && ab.overlaps(&a) && !a.conflicts(&ab));
        let indexed = path("a", &[Step::Index(0)]);
        assert!(ab.conflicts(&indexed) && !ab.overlaps(&indexed));
        assert_eq!(path("a", &[Step::Member("b".to_owned()), Step::Index(2)]).to_string(), "[a, b, [2]]");
    }
}
