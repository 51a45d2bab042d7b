//! The dialect, statement by statement: what each answers, and what is refused.

use super::lake::Lake;

/// Statements without tables, and their only row.
const ANSWERS: &[(&str, &str)] = &[
    // Plain things.
    ("SELECT 1, 'a', NULL, true", "1|a|NULL|true"),
    ("SELECT 5 / 2, 5 % 3, mod(7, 4)", "2|2|3"),
    ("SELECT 1 AS \"Mixed\"", "1"),
    ("VALUES (1, 'x')", "1|x"),
    ("WITH t AS (SELECT 1 AS a) SELECT a + 1 FROM t", "2"),
    ("SELECT count(*) FROM (VALUES (1), (2)) AS t(x)", "2"),
    ("SELECT x FROM (VALUES (1), (2), (3)) AS t(x) ORDER BY x DESC FETCH FIRST 1 ROWS ONLY", "3"),
    ("SELECT x FROM (VALUES (1), (2), (3)) AS t(x) ORDER BY x OFFSET 1 LIMIT 1", "2"),
    // Nulls come last, both ways.
    ("SELECT x FROM (VALUES (1), (NULL)) AS t(x) ORDER BY x DESC LIMIT 1", "1"),
    ("SELECT x FROM (VALUES (1), (NULL)) AS t(x) ORDER BY x LIMIT 1", "1"),
    // Casts.
    ("SELECT CAST('abcd' AS varchar(2)), CAST(12 AS varchar)", "ab|12"),
    ("SELECT CAST(2.7 AS integer), CAST(-2.5 AS bigint), CAST(2.5 AS smallint)", "3|-3|3"),
    ("SELECT TRY_CAST('x' AS integer), TRY(CAST('y' AS integer))", "NULL|NULL"),
    ("SELECT CAST(1.5 AS varchar), CAST(1e10 AS varchar), CAST(true AS varchar)", "1.5|1.0E10|true"),
    ("SELECT CAST(TIMESTAMP '2026-01-02 03:04:05' AS varchar)", "2026-01-02 03:04:05.000"),
    ("SELECT CAST('2026-01-02' AS date), date('2026-01-03')", "2026-01-02|2026-01-03"),
    // Strings.
    ("SELECT substr('abc', -2), substr('abc', 2, 1), substring('abc' FROM 2), substr('abc', 0)", "bc|b|bc|"),
    ("SELECT concat('a', 'b', 'c'), 'a' || 'b'", "abc|ab"),
    ("SELECT concat('a', NULL)", "NULL"),
    ("SELECT strpos('hello', 'l'), position('l' IN 'hello'), length('héllo')", "3|3|5"),
    ("SELECT split_part('a,b,c', ',', 2), split_part('a', ',', 5)", "b|NULL"),
    ("SELECT split('a,b', ','), cardinality(split('a,b', ','))", "[a, b]|2"),
    ("SELECT element_at(split('a,b', ','), -1), element_at(split('a,b', ','), 9)", "b|NULL"),
    ("SELECT replace('banana', 'an'), reverse('abc'), lpad('7', 3, '0'), trim('  x ')", "ba|cba|007|x"),
    ("SELECT 'a_b' LIKE 'a\\_b', 'a\\xb' LIKE 'a\\_b', 'axb' LIKE 'a_b'", "false|true|true"),
    ("SELECT upper('a'), lower('B'), starts_with('abc', 'ab'), codepoint('a')", "A|b|true|97"),
    // Regular expressions replace every match.
    ("SELECT regexp_like('abc1', '\\d'), regexp_replace('a1b2', '\\d', 'x')", "true|axbx"),
    ("SELECT regexp_extract('a12b', '(\\d)(\\d)', 2), regexp_replace('ab', '(a)(b)', '$2$1')", "2|ba"),
    (
        "SELECT regexp_extract_all('a1b2', '\\d'), regexp_count('a1b2', '\\d'), regexp_split('a1b', '\\d')",
        "[1, 2]|2|[a, b]",
    ),
    // Conditions.
    ("SELECT if(1 > 0, 'y', 'n'), if(1 < 0, 'y'), coalesce(NULL, 2), nullif(1, 1)", "y|NULL|2|NULL"),
    ("SELECT greatest(1, 3, 2), least(1, NULL), greatest('a', 'b')", "3|NULL|b"),
    // Dates.
    ("SELECT year(DATE '2026-03-04'), month(DATE '2026-03-04'), day(DATE '2026-03-04')", "2026|3|4"),
    ("SELECT hour(TIMESTAMP '2026-03-04 05:06:07'), minute(TIMESTAMP '2026-03-04 05:06:07')", "5|6"),
    (
        "SELECT day_of_week(DATE '2026-03-01'), extract(dow FROM DATE '2026-03-02'), quarter(DATE '2026-05-01')",
        "7|1|2",
    ),
    (
        "SELECT extract(year FROM DATE '2026-03-04'), week(DATE '2026-01-01'), day_of_year(DATE '2026-02-01')",
        "2026|1|32",
    ),
    (
        "SELECT date_diff('day', DATE '2026-01-01', DATE '2026-02-01'), date_diff('month', DATE '2026-01-31', DATE '2026-02-28')",
        "31|1",
    ),
    (
        "SELECT date_add('month', 1, DATE '2026-01-31'), date_add('day', -1, DATE '2026-01-01')",
        "2026-02-28|2025-12-31",
    ),
    (
        "SELECT date_trunc('month', DATE '2026-03-04'), date_trunc('hour', TIMESTAMP '2026-03-04 05:06:07')",
        "2026-03-01|2026-03-04T05:00:00",
    ),
    ("SELECT date_format(TIMESTAMP '2026-03-04 05:06:07', '%Y/%m/%d %H:%i')", "2026/03/04 05:06"),
    (
        "SELECT date_parse('04-03-2026', '%d-%m-%Y'), format_datetime(DATE '2026-03-04', 'yyyy-MM')",
        "2026-03-04T00:00:00|2026-03",
    ),
    ("SELECT from_unixtime(0), to_unixtime(TIMESTAMP '1970-01-01 00:01:00')", "1970-01-01T00:00:00Z|60.0"),
    (
        "SELECT from_iso8601_timestamp('2026-03-04T05:06:07+02:00'), last_day_of_month(DATE '2026-02-03')",
        "2026-03-04T03:06:07Z|2026-02-28",
    ),
    ("SELECT DATE '2026-01-01' + INTERVAL '1' DAY", "2026-01-02"),
    // JSON.
    (
        "SELECT json_extract_scalar('{\"a\":{\"b\":[1,\"x\"]}}', '$.a.b[1]'), json_extract('{\"a\":[1]}', '$.a')",
        "x|[1]",
    ),
    (
        "SELECT json_array_length('[1,2]'), json_size('{\"a\":1}', '$'), json_extract_scalar('nonsense', '$.a')",
        "2|1|NULL",
    ),
    // Arrays.
    (
        "SELECT contains(ARRAY[1, 2], 2), cardinality(ARRAY[1, 2, 3]), array_join(ARRAY['a', 'b'], '-')",
        "true|3|a-b",
    ),
    (
        "SELECT array_position(ARRAY[1, 2], 9), array_sort(ARRAY[2, NULL, 1]), slice(ARRAY[1, 2, 3], 2, 2)",
        "0|[1, 2, NULL]|[2, 3]",
    ),
    ("SELECT sequence(1, 3), array_distinct(ARRAY[1, 1]), array_max(ARRAY[1, 5])", "[1, 2, 3]|[1]|5"),
    ("SELECT x FROM UNNEST(ARRAY[7]) AS t(x)", "7"),
    // Aggregates.
    ("SELECT count_if(x > 1), sum(x), avg(x) FROM (VALUES (1), (2), (3)) AS t(x)", "2|6|2.0"),
    ("SELECT max_by(n, x), min_by(n, x) FROM (VALUES (1, 'a'), (3, 'c'), (NULL, 'z')) AS t(x, n)", "c|a"),
    ("SELECT approx_distinct(x), arbitrary(x) FROM (VALUES (5), (5)) AS t(x)", "1|5"),
    // Trino keeps the value's type; ours is always a double.
    ("SELECT approx_percentile(x, 0.5) FROM (VALUES (1), (2), (3)) AS t(x)", "2.0"),
    ("SELECT listagg(x, ',') WITHIN GROUP (ORDER BY x DESC) FROM (VALUES ('a'), ('b')) AS t(x)", "b,a"),
    (
        "SELECT count(*) FILTER (WHERE x > 1), bool_and(x > 0), every(x > 1) FROM (VALUES (1), (2)) AS t(x)",
        "1|true|false",
    ),
    // Windows.
    (
        "SELECT x, row_number() OVER (ORDER BY x), lag(x) OVER (ORDER BY x) FROM (VALUES (4)) AS t(x)",
        "4|1|NULL",
    ),
    // Binary and numbers.
    ("SELECT to_hex(to_utf8('hi')), from_utf8(from_hex('6869')), to_base64(to_utf8('hi'))", "6869|hi|aGk="),
    ("SELECT from_utf8(from_base64('aGk=')), from_utf8(from_base64('aGkh'))", "hi|hi!"),
    ("SELECT to_hex(md5(to_utf8('')))", "D41D8CD98F00B204E9800998ECF8427E"),
    (
        "SELECT abs(-1), round(2.5), floor(2.7), ceiling(2.1), truncate(-2.7), sign(-3.0)",
        "1|3.0|2.0|3.0|-2.0|-1.0",
    ),
    ("SELECT power(2, 3), sqrt(9), ln(e()), log(2, 8), is_nan(nan())", "8.0|3.0|1.0|3.0|true"),
    (
        "SELECT url_extract_host('https://x.org/p?q=1'), url_extract_parameter('https://x.org/p?q=1', 'q')",
        "x.org|1",
    ),
    // Sampling keeps what its percentage says.
    ("SELECT count(*) FROM (VALUES (1), (2)) AS t(x) TABLESAMPLE BERNOULLI (0)", "0"),
    ("SELECT count(*) FROM (SELECT 1 AS x) AS t TABLESAMPLE BERNOULLI (100)", "1"),
];

