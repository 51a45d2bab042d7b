//! PutMetricData as a form: the Query protocol.
//!
//! `MetricData.member.1.Dimensions.member.2.Name=Operation&…`: members are numbered from one, in any
//! order.
//!
//! **Failure.** Forms come from clients: reading never panics, and numbers say where a member goes in
//! the order, not how much memory is taken.

use std::collections::BTreeMap;

use headwater_wire::Fault;
use percent_encoding::percent_decode_str;

use crate::shapes::{Dimension, EntityMetricData, MetricDatum, PutMetricDataInput, StatisticSet};

/// How deep names may nest; the deepest that mean something have ten parts.
const DEPTH_MAX: usize = 12;

/// A form's members as a tree of names.
#[derive(Debug, Default)]
struct Node {
    text: Option<String>,
    members: BTreeMap<String, Self>,
}

/// The value of a form's top-level member.
pub(crate) fn top(body: &[u8], name: &str) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let mut pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).and_then(|(_, value)| decoded(value))
}

/// Reads the form.
pub(crate) fn read(body: &[u8]) -> Result<PutMetricDataInput, Fault> {
    let malformed = || Fault::client("MalformedQueryString", "The query string contains a syntax error.");
    let text = std::str::from_utf8(body).map_err(|_| malformed())?;
    let mut root = Node::default();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = decoded(name).zip(decoded(value)).ok_or_else(malformed)?;
        root.put(&name, value).ok_or_else(malformed)?;
    }
    Ok(PutMetricDataInput {
        namespace: root.text("Namespace"),
        metric_data: root.list("MetricData", datum)?,
        entity_metric_data: root.list("EntityMetricData", |node, path| {
            Ok(EntityMetricData { metric_data: node.list_at(path, "MetricData", datum)? })
        })?,
    })
}

fn datum(node: &Node, path: &str) -> Result<MetricDatum, Fault> {
    let statistics = node.members.get("StatisticValues").map(|set| {
        let path = format!("{path}.StatisticValues");
        Ok::<_, Fault>(StatisticSet {
            sample_count: set.number(&path, "SampleCount")?,
            sum: set.number(&path, "Sum")?,
            minimum: set.number(&path, "Minimum")?,
            maximum: set.number(&path, "Maximum")?,
        })
    });
    let plain = |node: &Node, path: &str| number(path, node.text.as_deref().unwrap_or_default());
    Ok(MetricDatum {
        metric_name: node.text("MetricName"),
        dimensions: node.list_at(path, "Dimensions", |node, _| {
            Ok(Dimension { name: node.text("Name"), value: node.text("Value") })
        })?,
        value: node.number(path, "Value")?,
        statistic_values: statistics.transpose()?,
        values: node.list_at(path, "Values", plain)?,
        counts: node.list_at(path, "Counts", plain)?,
        unit: node.text("Unit"),
    })
}

impl Node {
    /// Puts text under a dotted name; `None` when the name nests too deeply.
    fn put(&mut self, name: &str, text: String) -> Option<()> {
        let mut node = self;
        for (depth, part) in name.split('.').enumerate() {
            if depth == DEPTH_MAX {
                return None;
            }
            node = node.members.entry(part.to_owned()).or_default();
        }
        node.text = Some(text);
        Some(())
    }

    fn text(&self, name: &str) -> Option<String> {
        self.members.get(name)?.text.clone()
    }

    fn number(&self, path: &str, name: &str) -> Result<Option<f64>, Fault> {
        self.text(name).map(|text| number(&format!("{path}.{name}"), &text)).transpose()
    }

    fn list<T>(
        &self,
        name: &str,
        read: impl Fn(&Self, &str) -> Result<T, Fault>,
    ) -> Result<Option<Vec<T>>, Fault> {
        self.list_at("", name, read)
    }

    /// The members of a list in the order of their numbers.
    fn list_at<T>(
        &self,
        path: &str,
        name: &str,
        read: impl Fn(&Self, &str) -> Result<T, Fault>,
    ) -> Result<Option<Vec<T>>, Fault> {
        let Some(list) = self.members.get(name) else { return Ok(None) };
        let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let Some(members) = list.members.get("member") else { return Ok(Some(Vec::new())) };
        let mut numbered: Vec<(u32, &Self)> = Vec::with_capacity(members.members.len());
        for (number, node) in &members.members {
            let number = number.parse().map_err(|_| {
                Fault::client("MalformedInput", format!("Key (value) pair {path}.member is not numbered."))
            })?;
            numbered.push((number, node));
        }
        numbered.sort_by_key(|(number, _)| *number);
        let read = numbered.into_iter().map(|(number, node)| read(node, &format!("{path}.member.{number}")));
        read.collect::<Result<_, _>>().map(Some)
    }
}

fn number(path: &str, text: &str) -> Result<f64, Fault> {
    text.parse()
        .map_err(|_| Fault::client("MalformedInput", format!("The parameter {path} must be a number.")))
}

/// Undoes the escaping of a form.
fn decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn forms_are_read_in_the_order_of_their_numbers() {
        let form = "Action=PutMetricData&Version=2010-08-01&Namespace=my%2Fapp+1\
            &MetricData.member.10.MetricName=last&MetricData.member.10.Value=1e3\
            &MetricData.member.2.MetricName=first&MetricData.member.2.Unit=Count\
            &MetricData.member.2.Dimensions.member.1.Name=Shard&MetricData.member.2.Dimensions.member.1.Value=a%3Db\
            &MetricData.member.2.StatisticValues.SampleCount=2&MetricData.member.2.StatisticValues.Sum=3\
            &MetricData.member.2.StatisticValues.Minimum=1&MetricData.member.2.StatisticValues.Maximum=2\
            &MetricData.member.2.Timestamp=2026-01-02T03%3A04%3A05Z\
            &MetricData.member.11.MetricName=many&MetricData.member.11.Values.member.1=1&MetricData.member.11.Values.member.2=2";
        let input = read(form.as_bytes()).unwrap();
        assert_eq!(input.namespace.as_deref(), Some("my/app 1"));
        let data = input.metric_data.unwrap();
        let names: Vec<_> = data.iter().map(|datum| datum.metric_name.as_deref().unwrap()).collect();
        assert_eq!(names, ["first", "last", "many"]);
        assert_eq!(data[0].statistic_values.as_ref().unwrap().sum, Some(3.0));
        assert_eq!(data[0].dimensions.as_ref().unwrap()[0].value.as_deref(), Some("a=b"));
        assert_eq!((data[1].value, data[2].values.clone()), (Some(1000.0), Some(vec![1.0, 2.0])));
        assert_eq!(top(form.as_bytes(), "Action").as_deref(), Some("PutMetricData"));
    }

    #[test]
    fn forms_that_make_no_sense_are_refused() {
        for form in [
            "MetricData.member.x.Value=1",
            "MetricData.member.1.Value=one",
            "Namespace=%ff",
            &format!("{}=1", vec!["a"; 20].join(".")),
        ] {
            assert!(read(form.as_bytes()).is_err(), "{form}");
        }
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>, text in "[A-Za-z.=&%0-9+]{0,200}") {
            crate::fuzz_form(&bytes);
            crate::fuzz_form(text.as_bytes());
        }
    }
}
