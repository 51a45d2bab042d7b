//! S3 over the wire.

use bytes::Bytes;
use headwater_wire::client::Answer;

use crate::fixture::{Fixture, unique};

/// A node with a fresh bucket of Alice's.
async fn bucket() -> (Fixture, String) {
    let fixture = Fixture::start_in_memory().await;
    let name = unique("bucket");
    assert_eq!(fixture.s3("PUT", &format!("/{name}"), &[], "").await.status, 200);
    (fixture, name)
}

fn text(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.body).unwrap()
}

/// The text of the first element of that name.
fn element<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let (_, rest) = text(answer).split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0)
}

/// Every text of elements of that name.
fn elements<'a>(answer: &'a Answer, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    text(answer).split(&open).skip(1).filter_map(|rest| Some(rest.split_once(&close)?.0)).collect()
}

#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, element(answer, "Code")), (status, Some(code)), "{}", text(answer));
}

#[tokio::test]
async fn an_object_is_put_read_listed_and_deleted() {
    let (fixture, b) = bucket().await;
    let key = format!("/{b}/folder/a%20b.txt");
    let headers =
        [("content-type", "text/plain"), ("x-amz-meta-color", "blue"), ("cache-control", "max-age=5")];
    let put = fixture.s3("PUT", &key, &headers, "hello").await;
    assert_eq!(put.status, 200, "{}", text(&put));
    assert_eq!(put.header("etag"), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    assert!(put.header("x-amz-request-id").is_some());

    let get = fixture.s3("GET", &key, &[], "").await;
    assert_eq!((get.status, text(&get)), (200, "hello"));
    assert_eq!(get.header("content-type"), Some("text/plain"));
    assert_eq!(get.header("x-amz-meta-color"), Some("blue"));
    assert_eq!(get.header("cache-control"), Some("max-age=5"));
    assert_eq!(get.header("content-length"), Some("5"));
    assert_eq!(get.header("accept-ranges"), Some("bytes"));

    let head = fixture.s3("HEAD", &key, &[], "").await;
    assert_eq!((head.status, head.header("content-length")), (200, Some("5")));

    let list = fixture.s3("GET", &format!("/{b}?list-type=2&delimiter=%2F"), &[], "").await;
    assert_eq!(elements(&list, "CommonPrefixes"), ["<Prefix>folder/</Prefix>"]);
    let list = fixture.s3("GET", &format!("/{b}?list-type=2&prefix=folder%2F"), &[], "").await;
    assert_eq!(elements(&list, "Key"), ["folder/a b.txt"]);

    assert_eq!(fixture.s3("DELETE", &key, &[], "").await.status, 204);
    refused(&fixture.s3("GET", &key, &[], "").await, 404, "NoSuchKey");
    assert_eq!(fixture.s3("DELETE", &key, &[], "").await.status, 204, "gone is gone");
    assert_eq!(fixture.s3("DELETE", &format!("/{b}"), &[], "").await.status, 204);
    refused(&fixture.s3("GET", &format!("/{b}"), &[], "").await, 404, "NoSuchBucket");
}

#[tokio::test]
async fn ranges_are_served_or_refused() {
    let (fixture, b) = bucket().await;
    let key = format!("/{b}/k");
    fixture.s3("PUT", &key, &[], "0123456789").await;
    for (range, status, body) in [
        ("bytes=2-4", 206, "234"),
        ("bytes=7-", 206, "789"),
        ("bytes=-3", 206, "789"),
        ("bytes=5-500", 206, "56789"),
        ("bytes=4-2", 200, "0123456789"),
        ("lines=1-2", 200, "0123456789"),
    ] {
        let got = fixture.s3("GET", &key, &[("range", range)], "").await;
        assert_eq!((got.status, text(&got)), (status, body), "{range}");
    }
    let part = fixture.s3("GET", &key, &[("range", "bytes=2-4")], "").await;
    assert_eq!(part.header("content-range"), Some("bytes 2-4/10"));
    refused(&fixture.s3("GET", &key, &[("range", "bytes=10-")], "").await, 416, "InvalidRange");
}

#[tokio::test]
async fn conditions_decide() {
    let (fixture, b) = bucket().await;
    let key = format!("/{b}/k");
    let etag = "\"5d41402abc4b2a76b9719d911017c592\"";
    refused(&fixture.s3("PUT", &key, &[("if-match", etag)], "x").await, 404, "NoSuchKey");
    assert_eq!(fixture.s3("PUT", &key, &[("if-none-match", "*")], "hello").await.status, 200);
    refused(&fixture.s3("PUT", &key, &[("if-none-match", "*")], "other").await, 412, "PreconditionFailed");
    refused(&fixture.s3("PUT", &key, &[("if-match", "\"bad\"")], "other").await, 412, "PreconditionFailed");
    refused(&fixture.s3("GET", &key, &[("if-match", "\"bad\"")], "").await, 412, "PreconditionFailed");
    let unmodified = fixture.s3("GET", &key, &[("if-none-match", etag)], "").await;
    assert_eq!((unmodified.status, unmodified.body.len()), (304, 0));
    assert_eq!(unmodified.header("etag"), Some(etag));
    assert_eq!(fixture.s3("PUT", &key, &[("if-match", etag)], "new").await.status, 200);
    assert_eq!(text(&fixture.s3("GET", &key, &[], "").await), "new");
}

#[tokio::test]
async fn bodies_that_are_not_as_declared_store_nothing() {
    let (fixture, b) = bucket().await;
    let key = format!("/{b}/k");
    let wrong_md5 = [("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")];
    refused(&fixture.s3("PUT", &key, &wrong_md5, "hello").await, 400, "BadDigest");
    refused(&fixture.s3("PUT", &key, &[("content-md5", "nonsense")], "hello").await, 400, "InvalidDigest");
    refused(
        &fixture.s3("PUT", &key, &[("x-amz-checksum-crc32", "AAAAAA==")], "hello").await,
        400,
        "BadDigest",
    );
    refused(
        &fixture.s3("PUT", &key, &[("x-amz-checksum-crc32", "AAA")], "hello").await,
        400,
        "InvalidRequest",
    );
    refused(&fixture.s3("GET", &key, &[], "").await, 404, "NoSuchKey");
    let right = [("x-amz-checksum-crc32", "NhCmhg==")];
    let put = fixture.s3("PUT", &key, &right, "hello").await;
    assert_eq!((put.status, put.header("x-amz-checksum-crc32")), (200, Some("NhCmhg==")));
    let get = fixture.s3("GET", &key, &[("x-amz-checksum-mode", "ENABLED")], "").await;
    assert_eq!(get.header("x-amz-checksum-crc32"), Some("NhCmhg=="));
}

#[tokio::test]
async fn other_accounts_stay_outside() {
    let (fixture, b) = bucket().await;
    fixture.s3("PUT", &format!("/{b}/k"), &[], "mine").await;
    for (method, path) in [
        ("GET", format!("/{b}/k")),
        ("PUT", format!("/{b}/k")),
        ("GET", format!("/{b}")),
        ("DELETE", format!("/{b}")),
    ] {
        let answer = fixture.bob.send("s3", method, &path, &[], Bytes::new()).await.unwrap();
        refused(&answer, 403, "AccessDenied");
    }
    let taken = fixture.bob.send("s3", "PUT", &format!("/{b}"), &[], Bytes::new()).await.unwrap();
    refused(&taken, 409, "BucketAlreadyExists");
    refused(&fixture.s3("PUT", &format!("/{b}"), &[], "").await, 409, "BucketAlreadyOwnedByYou");
    let theirs = fixture.bob.send("s3", "GET", "/", &[], Bytes::new()).await.unwrap();
    assert!(!text(&theirs).contains(&b));
    let own = unique("bobs");
    fixture.bob.send("s3", "PUT", &format!("/{own}"), &[], Bytes::new()).await.unwrap();
    let source = format!("/{b}/k");
    let target = format!("/{own}/k");
    let headers = [("x-amz-copy-source", source.as_str())];
    let stolen = fixture.bob.send("s3", "PUT", &target, &headers, Bytes::new());
    refused(&stolen.await.unwrap(), 403, "AccessDenied");
}

#[tokio::test]
async fn pages_follow_one_another() {
    let (fixture, b) = bucket().await;
    for key in ["a/1", "a/2", "b", "c/1", "d"] {
        fixture.s3("PUT", &format!("/{b}/{key}"), &[], "x").await;
    }
    let first = fixture.s3("GET", &format!("/{b}?list-type=2&delimiter=%2F&max-keys=2"), &[], "").await;
    assert_eq!((elements(&first, "Key"), element(&first, "IsTruncated")), (vec!["b"], Some("true")));
    assert_eq!(elements(&first, "CommonPrefixes"), ["<Prefix>a/</Prefix>"]);
    let token = element(&first, "NextContinuationToken").unwrap();
    let path = format!("/{b}?continuation-token={token}&delimiter=%2F&list-type=2");
    let second = fixture.s3("GET", &path, &[], "").await;
    assert_eq!((elements(&second, "Key"), element(&second, "IsTruncated")), (vec!["d"], Some("false")));
    assert_eq!(elements(&second, "CommonPrefixes"), ["<Prefix>c/</Prefix>"]);
    let v1 = fixture.s3("GET", &format!("/{b}?delimiter=%2F&marker=a%2F&max-keys=1"), &[], "").await;
    assert_eq!((elements(&v1, "Key"), element(&v1, "NextMarker")), (vec!["b"], Some("b")));
    let none = fixture.s3("GET", &format!("/{b}?list-type=2&max-keys=0"), &[], "").await;
    assert_eq!((elements(&none, "Key").len(), element(&none, "IsTruncated")), (0, Some("false")));
    let bad = fixture.s3("GET", &format!("/{b}?continuation-token=%21&list-type=2"), &[], "").await;
    refused(&bad, 400, "InvalidArgument");
    let versions = fixture.s3("GET", &format!("/{b}?versions"), &[], "").await;
    assert_eq!(elements(&versions, "VersionId"), ["null"; 5]);
}

#[tokio::test]
async fn a_multipart_upload_becomes_one_object() {
    let (fixture, b) = bucket().await;
    let key = format!("/{b}/big");
    let begun = fixture.s3("POST", &format!("{key}?uploads"), &[("x-amz-meta-a", "b")], "").await;
    let id = element(&begun, "UploadId").unwrap().to_owned();
    let part = |n: usize| vec![n as u8; if n == 3 { 100 } else { 5 << 20 }];
    let mut listed = String::new();
    for n in 1..=3 {
        let path = format!("{key}?partNumber={n}&uploadId={id}");
        let put = fixture.s3("PUT", &path, &[], part(n)).await;
        assert_eq!(put.status, 200, "{}", text(&put));
        let etag = put.header("etag").unwrap();
        listed.push_str(&format!("<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>"));
    }
    let parts = fixture.s3("GET", &format!("{key}?uploadId={id}"), &[], "").await;
    assert_eq!(elements(&parts, "PartNumber"), ["1", "2", "3"]);
    let uploads = fixture.s3("GET", &format!("/{b}?uploads"), &[], "").await;
    assert_eq!(elements(&uploads, "UploadId"), [id.as_str()]);
    let xml = format!("<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>");
    let done = fixture.s3("POST", &format!("{key}?uploadId={id}"), &[], xml.clone()).await;
    assert_eq!(done.status, 200, "{}", text(&done));
    assert!(element(&done, "ETag").unwrap().contains("-3"), "{}", text(&done));
    let again = fixture.s3("POST", &format!("{key}?uploadId={id}"), &[], xml).await;
    assert_eq!(again.status, 200, "completing may be repeated");

    let whole = fixture.s3("GET", &key, &[], "").await;
    assert_eq!(whole.body.len(), (10 << 20) + 100);
    assert!(whole.body[..5 << 20].iter().all(|b| *b == 1) && whole.body[10 << 20..].iter().all(|b| *b == 3));
    assert_eq!(whole.header("x-amz-meta-a"), Some("b"));
    let seam = format!("bytes={}-{}", (5 << 20) - 1, 5 << 20);
    let seam = fixture.s3("GET", &key, &[("range", &seam)], "").await;
    assert_eq!(&seam.body[..], [1, 2]);
    let third = fixture.s3("GET", &format!("{key}?partNumber=3"), &[], "").await;
    assert_eq!((third.status, third.body.len(), third.header("x-amz-mp-parts-count")), (206, 100, Some("3")));
    let gone = fixture.s3("PUT", &format!("{key}?partNumber=4&uploadId={id}"), &[], "x").await;
    refused(&gone, 404, "NoSuchUpload");
}

#[tokio::test]
async fn copies_and_tags() {
    let (fixture, b) = bucket().await;
    let (from, to) = (format!("/{b}/from"), format!("/{b}/to"));
    let headers = [("x-amz-tagging", "team=ml&stage=raw"), ("x-amz-meta-a", "1")];
    fixture.s3("PUT", &from, &headers, "hello").await;
    let copied = fixture.s3("PUT", &to, &[("x-amz-copy-source", &from)], "").await;
    assert_eq!(copied.status, 200, "{}", text(&copied));
    let tags = fixture.s3("GET", &format!("{to}?tagging"), &[], "").await;
    assert_eq!(elements(&tags, "Key"), ["stage", "team"]);
    let got = fixture.s3("GET", &to, &[], "").await;
    assert_eq!(
        (text(&got), got.header("x-amz-meta-a"), got.header("x-amz-tagging-count")),
        ("hello", Some("1"), Some("2"))
    );
    let onto_itself = fixture.s3("PUT", &from, &[("x-amz-copy-source", &from)], "").await;
    refused(&onto_itself, 400, "InvalidRequest");
    let replaced = [
        ("x-amz-copy-source", from.as_str()),
        ("x-amz-metadata-directive", "REPLACE"),
        ("x-amz-meta-b", "2"),
    ];
    assert_eq!(fixture.s3("PUT", &from, &replaced, "").await.status, 200);
    let got = fixture.s3("GET", &from, &[], "").await;
    assert_eq!(
        (text(&got), got.header("x-amz-meta-a"), got.header("x-amz-meta-b")),
        ("hello", None, Some("2"))
    );
    let xml = "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>";
    assert_eq!(fixture.s3("PUT", &format!("{to}?tagging"), &[], xml).await.status, 200);
    assert_eq!(elements(&fixture.s3("GET", &format!("{to}?tagging"), &[], "").await, "Key"), ["k"]);
    assert_eq!(fixture.s3("DELETE", &format!("{to}?tagging"), &[], "").await.status, 204);
    assert!(elements(&fixture.s3("GET", &format!("{to}?tagging"), &[], "").await, "Key").is_empty());
    refused(&fixture.s3("GET", &format!("/{b}?tagging"), &[], "").await, 404, "NoSuchTagSet");
}

#[tokio::test]
async fn many_are_deleted_at_once() {
    let (fixture, b) = bucket().await;
    for key in ["a", "b", "c"] {
        fixture.s3("PUT", &format!("/{b}/{key}"), &[], "x").await;
    }
    let xml = "<Delete><Object><Key>a</Key></Object><Object><Key>b</Key></Object><Object><Key>never</Key></Object></Delete>";
    let deleted = fixture.s3("POST", &format!("/{b}?delete"), &[], xml).await;
    assert_eq!(deleted.status, 200, "{}", text(&deleted));
    assert_eq!(elements(&deleted, "Key"), ["a", "b", "never"]);
    let left = fixture.s3("GET", &format!("/{b}?list-type=2"), &[], "").await;
    assert_eq!(elements(&left, "Key"), ["c"]);
    refused(&fixture.s3("DELETE", &format!("/{b}"), &[], "").await, 409, "BucketNotEmpty");
    refused(&fixture.s3("POST", &format!("/{b}?delete"), &[], "<Delete>").await, 400, "MalformedXML");
}

#[tokio::test]
async fn what_is_not_done_is_said() {
    let (fixture, b) = bucket().await;
    refused(&fixture.s3("GET", &format!("/{b}?website"), &[], "").await, 501, "NotImplemented");
    refused(&fixture.s3("GET", &format!("/{b}?replication"), &[], "").await, 501, "NotImplemented");
    let encrypted =
        fixture.s3("PUT", &format!("/{b}/k"), &[("x-amz-server-side-encryption", "aws:kms:dsse")], "x").await;
    refused(&encrypted, 501, "NotImplemented");
    let public = fixture.s3("PUT", &format!("/{b}/k"), &[("x-amz-acl", "public-read")], "x").await;
    refused(&public, 400, "AccessControlListNotSupported");
    refused(&fixture.s3("PUT", "/NotABucket", &[], "").await, 400, "InvalidBucketName");
    let long = format!("/{b}/{}", "k".repeat(1025));
    refused(&fixture.s3("PUT", &long, &[], "x").await, 400, "KeyTooLongError");
    let versioning = fixture.s3("GET", &format!("/{b}?versioning"), &[], "").await;
    assert_eq!((versioning.status, element(&versioning, "Status")), (200, None));
}

#[tokio::test]
async fn odd_keys_are_just_keys() {
    let (fixture, b) = bucket().await;
    let keys = [
        "..",
        "../up",
        "a//b",
        "a/./b",
        "/lead",
        "trail/",
        "a+b",
        "a%2525b",
        "%C3%BC",
        "%01",
        "a&b=c;d,e!'()*~",
    ];
    for (n, key) in keys.iter().enumerate() {
        let put = fixture.s3("PUT", &format!("/{b}/{key}"), &[], format!("{n}")).await;
        assert_eq!(put.status, 200, "{key}: {}", text(&put));
    }
    for (n, key) in keys.iter().enumerate() {
        let got = fixture.s3("GET", &format!("/{b}/{key}"), &[], "").await;
        assert_eq!((got.status, text(&got)), (200, n.to_string().as_str()), "{key}");
    }
    let list = fixture.s3("GET", &format!("/{b}?encoding-type=url&list-type=2"), &[], "").await;
    assert_eq!(elements(&list, "Key").len(), keys.len());
}

#[tokio::test]
async fn acknowledged_objects_survive_a_restart() {
    let fixture = Fixture::start().await;
    let b = unique("bucket");
    fixture.s3("PUT", &format!("/{b}"), &[], "").await;
    let big = vec![7; 3 << 20];
    fixture.s3("PUT", &format!("/{b}/small"), &[], "hello").await;
    fixture.s3("PUT", &format!("/{b}/big"), &[], big.clone()).await;
    let fixture = fixture.restart().await;
    assert_eq!(text(&fixture.s3("GET", &format!("/{b}/small"), &[], "").await), "hello");
    assert_eq!(fixture.s3("GET", &format!("/{b}/big"), &[], "").await.body, big);
    fixture.node.stop().await;
}