/// Statements that are refused, and how the refusal begins.
const REFUSALS: &[(&str, &str)] = &[
    ("SELECT nothing", "COLUMN_NOT_FOUND: line 1:8: Column 'nothing' cannot be resolved"),
    ("SELECT\n  frobnicate(1)", "FUNCTION_NOT_FOUND: line 2:3: Function 'frobnicate' not registered"),
    (
        "SELECT * FROM db.missing",
        "TABLE_NOT_FOUND: line 1:18: Table 'awsdatacatalog.db.missing' does not exist",
    ),
    ("SELECT * FROM nowhere.t", "SCHEMA_NOT_FOUND"),
    ("SELECT FROM", "SYNTAX_ERROR: line 1:"),
    ("SELECT FROM flights", "SYNTAX_ERROR: line 1:8"),
    ("SELECT 1; SELECT 2", "SYNTAX_ERROR: line 1:1: only one statement"),
    ("", "SYNTAX_ERROR: line 1:1"),
    ("SELECT to_char(now(), 'x')", "FUNCTION_NOT_FOUND"),
    ("SELECT CAST('x' AS integer)", "INVALID_CAST_ARGUMENT"),
    ("SELECT CAST('x' AS char(3))", "NOT_SUPPORTED"),
    ("SELECT 1 / 0", "DIVISION_BY_ZERO"),
    ("SELECT * FROM (VALUES (1)) AS t(x) TABLESAMPLE SYSTEM (10)", "NOT_SUPPORTED"),
    ("SELECT now() AT TIME ZONE 'Europe/Paris'", "NOT_SUPPORTED"),
    ("SELECT 'a' ~ 'b'", "NOT_SUPPORTED"),
    ("SELECT 'a' ILIKE 'A'", "NOT_SUPPORTED"),
    ("SELECT element_at(ARRAY[1], 0)", "INVALID_FUNCTION_ARGUMENT"),
    ("SELECT date_add('fortnight', 1, DATE '2026-01-01')", "INVALID_FUNCTION_ARGUMENT"),
    ("SELECT max_by(x, y, 3) FROM (VALUES (1, 2)) AS t(x, y)", "SYNTAX_ERROR"),
    ("UPDATE t SET x = 1", "SYNTAX_ERROR"),
    ("DELETE FROM t", "SYNTAX_ERROR"),
    ("GRANT ALL ON t TO u", "SYNTAX_ERROR"),
];

