//! What was published, checked.

use headwater_wire::Fault;

use crate::shapes::{MetricDatum, PutMetricDataInput, StatisticSet};

/// The most data of a request.
const DATA_MAX: usize = 1000;
/// The most dimensions of a metric.
const DIMENSIONS_MAX: usize = 30;
/// The most distinct values of a datum.
const VALUES_MAX: usize = 150;
/// The longest namespace, metric name and dimension name.
const NAME_CHARS_MAX: usize = 255;
/// The longest dimension value.
const VALUE_CHARS_MAX: usize = 1024;
/// The largest magnitude of a value.
const MAGNITUDE_MAX: f64 = 2.0e108;

/// Samples of one metric.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Datum {
    pub(crate) metric: String,
    /// Sorted by name.
    pub(crate) dimensions: Vec<(String, String)>,
    pub(crate) unit: String,
    pub(crate) samples: f64,
    pub(crate) sum: f64,
}

/// The namespace and the data of a request.
///
/// # Errors
/// In the service's words, about the first thing that is wrong.
pub(crate) fn read(input: PutMetricDataInput) -> Result<(String, Vec<Datum>), Fault> {
    let namespace = name("Namespace", input.namespace)?;
    let entities = input.entity_metric_data.unwrap_or_default();
    let mut shapes = input.metric_data.unwrap_or_default();
    shapes.extend(entities.into_iter().flat_map(|entity| entity.metric_data.unwrap_or_default()));
    if shapes.is_empty() {
        return Err(missing("MetricData"));
    }
    if shapes.len() > DATA_MAX {
        return Err(Fault::client(
            "InvalidParameterValue",
            format!("The collection MetricData must not have a size greater than {DATA_MAX}."),
        ));
    }
    let data = (1..).zip(shapes).map(|(n, shape)| datum(&format!("MetricData.member.{n}"), shape));
    Ok((namespace, data.collect::<Result<_, _>>()?))
}

fn datum(path: &str, shape: MetricDatum) -> Result<Datum, Fault> {
    let metric = name(&format!("{path}.MetricName"), shape.metric_name)?;
    let given = shape.dimensions.unwrap_or_default();
    if given.len() > DIMENSIONS_MAX {
        return Err(Fault::client(
            "InvalidParameterValue",
            format!("The collection {path}.Dimensions must not have a size greater than {DIMENSIONS_MAX}."),
        ));
    }
    let mut dimensions = Vec::with_capacity(given.len());
    for (n, dimension) in (1..).zip(given) {
        let path = format!("{path}.Dimensions.member.{n}");
        let value = dimension.value.ok_or_else(|| missing(&format!("{path}.Value")))?;
        if value.is_empty() || value.chars().count() > VALUE_CHARS_MAX {
            return Err(wrong(&format!("{path}.Value"), "must be 1 to 1024 characters long"));
        }
        dimensions.push((name(&format!("{path}.Name"), dimension.name)?, value));
    }
    dimensions.sort();
    let (samples, sum) = match (shape.value, shape.statistic_values, shape.values) {
        (Some(value), None, None) => (1.0, number(&format!("{path}.Value"), value)?),
        (None, Some(set), None) => statistics(&format!("{path}.StatisticValues"), &set)?,
        (None, None, Some(values)) => weighted(path, &values, shape.counts.as_deref())?,
        (None, None, None) => {
            let message = format!(
                "At least one of the parameters {path}.Value, {path}.Values or {path}.StatisticValues must be specified."
            );
            return Err(Fault::client("MissingParameter", message));
        }
        _ => {
            let message = format!(
                "The parameters {path}.Value, {path}.Values and {path}.StatisticValues are mutually exclusive and you have \
                 specified more than one."
            );
            return Err(Fault::client("InvalidParameterCombination", message));
        }
    };
    let unit = shape.unit.unwrap_or_else(|| "None".to_owned());
    Ok(Datum { metric, dimensions, unit: unit.chars().take(NAME_CHARS_MAX).collect(), samples, sum })
}

fn statistics(path: &str, set: &StatisticSet) -> Result<(f64, f64), Fault> {
    let required = |name: &str, value: Option<f64>| {
        let path = format!("{path}.{name}");
        number(&path, value.ok_or_else(|| missing(&path))?)
    };
    let (count, sum) = (required("SampleCount", set.sample_count)?, required("Sum", set.sum)?);
    let (least, most) = (required("Minimum", set.minimum)?, required("Maximum", set.maximum)?);
    if count <= 0.0 {
        return Err(wrong(&format!("{path}.SampleCount"), "must be greater than 0"));
    }
    if least > most {
        return Err(wrong(&format!("{path}.Maximum"), "must be greater than or equal to Minimum"));
    }
    Ok((count, sum))
}

