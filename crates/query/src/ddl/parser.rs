//! Tokens to statements, by recursive descent. One level deep save for types, whose depth is
//! bounded.

use std::collections::BTreeMap;

use headwater_catalog::QueryError;

use super::cursor::{Parsed, Parser, refuse_at};
use super::lexer::{Token, tokens};
use super::statement::{
    ColumnDefinition, CreateTable, PartitionSpec, Property, RowFormat, Statement, StoredAs,
};

/// Parses one statement. What begins like no definition is taken for a query.
pub fn parse(sql: &str) -> Result<Statement, QueryError> {
    let sql = sql.trim_end_matches(|c: char| c.is_whitespace() || c == ';');
    let tokens = match tokens(sql) {
        Ok(tokens) => tokens,
        Err(at) => return Err(refuse_at(sql, at, "a quote or comment is never closed")),
    };
    let mut parser = Parser { sql, tokens, at: 0 };
    let statement = parser.statement()?;
    parser.end()?;
    Ok(statement)
}

impl Parser<'_> {
    fn statement(&mut self) -> Parsed<Statement> {
        let Some(Token::Word(first)) = self.peek().cloned() else { return Ok(self.query()) };
        match first.to_uppercase().as_str() {
            "CREATE" => self.create(),
            "DROP" => self.drop_something(),
            "ALTER" => self.alter(),
            "MSCK" => self.repair(),
            "SHOW" => self.show(),
            "DESCRIBE" | "DESC" => self.describe(),
            "INSERT" => self.insert(),
            "EXPLAIN" => self.explain(),
            _ => Ok(self.query()),
        }
    }

    /// The rest of the text, as a query.
    fn query(&mut self) -> Statement {
        Statement::Query(self.rest())
    }

    fn rest(&mut self) -> String {
        let start = self.tokens.get(self.at).map_or(self.sql.len(), |token| token.span.start);
        self.at = self.tokens.len();
        self.sql[start..].to_owned()
    }

    fn explain(&mut self) -> Parsed<Statement> {
        self.word("EXPLAIN")?;
        if self.accept("ANALYZE") {
            return Err(self.refuse("EXPLAIN ANALYZE is not supported"));
        }
        if self.symbol('(') {
            while !self.symbol(')') {
                self.advance()?;
            }
        }
        Ok(Statement::Explain(self.rest()))
    }

    fn create(&mut self) -> Parsed<Statement> {
        self.word("CREATE")?;
        if self.accept("DATABASE") || self.accept("SCHEMA") {
            return self.create_database();
        }
        let or_replace = self.accept("OR");
        if or_replace {
            self.word("REPLACE")?;
        }
        if self.accept("VIEW") {
            let name = self.table_name()?;
            self.word("AS")?;
            return Ok(Statement::CreateView { name, or_replace, query: self.rest() });
        }
        let external = self.accept("EXTERNAL");
        self.word("TABLE")?;
        let if_not_exists = self.if_not_exists()?;
        let name = self.table_name()?;
        if !external && (self.is("WITH") || self.is("AS") || (self.is_symbol('(') && self.holds_query())) {
            return self.create_table_as(name, if_not_exists);
        }
        self.create_table(name, if_not_exists, external)
    }

    /// Whether `(` opens a query, not a list of columns.
    fn holds_query(&self) -> bool {
        matches!(self.tokens.get(self.at + 1).map(|t| &t.token),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("SELECT"))
    }

    fn create_database(&mut self) -> Parsed<Statement> {
        let if_not_exists = self.if_not_exists()?;
        let name = self.name()?;
        let mut comment = None;
        let mut location = None;
        let mut properties = BTreeMap::new();
        loop {
            if self.accept("COMMENT") {
                comment = Some(self.text()?);
            } else if self.accept("LOCATION") {
                location = Some(self.text()?);
            } else if self.accept("WITH") {
                self.word("DBPROPERTIES")?;
                properties = self.properties()?;
            } else {
                return Ok(Statement::CreateDatabase { name, if_not_exists, comment, location, properties });
            }
        }
    }

    fn create_table_as(
        &mut self,
        name: super::statement::TableName,
        if_not_exists: bool,
    ) -> Parsed<Statement> {
        let mut properties = BTreeMap::new();
        if self.accept("WITH") {
            self.expect('(')?;
            loop {
                let key = self.name()?;
                self.expect('=')?;
                properties.insert(key, self.property()?);
                if !self.symbol(',') {
                    break;
                }
            }
            self.expect(')')?;
        }
        self.word("AS")?;
        let mut query = self.rest();
        let mut with_data = true;
        let trimmed = query.trim_end();
        for (ending, data) in [("WITH NO DATA", false), ("WITH DATA", true)] {
            let cut = trimmed.len().saturating_sub(ending.len());
            if trimmed.get(cut..).is_some_and(|tail| tail.eq_ignore_ascii_case(ending)) {
                with_data = data;
                query = trimmed[..cut].to_owned();
                break;
            }
        }
        Ok(Statement::CreateTableAs { name, if_not_exists, properties, query, with_data })
    }

    fn property(&mut self) -> Parsed<Property> {
        if self.accept("ARRAY") {
            self.expect('[')?;
            let mut items = Vec::new();
            while !self.symbol(']') {
                items.push(self.text()?);
                self.symbol(',');
            }
            return Ok(Property::List(items));
        }
        match self.advance()? {
            Token::Text(text) | Token::Number(text) => Ok(Property::Text(text)),
            Token::Word(word) => Ok(Property::Text(word.to_lowercase())),
            _ => Err(self.refuse_last("expected a value")),
        }
    }

    fn create_table(
        &mut self,
        name: super::statement::TableName,
        if_not_exists: bool,
        external: bool,
    ) -> Parsed<Statement> {
        let mut table = CreateTable {
            name,
            if_not_exists,
            external,
            columns: self.columns()?,
            comment: None,
            partitioned_by: Vec::new(),
            row_format: None,
            stored_as: None,
            location: None,
            properties: BTreeMap::new(),
        };
        while self.at < self.tokens.len() {
            self.table_clause(&mut table)?;
        }
        Ok(Statement::CreateTable(Box::new(table)))
    }

    fn table_clause(&mut self, table: &mut CreateTable) -> Parsed<()> {
        if self.accept("COMMENT") {
            table.comment = Some(self.text()?);
        } else if self.accept("PARTITIONED") {
            self.word("BY")?;
            table.partitioned_by = self.columns()?;
        } else if self.accept("ROW") {
            self.word("FORMAT")?;
            table.row_format = Some(self.row_format()?);
        } else if self.accept("WITH") {
            self.word("SERDEPROPERTIES")?;
            let more = self.properties()?;
            match &mut table.row_format {
                Some(RowFormat::Serde { properties, .. } | RowFormat::Delimited(properties)) => {
                    properties.extend(more)
                }
                None => return Err(self.refuse("WITH SERDEPROPERTIES needs ROW FORMAT before it")),
            }
        } else if self.accept("STORED") {
            self.word("AS")?;
            table.stored_as = Some(self.stored_as()?);
        } else if self.accept("LOCATION") {
            table.location = Some(self.text()?);
        } else if self.accept("TBLPROPERTIES") {
            table.properties = self.properties()?;
        } else if self.is("CLUSTERED") {
            return Err(self.refuse("bucketed tables (CLUSTERED BY) are not supported"));
        } else {
            return Err(self.refuse("mismatched input"));
        }
        Ok(())
    }

    fn row_format(&mut self) -> Parsed<RowFormat> {
        if self.accept("SERDE") {
            let class = self.text()?;
            return Ok(RowFormat::Serde { class, properties: BTreeMap::new() });
        }
        self.word("DELIMITED")?;
        let mut properties = BTreeMap::new();
        loop {
            let (key, words): (&str, &[&str]) = if self.accept("FIELDS") {
                ("field.delim", &["TERMINATED", "BY"])
            } else if self.accept("ESCAPED") {
                ("escape.delim", &["BY"])
            } else if self.accept("COLLECTION") {
                ("collection.delim", &["ITEMS", "TERMINATED", "BY"])
            } else if self.accept("MAP") {
                ("mapkey.delim", &["KEYS", "TERMINATED", "BY"])
            } else if self.accept("LINES") {
                ("line.delim", &["TERMINATED", "BY"])
            } else if self.accept("NULL") {
                ("serialization.null.format", &["DEFINED", "AS"])
            } else {
                break;
            };
            for word in words {
                self.word(word)?;
            }
            let value = self.text()?;
            properties.insert(key.to_owned(), value);
        }
        if let Some(delimiter) = properties.get("field.delim").cloned() {
            properties.insert("serialization.format".to_owned(), delimiter);
        }
        Ok(RowFormat::Delimited(properties))
    }

    fn stored_as(&mut self) -> Parsed<StoredAs> {
        if self.accept("INPUTFORMAT") {
            let input = self.text()?;
            self.word("OUTPUTFORMAT")?;
            return Ok(StoredAs::Formats { input, output: self.text()? });
        }
        Ok(StoredAs::Named(self.name()?.to_uppercase()))
    }

    fn drop_something(&mut self) -> Parsed<Statement> {
        self.word("DROP")?;
        if self.accept("DATABASE") || self.accept("SCHEMA") {
            let if_exists = self.if_exists()?;
            let name = self.name()?;
            let cascade = self.accept("CASCADE");
            if !cascade {
                self.accept("RESTRICT");
            }
            return Ok(Statement::DropDatabase { name, if_exists, cascade });
        }
        if self.accept("VIEW") {
            let if_exists = self.if_exists()?;
            return Ok(Statement::DropView { name: self.table_name()?, if_exists });
        }
        self.word("TABLE")?;
        let if_exists = self.if_exists()?;
        Ok(Statement::DropTable { name: self.table_name()?, if_exists })
    }

    fn alter(&mut self) -> Parsed<Statement> {
        self.word("ALTER")?;
        self.word("TABLE")?;
        let name = self.table_name()?;
        if self.accept("SET") {
            self.word("TBLPROPERTIES")?;
            return Ok(Statement::SetProperties { name, properties: self.properties()? });
        }
        if self.accept("DROP") {
            let if_exists = self.if_exists()?;
            let mut partitions = Vec::new();
            while self.accept("PARTITION") {
                partitions.push(self.partition_spec()?);
                self.symbol(',');
            }
            if partitions.is_empty() {
                return Err(self.refuse("expected PARTITION"));
            }
            return Ok(Statement::DropPartitions { name, if_exists, partitions });
        }
        self.word("ADD")?;
        if self.accept("COLUMNS") {
            return Ok(Statement::AddColumns { name, columns: self.columns()? });
        }
        let if_not_exists = self.if_not_exists()?;
        let mut partitions = Vec::new();
        while self.accept("PARTITION") {
            let spec = self.partition_spec()?;
            let location = if self.accept("LOCATION") { Some(self.text()?) } else { None };
            partitions.push((spec, location));
            self.symbol(',');
        }
        if partitions.is_empty() {
            return Err(self.refuse("expected PARTITION or COLUMNS"));
        }
        Ok(Statement::AddPartitions { name, if_not_exists, partitions })
    }

    fn partition_spec(&mut self) -> Parsed<PartitionSpec> {
        self.expect('(')?;
        let mut spec = Vec::new();
        loop {
            let key = self.name()?;
            self.expect('=')?;
            let value = match self.advance()? {
                Token::Text(text) | Token::Number(text) | Token::Quoted(text) => text,
                Token::Symbol('-') => format!("-{}", self.number()?),
                _ => return Err(self.refuse_last("expected a partition value")),
            };
            spec.push((key, value));
            if !self.symbol(',') {
                break;
            }
        }
        self.expect(')')?;
        Ok(spec)
    }

    fn number(&mut self) -> Parsed<String> {
        match self.advance()? {
            Token::Number(text) => Ok(text),
            _ => Err(self.refuse_last("expected a number")),
        }
    }

    fn repair(&mut self) -> Parsed<Statement> {
        self.word("MSCK")?;
        self.word("REPAIR")?;
        self.word("TABLE")?;
        Ok(Statement::RepairTable(self.table_name()?))
    }

    fn show(&mut self) -> Parsed<Statement> {
        self.word("SHOW")?;
        if self.accept("DATABASES") || self.accept("SCHEMAS") {
            return Ok(Statement::ShowDatabases(self.pattern()?));
        }
        if self.is("TABLES") || self.is("VIEWS") {
            let views = self.accept("VIEWS");
            if !views {
                self.word("TABLES")?;
            }
            let database = if self.accept("IN") || self.accept("FROM") { Some(self.name()?) } else { None };
            let pattern = self.pattern()?;
            return Ok(if views {
                Statement::ShowViews { database, pattern }
            } else {
                Statement::ShowTables { database, pattern }
            });
        }
        if self.accept("PARTITIONS") {
            return Ok(Statement::ShowPartitions(self.table_name()?));
        }
        if self.accept("COLUMNS") {
            if !self.accept("IN") {
                self.word("FROM")?;
            }
            let mut name = self.table_name()?;
            if self.accept("IN") || self.accept("FROM") {
                name.database = Some(self.name()?);
            }
            return Ok(Statement::ShowColumns(name));
        }
        if self.accept("TBLPROPERTIES") {
            return Ok(Statement::ShowProperties(self.table_name()?));
        }
        self.word("CREATE")?;
        if !self.accept("VIEW") {
            self.word("TABLE")?;
        }
        Ok(Statement::ShowCreateTable(self.table_name()?))
    }

    fn pattern(&mut self) -> Parsed<Option<String>> {
        let said = self.accept("LIKE");
        match self.peek() {
            Some(Token::Text(_) | Token::Quoted(_)) => match self.advance()? {
                Token::Text(text) | Token::Quoted(text) => Ok(Some(text)),
                _ => Ok(None),
            },
            _ if said => Err(self.refuse("expected a pattern")),
            _ => Ok(None),
        }
    }

    fn describe(&mut self) -> Parsed<Statement> {
        self.advance()?;
        if !self.accept("EXTENDED") {
            self.accept("FORMATTED");
        }
        self.accept("TABLE");
        Ok(Statement::Describe(self.table_name()?))
    }

    fn insert(&mut self) -> Parsed<Statement> {
        self.word("INSERT")?;
        let overwrite = self.accept("OVERWRITE");
        if !overwrite {
            self.word("INTO")?;
        } else {
            self.accept("INTO");
        }
        self.accept("TABLE");
        let name = self.table_name()?;
        let columns = if self.is_symbol('(') && !self.holds_query() { Some(self.names()?) } else { None };
        if self.is("PARTITION") {
            return Err(self.refuse("INSERT … PARTITION is not supported; select the partition columns last"));
        }
        Ok(Statement::Insert { name, columns, overwrite, query: self.rest() })
    }

    fn names(&mut self) -> Parsed<Vec<String>> {
        self.expect('(')?;
        let mut names = vec![self.name()?];
        while self.symbol(',') {
            names.push(self.name()?);
        }
        self.expect(')')?;
        Ok(names)
    }

    fn columns(&mut self) -> Parsed<Vec<ColumnDefinition>> {
        self.expect('(')?;
        let mut columns = Vec::new();
        loop {
            let name = self.name()?;
            let hive_type = self.hive_type()?;
            let comment = if self.accept("COMMENT") { Some(self.text()?) } else { None };
            columns.push(ColumnDefinition { name, hive_type, comment });
            if !self.symbol(',') {
                break;
            }
        }
        self.expect(')')?;
        Ok(columns)
    }

    /// A type, up to the comma, parenthesis or COMMENT that ends it. Whether it exists is decided
    /// where its Arrow type is looked up.
    fn hive_type(&mut self) -> Parsed<String> {
        let mut text = String::new();
        let mut depth = 0_usize;
        loop {
            match self.peek() {
                Some(Token::Symbol(',' | ')')) if depth == 0 => break,
                Some(Token::Word(word)) if depth == 0 && word.eq_ignore_ascii_case("COMMENT") => break,
                _ => {}
            }
            match self.advance()? {
                Token::Word(word) | Token::Number(word) | Token::Quoted(word) => {
                    text.push_str(&word.to_lowercase())
                }
                Token::Symbol(c @ ('<' | '(')) => {
                    depth += 1;
                    text.push(c);
                }
                Token::Symbol(c @ ('>' | ')')) => {
                    depth =
                        depth.checked_sub(1).ok_or_else(|| self.refuse_last("mismatched input in a type"))?;
                    text.push(c);
                }
                Token::Symbol(c @ (',' | ':')) => text.push(c),
                _ => return Err(self.refuse_last("mismatched input in a type")),
            }
        }
        if text.is_empty() {
            return Err(self.refuse("expected a type"));
        }
        Ok(if text == "integer" { "int".to_owned() } else { text })
    }

    fn properties(&mut self) -> Parsed<BTreeMap<String, String>> {
        self.expect('(')?;
        let mut properties = BTreeMap::new();
        loop {
            let key = self.text()?;
            self.expect('=')?;
            let value = self.text()?;
            properties.insert(key, value);
            if !self.symbol(',') {
                break;
            }
        }
        self.expect(')')?;
        Ok(properties)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::statement::TableName;
    use super::*;

    fn name(table: &str) -> TableName {
        TableName { database: None, table: table.to_owned() }
    }

    #[test]
    fn a_full_definition() {
        let sql = "CREATE EXTERNAL TABLE IF NOT EXISTS `Db`.events (
              Id INT COMMENT 'it''s', tags array<struct<a:int, b:decimal(10, 2)>>, m map<string,int>)
            COMMENT 'all of them' PARTITIONED BY (year int, day string COMMENT 'x')
            ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' WITH SERDEPROPERTIES ('a'='b', \"c\" = 'd')
            STORED AS INPUTFORMAT 'in' OUTPUTFORMAT 'out' LOCATION 's3://lake/events/' TBLPROPERTIES ('k'='v');";
        let Statement::CreateTable(table) = parse(sql).unwrap() else { panic!("a table") };
        assert_eq!(table.name, TableName { database: Some("db".into()), table: "events".into() });
        assert!(table.if_not_exists && table.external);
        let types: Vec<&str> = table.columns.iter().map(|column| column.hive_type.as_str()).collect();
        assert_eq!(types, ["int", "array<struct<a:int,b:decimal(10,2)>>", "map<string,int>"]);
        assert_eq!(table.columns[0].comment.as_deref(), Some("it's"));
        assert_eq!(table.partitioned_by.len(), 2);
        let Some(RowFormat::Serde { properties, .. }) = &table.row_format else { panic!("a serde") };
        assert_eq!(properties.get("c").map(String::as_str), Some("d"));
        assert_eq!(table.location.as_deref(), Some("s3://lake/events/"));
    }

    #[test]
    fn each_kind_of_statement() {
        let check = |sql: &str, want: Statement| assert_eq!(parse(sql).unwrap(), want, "{sql}");
        check("select 1", Statement::Query("select 1".into()));
        check(
            "-- x\nWITH a AS (SELECT 1) SELECT * FROM a;",
            Statement::Query("WITH a AS (SELECT 1) SELECT * FROM a".into()),
        );
        check("EXPLAIN (TYPE LOGICAL) SELECT 1", Statement::Explain("SELECT 1".into()));
        check("MSCK REPAIR TABLE T", Statement::RepairTable(name("t")));
        check(
            "SHOW TABLES IN db 'a*'",
            Statement::ShowTables { database: Some("db".into()), pattern: Some("a*".into()) },
        );
        check("DROP TABLE IF EXISTS `t`", Statement::DropTable { name: name("t"), if_exists: true });
        check(
            "ALTER TABLE t ADD IF NOT EXISTS PARTITION (y=2026, m='01') LOCATION 's3://b/x/' PARTITION (y=-1, m='02')",
            Statement::AddPartitions {
                name: name("t"),
                if_not_exists: true,
                partitions: vec![
                    (vec![("y".into(), "2026".into()), ("m".into(), "01".into())], Some("s3://b/x/".into())),
                    (vec![("y".into(), "-1".into()), ("m".into(), "02".into())], None),
                ],
            },
        );
        check(
            "CREATE TABLE awsdatacatalog.d.t WITH (format='PARQUET', partitioned_by=ARRAY['a','b']) AS SELECT 1 AS a WITH NO DATA",
            Statement::CreateTableAs {
                name: TableName { database: Some("d".into()), table: "t".into() },
                if_not_exists: false,
                properties: BTreeMap::from([
                    ("format".into(), Property::Text("PARQUET".into())),
                    ("partitioned_by".into(), Property::List(vec!["a".into(), "b".into()])),
                ]),
                query: "SELECT 1 AS a ".into(),
                with_data: false,
            },
        );
        check(
            "INSERT INTO t (a, b) SELECT 1, 2",
            Statement::Insert {
                name: name("t"),
                columns: Some(vec!["a".into(), "b".into()]),
                overwrite: false,
                query: "SELECT 1, 2".into(),
            },
        );
        check(
            "INSERT OVERWRITE TABLE t (SELECT 1)",
            Statement::Insert { name: name("t"), columns: None, overwrite: true, query: "(SELECT 1)".into() },
        );
    }

    #[test]
    fn refusals_say_where() {
        let error = parse("CREATE EXTERNAL TABLE t (a int,\n b) LOCATION 'x'").unwrap_err().to_string();
        assert!(error.starts_with("SYNTAX_ERROR: line 2:3:"), "{error}");
        assert!(parse("DROP TABLE t x").unwrap_err().to_string().contains("<EOF>"));
        assert!(parse("SELECT 'open").is_err());
    }

    proptest! {
        #[test]
        fn any_text_parses_or_is_refused(text: String) {
            let _ = parse(&text);
        }

        #[test]
        fn any_words_parse_or_are_refused(words in prop::collection::vec(
            prop::sample::select(vec![
                "CREATE", "EXTERNAL", "TABLE", "t", "(", ")", "a", "int", ",", "PARTITIONED", "BY", "ROW", "FORMAT",
                "SERDE", "'x'", "STORED", "AS", "PARQUET", "LOCATION", "ALTER", "ADD", "DROP", "PARTITION", "=", "<",
                ">", "SHOW", "INSERT", "INTO", "SELECT", "WITH", "ARRAY", "[", "]", "-", "IF", "NOT", "EXISTS", ".",
            ]), 0..24)) {
            let _ = parse(&words.join(" "));
        }

        #[test]
        fn names_and_values_survive(table in "[a-z_][a-z0-9_]{0,20}", value in "[^\\\\]*") {
            let sql = format!("ALTER TABLE `{table}` DROP PARTITION (k='{}')", value.replace('\'', "''"));
            let want = Statement::DropPartitions {
                name: name(&table),
                if_exists: false,
                partitions: vec![vec![("k".into(), value)]],
            };
            prop_assert_eq!(parse(&sql).unwrap(), want);
        }
    }
}
