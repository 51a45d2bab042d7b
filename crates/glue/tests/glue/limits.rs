//! A job never has more runs than it allows, whoever starts them and however close together.

use futures::future::join_all;

use crate::stage::{conversation, conversations};

#[tokio::test]
async fn starts_at_once_share_the_runs_a_job_allows() {
    let (mut talks, _stage) = conversations(12);
    let job = r#"{"Name":"j","Role":"r","ExecutionProperty":{"MaxConcurrentRuns":3},"Command":{"Name":"sql"},
        "DefaultArguments":{"--sql":"wait"}}"#;
    talks[0].ask("CreateJob", job).await;
    join_all(talks.iter_mut().map(|talk| talk.ask("StartJobRun", r#"{"JobName":"j"}"#))).await;
    let count = |what: &str| talks.iter().filter(|talk| talk.answered().contains(what)).count();
    assert_eq!((count("{{JobRunId}}"), count("ConcurrentRunsExceededException")), (3, 9));
}

#[tokio::test]
async fn a_trigger_counts_the_runs_it_starts_together() {
    let (mut talk, _stage) = conversation();
    let job = r#"{"Name":"j","Role":"r","Command":{"Name":"sql"},"DefaultArguments":{"--sql":"wait"}}"#;
    talk.ask("CreateJob", job).await;
    let actions = r#"[{"JobName":"j"},{"JobName":"j"}]"#;
    talk.ask("CreateTrigger", &format!(r#"{{"Name":"t","Type":"ON_DEMAND","Actions":{actions}}}"#)).await;
    talk.ask("StartTrigger", r#"{"Name":"t"}"#).await;
    assert!(talk.answered().contains("ConcurrentRunsExceededException"), "{}", talk.answered());
    talk.ask("GetJobRuns", r#"{"JobName":"j"}"#).await;
    assert!(talk.answered().contains(r#""JobRuns":[]"#), "{}", talk.answered());
}