fn weighted(path: &str, values: &[f64], counts: Option<&[f64]>) -> Result<(f64, f64), Fault> {
    if values.is_empty() || values.len() > VALUES_MAX {
        return Err(wrong(&format!("{path}.Values"), "must have 1 to 150 members"));
    }
    if counts.is_some_and(|counts| counts.len() != values.len()) {
        return Err(wrong(&format!("{path}.Counts"), "must have as many members as Values"));
    }
    let (mut samples, mut sum) = (0.0, 0.0);
    for (at, value) in values.iter().enumerate() {
        let count = counts.map_or(1.0, |counts| counts[at]);
        let count = number(&format!("{path}.Counts"), count)?;
        if count <= 0.0 {
            return Err(wrong(&format!("{path}.Counts"), "must be greater than 0"));
        }
        samples += count;
        sum += count * number(&format!("{path}.Values"), *value)?;
    }
    Ok((samples, sum))
}

fn number(path: &str, value: f64) -> Result<f64, Fault> {
    if value.is_finite() && value.abs() <= MAGNITUDE_MAX {
        return Ok(value);
    }
    Err(wrong(path, "must be a number between -2^360 and 2^360"))
}

fn name(path: &str, value: Option<String>) -> Result<String, Fault> {
    let value = value.ok_or_else(|| missing(path))?;
    if value.is_empty() || value.chars().count() > NAME_CHARS_MAX {
        return Err(wrong(path, "must be 1 to 255 characters long"));
    }
    Ok(value)
}

fn missing(path: &str) -> Fault {
    Fault::client("MissingParameter", format!("The parameter {path} is required."))
}

fn wrong(path: &str, rule: &str) -> Fault {
    Fault::client("InvalidParameterValue", format!("The parameter {path} {rule}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_json(json: serde_json::Value) -> Result<Vec<Datum>, String> {
        let input = serde_json::from_value(json).unwrap();
        read(input).map(|(_, data)| data).map_err(|fault| format!("{}: {}", fault.code, fault.message))
    }

    fn one(datum: serde_json::Value) -> Result<(f64, f64), String> {
        let data = read_json(serde_json::json!({"Namespace": "KCL", "MetricData": [datum]}))?;
        Ok((data[0].samples, data[0].sum))
    }

    #[test]
    fn each_way_to_say_samples_counts() {
        let ways = [
            (serde_json::json!({"MetricName": "m", "Value": 2.5}), (1.0, 2.5)),
            (serde_json::json!({"MetricName": "m", "Values": [1.0, 2.0]}), (2.0, 3.0)),
            (serde_json::json!({"MetricName": "m", "Values": [1.0, 2.0], "Counts": [3.0, 1.0]}), (4.0, 5.0)),
            (
                serde_json::json!({"MetricName": "m",
                    "StatisticValues": {"SampleCount": 4.0, "Sum": 10.0, "Minimum": 1.0, "Maximum": 4.0}}),
                (4.0, 10.0),
            ),
        ];
        for (datum, samples) in ways {
            assert_eq!(one(datum), Ok(samples));
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (datum, code) in [
            (serde_json::json!({"Value": 1.0}), "MissingParameter"),
            (serde_json::json!({"MetricName": "m"}), "MissingParameter"),
            (
                serde_json::json!({"MetricName": "m", "Value": 1.0, "Values": [1.0]}),
                "InvalidParameterCombination",
            ),
            (serde_json::json!({"MetricName": "m", "Value": 1e200}), "InvalidParameterValue"),
            (serde_json::json!({"MetricName": "m", "Values": [1.0], "Counts": []}), "InvalidParameterValue"),
            (
                serde_json::json!({"MetricName": "m", "Value": 1.0, "Dimensions": [{"Name": "d"}]}),
                "MissingParameter",
            ),
        ] {
            let error = one(datum.clone()).unwrap_err();
            assert!(error.starts_with(code), "{datum}: {error}");
        }
        let nothing = read_json(serde_json::json!({"Namespace": "KCL", "MetricData": []}));
        assert_eq!(nothing.unwrap_err(), "MissingParameter: The parameter MetricData is required.");
        let many = vec![serde_json::json!({"MetricName": "m", "Value": 1.0}); 1001];
        let many = read_json(serde_json::json!({"Namespace": "KCL", "MetricData": many}));
        assert!(many.unwrap_err().starts_with("InvalidParameterValue"));
    }
}
