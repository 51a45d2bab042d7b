//! Copies of a running node's data directory, and reading a directory back.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use headwater_server::{BACKUP_REQUEST, Config, DirectoryReport};

use crate::fixture::Fixture;

/// Larger than what lies inline in a fact.
const BODY_BYTES: usize = 200_000;

async fn start(data: &Path) -> Fixture {
    let fixture = Fixture::start_with(Config { data: Some(data.to_owned()), ..Fixture::config() }).await;
    assert_eq!(fixture.s3("PUT", "/bodies", &[], "").await.status, 200);
    fixture
}

async fn put(fixture: &Fixture, key: usize, byte: u8) {
    let path = format!("/bodies/{key}");
    assert_eq!(fixture.s3("PUT", &path, &[], vec![byte; BODY_BYTES]).await.status, 200);
}

async fn back_up(fixture: &Fixture, data: &Path, to: &Path) {
    std::fs::write(data.join(BACKUP_REQUEST), format!("{}\n", to.display())).unwrap();
    let answer = fixture.alice.send_unsigned("POST", "/_headwater/backup").await.unwrap();
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
}

fn verified(data: &Path) -> (DirectoryReport, Vec<String>) {
    let report = headwater_server::verify(data).unwrap();
    let problems = report.store.problems.iter().map(|problem| problem.what.clone()).collect();
    (report, problems)
}

/// The files of bodies below a data directory.
fn bodies(data: &Path) -> Vec<PathBuf> {
    let below = |dir: &Path| std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    below(&data.join("blobs"))
        .filter(|path| path.is_dir())
        .flat_map(|dir| below(&dir).collect::<Vec<_>>())
        .collect()
}

/// Bodies come and go while the copy is made: it has every one that its facts name.
#[tokio::test]
async fn a_copy_has_every_body_it_names() {
    let (data, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let fixture = start(data.path()).await;
    for key in 0..8 {
        put(&fixture, key, 0).await;
    }
    let done = AtomicBool::new(false);
    let overwrite = async {
        let mut n = 0;
        while !done.load(Ordering::Relaxed) {
            put(&fixture, n % 8, n as u8).await;
            n += 1;
        }
        n
    };
    let copy = async {
        for n in 0..4 {
            back_up(&fixture, data.path(), &copies.path().join(n.to_string())).await;
        }
        done.store(true, Ordering::Relaxed);
    };
    let (overwritten, ()) = tokio::join!(overwrite, copy);
    assert!(overwritten > 0);
    for n in 0..4 {
        let (report, problems) = verified(&copies.path().join(n.to_string()));
        assert_eq!(problems, Vec::<String>::new());
        assert!(report.blobs >= 8 && report.blob_bytes == report.blobs * BODY_BYTES as u64, "{report:?}");
    }
    assert!(headwater_server::verify(data.path()).is_err(), "a directory in use is not read back");
    fixture.node.stop().await;
}

#[tokio::test]
async fn reading_back_finds_bodies_that_are_damaged_missing_or_unnamed() {
    let data = tempfile::tempdir().unwrap();
    let fixture = start(data.path()).await;
    for key in 0..3 {
        put(&fixture, key, 7).await;
    }
    fixture.node.stop().await;
    let (report, problems) = verified(data.path());
    assert_eq!((report.blobs, problems.len(), report.orphans.len()), (3, 0, 0));

    let files = bodies(data.path());
    let mut bytes = std::fs::read(&files[0]).unwrap();
    bytes[BODY_BYTES / 2] ^= 1;
    std::fs::write(&files[0], bytes).unwrap();
    let unnamed = files[1].parent().unwrap().join("00112233445566778899aabbccddeeff");
    std::fs::rename(&files[1], unnamed).unwrap();
    let (report, mut problems) = verified(data.path());
    problems.sort();
    assert_eq!((report.blobs, report.orphans.len()), (1, 1));
    assert!(problems[0].contains("corrupt in block 0"), "{problems:?}");
    assert!(problems[1].contains("no such blob") && problems.len() == 2, "{problems:?}");
}
