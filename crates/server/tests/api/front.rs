//! The front door: who is let in, how refusals are spelled, what is bounded.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use headwater_base::{Clock, Seams, Timestamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fixture::{ALICE, Fixture, REGION, client};
use headwater_server::Config;
use serde_json::{Value, json};

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
        [("x-amz-target", "Logs_20140328.DescribeLogGroups"), ("content-type", "application/x-amz-json-1.1")];
    let answer = fixture.alice.send("logs", "POST", "/", &headers, Bytes::from_static(b"{}")).await.unwrap();
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!(answer.status, 400);
    assert!(text.contains("UnknownOperationException") && text.contains("Logs_20140328"), "{text}");
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
async fn a_refused_upload_is_not_asked_for() {
    let fixture = Fixture::start_in_memory().await;
    assert_eq!(fixture.s3("PUT", "/bucket", &[], "").await.status, 200);
    let mut stream = TcpStream::connect(fixture.node.addr()).await.unwrap();
    let head =
        "PUT /bucket/key HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 1000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 403");
    fixture.node.stop().await;
}

#[tokio::test]
async fn a_connection_ends_with_an_empty_upload_that_waited_to_be_asked_for() {
    let fixture = Fixture::start_in_memory().await;
    let mut stream = TcpStream::connect(fixture.node.addr()).await.unwrap();
    let head = |more: &str| format!("PUT /bucket/key HTTP/1.1\r\nhost: x\r\n{more}content-length: 0\r\n\r\n");
    stream.write_all(head("").as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 404");
    // It is open still: the next request on it is answered, then it is closed.
    stream.write_all(head("expect: 100-continue\r\n").as_bytes()).await.unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest.matches("HTTP/1.1 404").count(), 1, "{rest}");
    assert_eq!(rest.matches("connection: close").count(), 1, "{rest}");
    fixture.node.stop().await;
}

