//! What every backend of [`Blobs`] must do, as a suite that each backend's tests run.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;

use crate::{BLOCK_BYTES, BlobError, BlobReader, Blobs, Checked, UploadHandle};

/// Runs the suite on an empty place.
///
/// # Panics
/// When the backend breaks a promise.
pub async fn run(blobs: Arc<dyn Blobs>) {
    reads_back_every_length(&*blobs).await;
    reads_back_ranges(&*blobs).await;
    unfinished_writers_leave_nothing(&*blobs).await;
    live_blobs_are_not_listed(&*blobs).await;
    deletion_waits_for_readers(&*blobs).await;
    deletion_waits_for_holds(&*blobs).await;
    absent_blobs_are_absent(&*blobs).await;
}

/// Bytes that differ from block to block.
fn pattern(len: usize) -> Bytes {
    (0..len).map(|n| (n.wrapping_mul(31) ^ (n >> 8)) as u8).collect::<Vec<u8>>().into()
}

async fn put(blobs: &dyn Blobs, data: &Bytes, step: usize) -> UploadHandle {
    let mut writer = blobs.create().await.expect("a writer");
    for start in (0..data.len()).step_by(step) {
        let piece = data.slice(start..data.len().min(start + step));
        writer.write(piece).await.expect("room to write");
    }
    writer.finish().await.expect("a durable blob")
}

async fn gather(reader: Arc<dyn BlobReader>, range: std::ops::Range<u64>) -> Bytes {
    let mut all = Vec::new();
    let mut pieces = reader.stream(range);
    while let Some(piece) = pieces.next().await {
        let piece = piece.expect("a sound block");
        assert!(!piece.is_empty() && piece.len() <= BLOCK_BYTES);
        all.extend_from_slice(&piece);
    }
    all.into()
}

async fn reads_back_every_length(blobs: &dyn Blobs) {
    let block = BLOCK_BYTES;
    for len in [0, 1, 4095, block - 1, block, block + 1, 3 * block, 3 * block + 17, 7 * block + 17] {
        let data = pattern(len);
        let handle = put(blobs, &data, 300_001).await;
        assert_eq!(handle.len, len as u64);
        let reader = blobs.open(handle.id).await.expect("a finished blob opens");
        assert_eq!(reader.len(), len as u64);
        assert_eq!(reader.is_empty(), len == 0);
        assert_eq!(reader.read(0..len as u64).await.expect("sound"), data);
        assert_eq!(gather(reader, 0..len as u64).await, data);
        let all = Checked { bytes: len as u64, ..Checked::default() };
        assert_eq!(blobs.check(handle.id, 0, u64::MAX).await.expect("sound"), all);
        blobs.delete(handle.id).await.expect("deletes");
    }
}

async fn reads_back_ranges(blobs: &dyn Blobs) {
    let data = pattern(2 * BLOCK_BYTES + 100);
    let handle = put(blobs, &data, 64 << 10).await;
    let reader = blobs.open(handle.id).await.expect("a finished blob opens");
    let (block, len) = (BLOCK_BYTES as u64, data.len() as u64);
    for (from, to) in
        [(0, 1), (5, 5), (block - 1, block + 1), (block, 2 * block), (7, len), (len - 1, len), (len, len)]
    {
        let expected = data.slice(from as usize..to as usize);
        assert_eq!(reader.read(from..to).await.expect("sound"), expected, "{from}..{to}");
        assert_eq!(gather(reader.clone(), from..to).await, expected, "{from}..{to}");
    }
    assert_eq!(reader.read(len - 2..len + 50).await.expect("sound").len(), 2, "ranges end with the blob");
    blobs.delete(handle.id).await.expect("deletes");
}

async fn unfinished_writers_leave_nothing(blobs: &dyn Blobs) {
    let before = blobs.list().await.expect("lists").len();
    let mut writer = blobs.create().await.expect("a writer");
    writer.write(pattern(BLOCK_BYTES + 1)).await.expect("room to write");
    assert_eq!(blobs.list().await.expect("lists").len(), before, "a blob being written is not listed");
    drop(writer);
}

async fn live_blobs_are_not_listed(blobs: &dyn Blobs) {
    let handle = put(blobs, &pattern(10), 10).await;
    let (id, clone) = (handle.id, handle.clone());
    drop(handle);
    assert!(!blobs.list().await.expect("lists").contains(&id), "a clone keeps it live");
    assert!(blobs.is_live(id));
    drop(clone);
    assert!(!blobs.is_live(id));
    assert!(blobs.list().await.expect("lists").contains(&id));
    blobs.delete(id).await.expect("deletes");
    assert!(!blobs.list().await.expect("lists").contains(&id));
}

async fn deletion_waits_for_readers(blobs: &dyn Blobs) {
    let data = pattern(BLOCK_BYTES + 5);
    let handle = put(blobs, &data, BLOCK_BYTES).await;
    let reader = blobs.open(handle.id).await.expect("a finished blob opens");
    blobs.delete(handle.id).await.expect("deletes");
    assert!(matches!(blobs.open(handle.id).await, Err(BlobError::NotFound(_))));
    assert_eq!(gather(reader, 0..data.len() as u64).await, data, "the reader's pin holds");
}

async fn deletion_waits_for_holds(blobs: &dyn Blobs) {
    let data = pattern(7);
    let id = put(blobs, &data, 7).await.id;
    let (first, second) = (blobs.hold(), blobs.hold());
    blobs.delete(id).await.expect("deletes");
    blobs.delete(id).await.expect("deleting twice is no error");
    drop(first);
    assert!(blobs.list().await.expect("lists").contains(&id), "the second hold keeps it");
    assert_eq!(blobs.open(id).await.expect("it is still there").read(0..7).await.expect("sound"), data);
    drop(second);
    assert!(matches!(blobs.open(id).await, Err(BlobError::NotFound(_))));
    assert!(!blobs.list().await.expect("lists").contains(&id));
}

async fn absent_blobs_are_absent(blobs: &dyn Blobs) {
    let handle = put(blobs, &pattern(3), 3).await;
    blobs.delete(handle.id).await.expect("deletes");
    blobs.delete(handle.id).await.expect("deleting twice is no error");
    assert!(matches!(blobs.open(handle.id).await, Err(BlobError::NotFound(_))));
}
