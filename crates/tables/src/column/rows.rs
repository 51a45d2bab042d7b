//! Rows under construction: the columns of an object, and how its keys find them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, StructArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::Fields;

use super::{Column, Problem};
use crate::json::{Bad, Scanner, Text};

/// How many positions of an object's usual key order are remembered.
const GUESSES_MAX: usize = 1024;
/// How far ahead in the usual order a key is looked for before it is hashed.
const GUESS_WINDOW: usize = 4;

/// How keys are matched with columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KeyRules {
    pub(crate) ignore_case: bool,
    pub(crate) dots_to_underscores: bool,
    /// JSON key → column, for columns that are filled from another key. Top level only.
    pub(crate) renamed: HashMap<String, String>,
}

impl KeyRules {
    fn normal(&self, key: &str) -> String {
        let folded = if self.ignore_case { key.to_lowercase() } else { key.to_owned() };
        if self.dots_to_underscores { folded.replace('.', "_") } else { folded }
    }

    pub(super) fn nested(&self) -> Self {
        Self { renamed: HashMap::new(), ..self.clone() }
    }
}

/// The columns of an object, and how its keys find them.
#[derive(Debug)]
pub(crate) struct Rows {
    columns: Vec<Column>,
    rules: KeyRules,
    by_name: HashMap<String, usize>,
    /// Keys in the order objects usually have them, with their column if they have one.
    guesses: Vec<(Box<str>, Option<usize>)>,
    known: HashMap<Box<str>, Option<usize>>,
    rows: usize,
}

impl Rows {
    pub(crate) fn new(fields: &Fields, rules: KeyRules) -> Self {
        let columns: Vec<Column> = fields.iter().map(|field| Column::new(field, &rules)).collect();
        let mut by_name: HashMap<String, usize> =
            fields.iter().enumerate().map(|(i, field)| (rules.normal(field.name()), i)).collect();
        let renamed: Vec<(String, usize)> = (rules.renamed.iter())
            .filter_map(|(key, column)| Some((rules.normal(key), *by_name.get(&rules.normal(column))?)))
            .collect();
        by_name.extend(renamed);
        Self { columns, rules, by_name, guesses: Vec::new(), known: HashMap::new(), rows: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    pub(crate) fn columns_mut(&mut self) -> &mut [Column] {
        &mut self.columns
    }

    /// Counts the row whose every column was filled one by one.
    pub(crate) fn close_row(&mut self) {
        self.rows += 1;
    }

    pub(super) fn push_null(&mut self) {
        self.columns.iter_mut().for_each(Column::push_null);
        self.rows += 1;
    }

    pub(crate) fn truncate(&mut self, rows: usize) {
        self.columns.iter_mut().for_each(|column| column.truncate(rows));
        self.rows = rows;
    }

    /// Reads an object whose opening bracket was passed.
    pub(crate) fn push_object(&mut self, scanner: &mut Scanner<'_>, depth: usize) -> Result<(), Problem> {
        let mut first = true;
        let mut place = 0;
        while let Some(key) = scanner.next_key(first)? {
            first = false;
            match self.column_of(key, &mut place)? {
                None => scanner.skip(depth)?,
                Some(index) => {
                    let column = &mut self.columns[index];
                    if column.len() > self.rows {
                        column.truncate(self.rows); // A key that comes twice: the last one counts.
                    }
                    column.push_json(scanner, depth).map_err(|p| p.within(column.field.name()))?;
                }
            }
        }
        for column in &mut self.columns {
            if column.len() == self.rows {
                column.push_missing().map_err(|p| p.within(column.field.name()))?;
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// The column a key names; `place` is where in the usual order it is expected.
    fn column_of(&mut self, key: Text<'_>, place: &mut usize) -> Result<Option<usize>, Bad> {
        if key.escaped {
            let meaning = key.to_cow()?;
            return Ok(self.by_name.get(&self.rules.normal(&meaning)).copied());
        }
        for (ahead, (guess, column)) in self.guesses.iter().enumerate().skip(*place).take(GUESS_WINDOW) {
            if **guess == *key.raw {
                *place = ahead + 1;
                return Ok(*column);
            }
        }
        if let Some(column) = self.known.get(key.raw) {
            return Ok(*column);
        }
        let column = self.by_name.get(&self.rules.normal(key.raw)).copied();
        if self.guesses.len() < GUESSES_MAX {
            self.known.insert(key.raw.into(), column);
            self.guesses.insert((*place).min(self.guesses.len()), (key.raw.into(), column));
            *place += 1;
        }
        Ok(column)
    }

    /// The finished columns.
    pub(crate) fn finish(self) -> Vec<ArrayRef> {
        self.columns.into_iter().map(Column::finish).collect()
    }

    pub(super) fn finish_struct(self, len: usize, nulls: Option<NullBuffer>) -> StructArray {
        let fields: Fields = self.columns.iter().map(|c| Arc::clone(&c.field)).collect::<Vec<_>>().into();
        if fields.is_empty() {
            return StructArray::new_empty_fields(len, nulls);
        }
        StructArray::new(fields, self.finish(), nulls)
    }
}
