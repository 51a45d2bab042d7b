//! Execution parameters: each `?` outside quotes and comments stands for the next one.

use headwater_wire::Fault;

use crate::fault;

/// The statement with its parameters in place.
pub fn bind(sql: &str, parameters: &[String]) -> Result<String, Fault> {
    let mut text = String::with_capacity(sql.len());
    let mut parameters_left = parameters.iter();
    let mut chars = sql.chars().peekable();
    let mut quote: Option<char> = None;
    while let Some(c) = chars.next() {
        match quote {
            Some(open) => {
                if c == open {
                    quote = None;
                }
                text.push(c);
            }
            None if c == '\'' || c == '"' => {
                quote = Some(c);
                text.push(c);
            }
            None if c == '-' && chars.peek() == Some(&'-') => {
                text.push(c);
                for c in chars.by_ref() {
                    text.push(c);
                    if c == '\n' {
                        break;
                    }
                }
            }
            None if c == '?' => match parameters_left.next() {
                Some(parameter) => text.push_str(parameter),
                None => return Err(wrong_count(parameters)),
            },
            None => text.push(c),
        }
    }
    if parameters_left.next().is_some() {
        return Err(wrong_count(parameters));
    }
    Ok(text)
}

fn wrong_count(parameters: &[String]) -> Fault {
    fault::invalid(format!("Incorrect number of parameters: found {}", parameters.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_outside_quotes_are_bound() {
        let parameters = ["1".to_owned(), "'x?'".to_owned()];
        let sql = "SELECT '?', \"?\", ? -- ?\n, ?";
        assert_eq!(bind(sql, &parameters).unwrap(), "SELECT '?', \"?\", 1 -- ?\n, 'x?'");
        assert!(bind("SELECT ?", &parameters).is_err());
        assert!(bind("SELECT ?, ?, ?", &parameters).is_err());
    }
}