#[tokio::test]
async fn statements_answer_as_trino_does() {
    let lake = Lake::new().await;
    let mut wrong = Vec::new();
    for (sql, want) in ANSWERS {
        match lake.run(sql).await {
            Ok(answer) if answer.rows == [*want] => {}
            Ok(answer) => wrong.push(format!("{sql}\n  want {want}\n  got  {:?}", answer.rows)),
            Err(error) => wrong.push(format!("{sql}\n  want {want}\n  error {error}")),
        }
    }
    assert!(wrong.is_empty(), "{} wrong answers:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn what_is_not_known_is_refused_in_athenas_words() {
    let lake = Lake::new().await;
    let mut wrong = Vec::new();
    for (sql, want) in REFUSALS {
        match lake.run(sql).await {
            Ok(answer) => wrong.push(format!("{sql}\n  want {want}\n  got rows {:?}", answer.rows)),
            Err(error) if error.to_string().starts_with(want) => {}
            Err(error) => wrong.push(format!("{sql}\n  want {want}\n  got  {error}")),
        }
    }
    assert!(wrong.is_empty(), "{} wrong refusals:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn columns_have_athenas_names() {
    let lake = Lake::new().await;
    let answer = lake.run("SELECT 1 AS a, 2, count(*) FROM (VALUES (1)) AS t(x)").await.unwrap();
    assert_eq!(answer.columns, ["a", "_col1", "_col2"]);
    let answer = lake.run("SELECT *, x + 1, x + 1 FROM (VALUES (1)) AS t(x)").await.unwrap();
    assert_eq!(answer.columns, ["x", "_col1", "_col2"]);
    let answer =
        lake.run("SELECT lower(x) FROM (VALUES ('A')) AS t(x) GROUP BY lower(x) ORDER BY lower(x)").await;
    assert_eq!(answer.unwrap().columns, ["_col0"]);
}

#[tokio::test]
async fn tables_are_read_whatever_the_case_of_names() {
    let lake = Lake::new().await.with_flights().await;
    let rows =
        lake.rows("SELECT CARRIER, sum(Delay) AS d FROM DB.Flights GROUP BY \"Carrier\" ORDER BY 1").await;
    assert_eq!(rows, ["AA|126", "BB|63"]);
    let rows = lake
        .rows("SELECT f.day, count(*) FROM flights f JOIN flights g ON f.day = g.day GROUP BY 1 ORDER BY 1")
        .await;
    assert_eq!(rows, ["2026-01-01|9", "2026-01-02|9", "2026-01-03|9"]);
    let rows =
        lake.rows("SELECT max(at), avg(price) FROM awsdatacatalog.db.flights WHERE day = '2026-01-02'").await;
    assert_eq!(rows, ["2026-01-02T02:30:00|1.5"]);
}

#[tokio::test]
async fn separated_values_are_read_plain_and_gzipped() {
    let lake = Lake::new().await;
    lake.rows(
        "CREATE EXTERNAL TABLE merchants (id int, name string, fee double)
         ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde' LOCATION 's3://lake/merchants/'
         TBLPROPERTIES ('skip.header.line.count'='1')",
    )
    .await;
    lake.put("merchants/a.csv", "id,name,fee\n1,\"Caf\u{e9}, Ltd\",0.5\n2,,\n").await;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, b"id,name,fee\r\n3,x,1\r\n").unwrap();
    lake.put("merchants/b.csv.gz", gzip.finish().unwrap()).await;
    lake.put("merchants/_SUCCESS", "not data").await;
    let rows = lake.rows("SELECT * FROM merchants ORDER BY id").await;
    assert_eq!(rows, ["1|Café, Ltd|0.5", "2||NULL", "3|x|1.0"]);
    assert_eq!(lake.rows("SELECT count(*) FROM merchants").await, ["3"]);
    lake.rows(
        "CREATE EXTERNAL TABLE plain (a string, n int) ROW FORMAT DELIMITED FIELDS TERMINATED BY '|'
         LOCATION 's3://lake/plain/'",
    )
    .await;
    lake.put("plain/a", "x|1\n\\N|oops\nz").await;
    assert_eq!(lake.rows("SELECT * FROM plain").await, ["x|1", "NULL|NULL", "z|NULL"]);
}

#[tokio::test]
async fn bad_rows_fail_the_query_and_name_the_file() {
    let lake = Lake::new().await.with_flights().await;
    lake.put("flights/day=2026-01-01/bad.json", "{\"delay\": oops}\n").await;
    let error = lake.error("SELECT sum(delay) FROM flights").await;
    assert!(
        error.starts_with("HIVE_BAD_DATA") && error.contains("s3://lake/flights/day=2026-01-01/bad.json"),
        "{error}"
    );
    lake.put("flights/day=2026-01-02/empty.json", "").await;
    assert_eq!(lake.rows("SELECT count(*) FROM flights WHERE day = '2026-01-02'").await, ["3"]);
}
