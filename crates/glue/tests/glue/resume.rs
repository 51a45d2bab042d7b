//! Runs that are cut short by the end of the process, and what statements are asked with.

use crate::stage::{conversation, restart};

const JOB: &str = r#"{"Name":"j","Role":"r","Command":{"Name":"sql"},"DefaultArguments":{"--incremental-input":"lake.raw",
    "--sql":"create table if not exists t (a int); insert into t select 1; crash; insert into u select 2"}}"#;

const RUN: &str = r#"{"JobName":"j","RunId":"{{JobRunId}}"}"#;

#[tokio::test]
async fn a_run_goes_on_where_it_was_under_the_same_ids() {
    let (mut first, stage) = conversation();
    first.ask("CreateJob", JOB).await;
    first.ask("StartJobRun", r#"{"JobName":"j"}"#).await;
    first.ask_until("GetJobRun", RUN, |answer| answer.contains("2 statements done")).await;
    let (mut second, stage) = restart(first, stage).await;
    second.ask_until("GetJobRun", RUN, |answer| answer.contains("SUCCEEDED")).await;
    let asked: Vec<(String, String, Option<String>)> = {
        let asked = stage.engine.asked.lock().unwrap();
        asked
            .iter()
            .map(|r| (r.id.clone(), r.sql.clone(), r.incremental.as_ref().map(|i| i.bookmark.clone())))
            .collect()
    };
    let statements: Vec<&str> = asked.iter().map(|(_, sql, _)| sql.as_str()).collect();
    let expected = [
        "create table if not exists t (a int)",
        "insert into t select 1",
        "crash",
        "crash",
        "insert into u select 2",
    ];
    assert_eq!(statements, expected);
    assert_eq!(asked[2].0, asked[3].0, "a statement that is repeated has the id it had");
    let bookmarks: Vec<Option<&str>> = asked.iter().map(|(_, _, bookmark)| bookmark.as_deref()).collect();
    let of = |nth| Some(format!("glue/000000000001/eu-west-1/j/{nth}"));
    assert_eq!(bookmarks, [None, of(0).as_deref(), None, None, of(1).as_deref()]);
    assert_eq!(stage.engine.asked.lock().unwrap()[0].database, "lake");
}

#[tokio::test]
async fn failed_runs_are_tried_again_as_often_as_asked() {
    let (mut c, stage) = conversation();
    let job = r#"{"Name":"j","Role":"r","MaxRetries":2,"Command":{"Name":"sql"},"DefaultArguments":{"--sql":"a; fail"}}"#;
    c.ask("CreateJob", job).await;
    c.ask("StartJobRun", r#"{"JobName":"j"}"#).await;
    for attempt in 1..=2 {
        c.ask_until("GetJobRun", RUN, |answer| answer.contains(&format!("\"Attempt\":{attempt}"))).await;
        c.advance(3000);
    }
    c.ask_until("GetJobRun", RUN, |answer| answer.contains("FAILED")).await;
    let asked: Vec<String> = stage.engine.asked.lock().unwrap().iter().map(|r| r.sql.clone()).collect();
    assert_eq!(asked, ["a", "fail", "fail", "fail"], "statements that are done are not done again");
}

#[tokio::test]
async fn a_run_ends_at_its_timeout() {
    let (mut c, _stage) = conversation();
    c.ask(
        "CreateJob",
        r#"{"Name":"j","Role":"r","Timeout":1,"Command":{"Name":"sql"},"DefaultArguments":{"--sql":"wait"}}"#,
    )
    .await;
    c.ask("StartJobRun", r#"{"JobName":"j"}"#).await;
    c.ask_until("GetJobRun", RUN, |answer| answer.contains("RUNNING")).await;
    c.advance(61_000);
    c.ask_until("GetJobRun", RUN, |answer| answer.contains("TIMEOUT")).await;
}
