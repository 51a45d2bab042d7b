//! How a table's files are to be read, as its SerDe and formats say.

use std::collections::BTreeMap;

use headwater_catalog::{QueryError, StorageDescriptor};

use crate::error::unsupported;

/// The form of a table's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// Parquet.
    Parquet,
    /// One JSON object a line; `skip_malformed` drops lines that don't fit instead of failing.
    Json {
        /// `ignore.malformed.json`.
        skip_malformed: bool,
    },
    /// Separated values.
    Separated(Separated),
}

/// How separated values are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Separated {
    /// Between fields.
    pub delimiter: u8,
    /// Around fields (the OpenCSV SerDe); `None` for plain delimited text.
    pub quote: Option<u8>,
    /// Before a character that stands for itself.
    pub escape: Option<u8>,
    /// The text of null, for plain delimited text.
    pub null: Option<String>,
    /// Lines to skip at the beginning of each file.
    pub header_lines: usize,
}

impl Form {
    /// The form that a storage descriptor and the table's parameters declare.
    pub fn of(storage: &StorageDescriptor, table: &BTreeMap<String, String>) -> Result<Self, QueryError> {
        let serde = storage.serde_library.as_deref().unwrap_or_default().to_lowercase();
        let input = storage.input_format.as_deref().unwrap_or_default().to_lowercase();
        let classification = parameter(storage, table, "classification").unwrap_or_default().to_lowercase();
        if serde.contains("parquet")
            || (serde.is_empty() && (input.contains("parquet") || classification == "parquet"))
        {
            return Ok(Self::Parquet);
        }
        for (mark, name) in
            [("orc", "ORC"), ("avro", "Avro"), ("ion", "Ion"), ("grok", "Grok"), ("regexserde", "RegexSerDe")]
        {
            if serde.contains(&format!(".{mark}")) || serde.ends_with(mark) || classification == mark {
                return Err(unsupported(format_args!("tables stored as {name} can't be read")));
            }
        }
        if serde.contains("json") || (serde.is_empty() && classification == "json") {
            let skip = parameter(storage, table, "ignore.malformed.json")
                .is_some_and(|text| text.eq_ignore_ascii_case("true"));
            return Ok(Self::Json { skip_malformed: skip });
        }
        if serde.contains("opencsv") {
            return Ok(Self::Separated(open_csv(storage, table)));
        }
        if serde.contains("lazysimple") || serde.contains("multidelim") || classification == "csv" {
            return delimited(storage, table).map(Self::Separated);
        }
        Err(QueryError::User(format!(
            "HIVE_UNSUPPORTED_FORMAT: the table's SerDe {:?} is not known",
            storage.serde_library.as_deref().unwrap_or("(none)")
        )))
    }
}

fn parameter<'a>(
    storage: &'a StorageDescriptor,
    table: &'a BTreeMap<String, String>,
    name: &str,
) -> Option<&'a str> {
    [&storage.serde_parameters, &storage.parameters, table]
        .into_iter()
        .find_map(|parameters| parameters.get(name))
        .map(String::as_str)
}

fn header_lines(storage: &StorageDescriptor, table: &BTreeMap<String, String>) -> usize {
    parameter(storage, table, "skip.header.line.count").and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn byte(text: Option<&str>) -> Option<u8> {
    let text = text?;
    match text {
        "\\t" => Some(b'\t'),
        "\\001" | "\\u0001" => Some(1),
        _ => text.parse::<u8>().ok().filter(|_| text.len() > 1).or_else(|| text.bytes().next()),
    }
}

fn open_csv(storage: &StorageDescriptor, table: &BTreeMap<String, String>) -> Separated {
    let get = |name| byte(parameter(storage, table, name));
    Separated {
        delimiter: get("separatorChar").unwrap_or(b','),
        quote: Some(get("quoteChar").unwrap_or(b'"')),
        escape: Some(get("escapeChar").unwrap_or(b'\\')),
        null: None,
        header_lines: header_lines(storage, table),
    }
}

fn delimited(storage: &StorageDescriptor, table: &BTreeMap<String, String>) -> Result<Separated, QueryError> {
    let delimiter = parameter(storage, table, "field.delim")
        .or_else(|| parameter(storage, table, "separatorChar"))
        .or_else(|| parameter(storage, table, "serialization.format"));
    if delimiter.is_some_and(|text| {
        text.len() > 1
            && byte(Some(text)).is_none_or(|b| b != 1 && b != b'\t')
            && !text.bytes().all(|b| b.is_ascii_digit())
    }) {
        return Err(unsupported("field delimiters of more than one character"));
    }
    Ok(Separated {
        delimiter: byte(delimiter).unwrap_or(1),
        quote: None,
        escape: byte(parameter(storage, table, "escape.delim")),
        null: Some(parameter(storage, table, "serialization.null.format").unwrap_or("\\N").to_owned()),
        header_lines: header_lines(storage, table),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(serde: &str, parameters: &[(&str, &str)]) -> Result<Form, QueryError> {
        let storage = StorageDescriptor {
            serde_library: Some(serde.to_owned()),
            serde_parameters: parameters.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            ..StorageDescriptor::default()
        };
        Form::of(&storage, &BTreeMap::new())
    }

    #[test]
    fn serdes_say_the_form() {
        let parquet = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe";
        assert_eq!(form(parquet, &[]).unwrap(), Form::Parquet);
        let json = form("org.openx.data.jsonserde.JsonSerDe", &[("ignore.malformed.json", "TRUE")]).unwrap();
        assert_eq!(json, Form::Json { skip_malformed: true });
        let Form::Separated(csv) =
            form("org.apache.hadoop.hive.serde2.OpenCSVSerde", &[("separatorChar", ";")]).unwrap()
        else {
            panic!("a CSV form")
        };
        assert_eq!((csv.delimiter, csv.quote), (b';', Some(b'"')));
        let lazy = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe";
        let Form::Separated(text) = form(lazy, &[("field.delim", "\t")]).unwrap() else {
            panic!("a text form")
        };
        assert_eq!((text.delimiter, text.quote), (b'\t', None));
    }

    #[test]
    fn unreadable_forms_are_named() {
        let error = form("org.apache.hadoop.hive.ql.io.orc.OrcSerde", &[]).unwrap_err();
        assert!(error.to_string().contains("ORC"), "{error}");
        assert!(
            form("com.example.Unknown", &[]).unwrap_err().to_string().starts_with("HIVE_UNSUPPORTED_FORMAT")
        );
    }
}