#[tokio::test]
async fn a_refused_client_that_sends_on_reads_its_refusal() {
    let fixture = Fixture::start_in_memory().await;
    let body = "x".repeat(60 * 1024);
    let request = format!(
        "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-amz-target: Kinesis_20131202.PutRecord\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = raw(&fixture, &request).await;
    assert!(
        answer.starts_with("HTTP/1.1 400") && answer.contains("MissingAuthenticationTokenException"),
        "{answer}"
    );
    fixture.node.stop().await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    let fixture = Fixture::start_in_memory().await;
    let body = vec![b' '; 20 << 20];
    let answer =
        fixture.try_call(&fixture.alice, "Kinesis_20131202.ListStreams", serde_json::json!({})).await;
    assert!(answer.is_ok());
    let headers =
        [("x-amz-target", "Kinesis_20131202.ListStreams"), ("content-type", "application/x-amz-json-1.1")];
    // The connection may break before the whole body is sent; if an answer comes, it says why.
    if let Ok(answer) = fixture.alice.send("kinesis", "POST", "/", &headers, body.into()).await {
        assert_eq!(answer.status, 413);
    }
    fixture.node.stop().await;
}

/// A signed request whose client falls silent in the middle of the body, as the bytes it sends.
fn broken_off(fixture: &Fixture, service: &str, head: http::request::Builder, now: Timestamp) -> Vec<u8> {
    use headwater_wire::sigv4::{Credentials, SignedPayload, Signer};
    let body = br#"{"Limit": 10}"#;
    let head = head.header("host", fixture.node.addr().to_string()).header("content-length", body.len());
    let mut head = head.body(()).unwrap().into_parts().0;
    let signer = Signer::new(Credentials::new(ALICE.0, ALICE.1), REGION, service);
    signer.sign(&mut head, SignedPayload::Whole(body), now);
    let mut bytes = format!("{} {} HTTP/1.1\r\n", head.method, head.uri).into_bytes();
    for (name, value) in &head.headers {
        bytes.extend_from_slice(format!("{name}: {}\r\n", value.to_str().unwrap()).as_bytes());
    }
    bytes.extend_from_slice(b"connection: close\r\n\r\n");
    bytes.extend_from_slice(&body[..5]);
    bytes
}

#[tokio::test]
async fn a_client_that_falls_silent_is_told_so_and_stores_nothing() {
    let start = Seams::system().clock.now();
    let seams = Seams::simulated(start, 1);
    let fixture = Fixture::start_simulated(seams.clone()).await;
    fixture.alice.send("s3", "PUT", "/bucket", &[], Bytes::new()).await.unwrap();
    let json = http::Request::post("/").header("x-amz-target", "Kinesis_20131202.ListStreams");
    let put = http::Request::put("/bucket/key");
    for (service, head, status) in [("kinesis", json, "408"), ("s3", put, "400")] {
        let mut stream = TcpStream::connect(fixture.node.addr()).await.unwrap();
        let sent = broken_off(&fixture, service, head, seams.clock.now());
        stream.write_all(&sent).await.unwrap();
        let (mut answer, is_over) = (Vec::new(), AtomicBool::new(false));
        let reading = async {
            stream.read_to_end(&mut answer).await.unwrap();
            is_over.store(true, Ordering::Release);
        };
        // The node's patience begins when it has read what there is; time passes until it ends.
        let passing = async {
            while !is_over.load(Ordering::Acquire) {
                seams.clock.advance(Duration::from_secs(1));
                Clock::system().sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::join!(reading, passing);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(answer.contains("RequestTimeout"), "{answer}");
    }
    let listed = fixture.alice.send("s3", "GET", "/bucket", &[], Bytes::new()).await.unwrap();
    assert!(!String::from_utf8_lossy(&listed.body).contains("<Key>"));
    fixture.node.stop().await;
}

#[tokio::test]
async fn an_sdk_s_retry_is_answered_as_the_first_time_and_stored_once() {
    let fixture = Fixture::start_in_memory().await;
    fixture.call("Kinesis_20131202.CreateStream", json!({"StreamName": "s", "ShardCount": 1})).await;
    let put = json!({"StreamName": "s", "Records": [{"Data": "YQ==", "PartitionKey": "a"}, {"Data": "Yg==", "PartitionKey": "b"}]});
    let attempt = async |invocation: &str, body: &Value| {
        let body = Bytes::from(body.to_string());
        let answer = fixture
            .alice
            .json_once("kinesis", "Kinesis_20131202.PutRecords", body, invocation)
            .await
            .unwrap();
        serde_json::from_slice::<Value>(&answer).unwrap()["Records"][0]["SequenceNumber"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let first = attempt("call-1", &put).await;
    assert_eq!(attempt("call-1", &put).await, first, "the same call again");
    assert_ne!(attempt("call-2", &put).await, first, "another call with the same records");
    let other = json!({"StreamName": "s", "Records": [{"Data": "Yw==", "PartitionKey": "a"}]});
    assert_ne!(attempt("call-1", &other).await, first, "other records under the same id");
    let ask =
        json!({"StreamName": "s", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"});
    let iterator = fixture.call("Kinesis_20131202.GetShardIterator", ask).await;
    let read = fixture
        .call("Kinesis_20131202.GetRecords", json!({"ShardIterator": iterator["ShardIterator"]}))
        .await;
    assert_eq!(read["Records"].as_array().unwrap().len(), 5);
    fixture.node.stop().await;
}

#[tokio::test]
async fn accounts_do_not_see_each_other() {
    let fixture = Fixture::start_in_memory().await;
    fixture.call("Kinesis_20131202.CreateStream", json!({"StreamName": "s", "ShardCount": 1})).await;
    let bobs = fixture.try_call(&fixture.bob, "Kinesis_20131202.ListStreams", json!({})).await.unwrap();
    assert_eq!(bobs["StreamNames"], json!([]));
    let arn = "arn:aws:kinesis:eu-central-1:111111111111:stream/s";
    let foreign = fixture
        .try_call(&fixture.bob, "Kinesis_20131202.DescribeStreamSummary", json!({"StreamARN": arn}))
        .await;
    assert_eq!(foreign.unwrap_err().code(), Some("AccessDeniedException"));
    fixture.node.stop().await;
}

#[tokio::test]
async fn http2_with_prior_knowledge_is_spoken() {
    use http_body_util::{BodyExt, Empty};
    let fixture = Fixture::start_in_memory().await;
    let client: hyper_util::client::legacy::Client<_, Empty<Bytes>> =
        hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
            .http2_only(true)
            .build_http();
    let ask = |path: &str| client.get(format!("{}{path}", fixture.node.endpoint()).parse().unwrap());
    let health = ask("/_headwater/health").await.unwrap();
    assert_eq!((health.status().as_u16(), health.version()), (200, http::Version::HTTP_2));
    let nowhere = ask("/bucket/key").await.unwrap();
    assert_eq!(nowhere.status().as_u16(), 404);
    assert_eq!(fixture.s3("PUT", "/bucket", &[], "").await.status, 200);
    let anonymous = ask("/bucket/key").await.unwrap();
    assert_eq!(anonymous.status().as_u16(), 403);
    let text = anonymous.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&text).contains("<Code>AccessDenied</Code>"));
    fixture.node.stop().await;
}

#[tokio::test]
async fn a_signed_request_over_http2_verifies() {
    use headwater_wire::sigv4::{Credentials, SignedPayload, Signer};
    use http_body_util::Full;
    let fixture = Fixture::start_in_memory().await;
    let client: hyper_util::client::legacy::Client<_, Full<Bytes>> =
        hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
            .http2_only(true)
            .build_http();
    let host = fixture.node.addr().to_string();
    let request = http::Request::post(format!("http://{host}/"))
        .header("host", &host)
        .header("x-amz-target", "Kinesis_20131202.ListStreams")
        .header("content-type", "application/x-amz-json-1.1");
    let (mut head, ()) = request.body(()).unwrap().into_parts();
    let signer = Signer::new(Credentials::new(ALICE.0, ALICE.1), "eu-central-1", "kinesis");
    let now = headwater_base::Clock::system().now();
    signer.sign(&mut head, SignedPayload::Whole(b"{}"), now);
    // HTTP/2 sends the host as :authority.
    head.headers.remove("host");
    let request = http::Request::from_parts(head, Full::new(Bytes::from_static(b"{}")));
    assert_eq!(client.request(request).await.unwrap().status().as_u16(), 200);
    fixture.node.stop().await;
}

#[tokio::test]
async fn two_nodes_do_not_share_a_directory() {
    let fixture = Fixture::start().await;
    let data = fixture.node.data().unwrap().to_owned();
    let refused =
        headwater_server::Node::start(Config { data: Some(data), ..Fixture::config() }).await.unwrap_err();
    assert!(refused.to_string().contains("choose another directory with --data"), "{refused}");
    fixture.node.stop().await;
}

#[tokio::test]
async fn a_node_remembers_across_a_restart() {
    let fixture = Fixture::start().await;
    let root = fixture.node.root().clone();
    fixture.call("Kinesis_20131202.CreateStream", json!({"StreamName": "s", "ShardCount": 1})).await;
    let fixture = fixture.restart().await;
    assert_eq!(fixture.node.root(), &root);
    let listed = fixture.call("Kinesis_20131202.ListStreams", json!({})).await;
    assert_eq!(listed["StreamNames"], json!(["s"]));
    fixture.node.stop().await;
}

#[tokio::test]
async fn a_reset_forgets_everything_and_is_quick() {
    let data = tempfile::tempdir().unwrap();
    let config = Config { dev: true, data: Some(data.path().to_owned()), ..Fixture::config() };
    let fixture = Fixture::start_with(config).await;
    for name in ["a", "b"] {
        fixture.call("Kinesis_20131202.CreateStream", json!({"StreamName": name, "ShardCount": 4})).await;
    }
    let reset =
        "POST /_headwater/dev/reset HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    assert!(raw(&fixture, reset).await.starts_with("HTTP/1.1 200"));
    assert_eq!(fixture.call("Kinesis_20131202.ListStreams", json!({})).await["StreamNames"], json!([]));
    fixture.call("Kinesis_20131202.CreateStream", json!({"StreamName": "a", "ShardCount": 1})).await;
    let described = fixture.call("Kinesis_20131202.DescribeStreamSummary", json!({"StreamName": "a"})).await;
    assert_eq!(described["StreamDescriptionSummary"]["OpenShardCount"], 1);
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
