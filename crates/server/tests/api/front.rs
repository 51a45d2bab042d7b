//! The front door: who is let in, how refusals are spelled, what is bounded.

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fixture::{ALICE, Fixture, client};
use headwater_server::Config;

/// Sends bytes as they are and gives all that is answered until the connection closes.
async fn raw(fixture: &Fixture, request: &str) -> String {
    let mut stream = TcpStream::connect(fixture.node.addr()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn health_is_for_everyone_and_a_reset_for_nobody() {
    let fixture = Fixture::start_in_memory().await;
    let health = fixture.alice.get_unsigned("/_headwater/health").await.unwrap();
    assert_eq!(health.status, 200);
    let reset = raw(
        &fixture,
        "POST /_headwater/dev/reset HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
    )
    .await;
    assert!(reset.starts_with("HTTP/1.1 404"), "{reset}");
    fixture.node.stop().await;
}

#[tokio::test]
async fn a_caller_learns_who_it_is() {
    let fixture = Fixture::start_in_memory().await;
    for (client, arn) in [
        (&fixture.alice, "arn:aws:iam::111111111111:user/alice"),
        (&fixture.bob, "arn:aws:iam::222222222222:user/bob"),
    ] {
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let body = Bytes::from_static(b"Action=GetCallerIdentity&Version=2011-06-15");
        let answer = client.send("sts", "POST", "/", &form, body).await.unwrap();
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status, 200, "{text}");
        assert!(text.contains(arn), "{text}");
        assert!(answer.header("x-amzn-requestid").is_some());
    }
    fixture.node.stop().await;
}

#[tokio::test]
async fn without_a_good_signature_nobody_is_let_in() {
    let fixture = Fixture::start_in_memory().await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let body = || Bytes::from_static(b"Action=GetCallerIdentity&Version=2011-06-15");
    let unsigned = raw(
        &fixture,
        "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 24\r\n\r\nAction=GetCallerIdentity",
    )
    .await;
    assert!(
        unsigned.starts_with("HTTP/1.1 403") && unsigned.contains("MissingAuthenticationToken"),
        "{unsigned}"
    );
    let forged = client(&fixture.node.endpoint(), (ALICE.0, "guessed", ALICE.2));
    let answer = forged.send("sts", "POST", "/", &form, body()).await.unwrap();
    assert_eq!(answer.status, 403);
    assert!(String::from_utf8_lossy(&answer.body).contains("SignatureDoesNotMatch"));
    let stranger = client(&fixture.node.endpoint(), ("AKIASTRANGER", "guessed", ALICE.2));
    let answer = stranger.send("sts", "POST", "/", &form, body()).await.unwrap();
    assert!(String::from_utf8_lossy(&answer.body).contains("InvalidClientTokenId"));
    for dev in [("test", "test", ""), ("222222222222", "test", "")] {
        let answer =
            client(&fixture.node.endpoint(), dev).send("sts", "POST", "/", &form, body()).await.unwrap();
        assert_eq!(answer.status, 403, "test credentials exist with --dev only");
    }
    fixture.node.stop().await;
}

#[tokio::test]
async fn a_development_node_has_test_users_and_resets() {
    let fixture = Fixture::start_with(Config { dev: true, ..Fixture::config() }).await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    for (key, account) in [("test", "000000000000"), ("333333333333", "333333333333")] {
        let client = client(&fixture.node.endpoint(), (key, "test", account));
        let body = Bytes::from_static(b"Action=GetCallerIdentity&Version=2011-06-15");
        let answer = client.send("sts", "POST", "/", &form, body).await.unwrap();
        assert!(String::from_utf8_lossy(&answer.body).contains(account), "{answer:?}");
    }
    let page = "POST /_headwater/dev/reset HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n";
    let reset = raw(&fixture, &format!("{page}\r\n")).await;
    assert!(reset.starts_with("HTTP/1.1 200"), "{reset}");
    let from_a_browser = raw(&fixture, &format!("{page}origin: http://evil.example\r\n\r\n")).await;
    assert!(from_a_browser.starts_with("HTTP/1.1 404"), "{from_a_browser}");
    fixture.node.stop().await;
}

#[tokio::test]
async fn an_unknown_service_is_refused_by_name() {
    let fixture = Fixture::start_in_memory().await;
    let headers =
        [("x-amz-target", "DynamoDB_20120810.ListTables"), ("content-type", "application/x-amz-json-1.0")];
    let answer =
        fixture.alice.send("dynamodb", "POST", "/", &headers, Bytes::from_static(b"{}")).await.unwrap();
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!(answer.status, 400);
    assert!(text.contains("UnknownOperationException") && text.contains("DynamoDB_20120810"), "{text}");
    fixture.node.stop().await;
}

#[tokio::test]
async fn status_and_metrics_tell_what_runs() {
    let fixture = Fixture::start_in_memory().await;
    let status = fixture.alice.get_unsigned("/_headwater/status").await.unwrap();
    let status: serde_json::Value = serde_json::from_slice(&status.body).unwrap();
    assert!(
        status["tasks"].as_array().unwrap().iter().any(|task| task["name"] == "metrics upkeep"),
        "{status}"
    );
    let metrics = fixture.alice.get_unsigned("/_headwater/metrics").await.unwrap();
    assert!(String::from_utf8_lossy(&metrics.body).contains("headwater_store_published_lsn"));
    fixture.node.stop().await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_and_the_node_lives_on() {
    let fixture = Fixture::start_in_memory().await;
    let huge = "a".repeat(1024 * 1024);
    let mut stream = TcpStream::connect(fixture.node.addr()).await.unwrap();
    // The node may close before all is written.
    let _ = stream.write_all(format!("GET / HTTP/1.1\r\nhost: x\r\nx-huge: {huge}\r\n\r\n").as_bytes()).await;
    let mut answer = [0; 12];
    if stream.read_exact(&mut answer).await.is_ok() {
        assert_eq!(&answer, b"HTTP/1.1 431");
    }
    assert_eq!(fixture.alice.get_unsigned("/_headwater/health").await.unwrap().status, 200);
    fixture.node.stop().await;
}

#[tokio::test]
async fn the_documentation_lists_what_the_faces_speak() {
    let fixture = Fixture::start_in_memory().await;
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/services");
    for (service, rows) in headwater_server::face_operations(fixture.node.faces()) {
        let path = docs.join(format!("{service}.md"));
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|_| panic!("docs/services/{service}.md is missing"));
        let fresh = with_operations(&text, &rows).unwrap_or_else(|| {
            panic!("docs/services/{service}.md needs the lines `{BEGIN}` and `{END}` around its list of operations")
        });
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, fresh).unwrap();
        } else {
            assert_eq!(text, fresh, "docs/services/{service}.md is stale; UPDATE_DOCS=1 rewrites its list");
        }
    }
    fixture.node.stop().await;
}

const BEGIN: &str = "<!-- operations: begin (generated) -->";
const END: &str = "<!-- operations: end -->";

/// The page with its list of operations as it should be; `None` if it has no place for it.
fn with_operations(page: &str, rows: &[headwater_wire::OperationRow]) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    let mut rows = rows.to_vec();
    rows.sort_by_key(|row| (!row.works, row.name));
    let mut list = String::from("\n| operation | |\n|---|---|\n");
    for row in rows {
        list.push_str(&format!("| {} | {} |\n", row.name, if row.works { "yes" } else { "refused" }));
    }
    Some(format!("{before}{BEGIN}\n{list}\n{END}{after}"))
}
