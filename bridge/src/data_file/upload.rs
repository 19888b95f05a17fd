//! Payload -> object: one request when small, parts one after the other when large.

use bytes::Bytes;
use delta_kernel::object_store::path::Path;
use delta_kernel::object_store::{
    DynObjectStore, MultipartUpload, ObjectStoreExt, PutPayload, Result,
};

const SINGLE_PUT_BYTES_MAX: usize = 16 << 20;
/// S3 takes at most 10,000 parts of at least 5 MiB.
const PART_BYTES: usize = 8 << 20;

/// Writes the whole object or none of it. Safe to call again: the name is ours alone.
pub(super) async fn upload(
    store: &DynObjectStore,
    object: &Path,
    payload: PutPayload,
) -> Result<()> {
    if payload.content_length() <= SINGLE_PUT_BYTES_MAX {
        return store.put(object, payload).await.map(|_| ());
    }
    let mut upload = store.put_multipart(object).await?;
    let sent = send_parts(upload.as_mut(), payload).await;
    if sent.is_err() {
        // Parts of an upload that is not aborted are paid for until a lifecycle rule removes them.
        let _ = upload.abort().await;
    }
    sent
}

async fn send_parts(upload: &mut dyn MultipartUpload, payload: PutPayload) -> Result<()> {
    let mut part: Vec<Bytes> = Vec::new();
    let mut held = 0;
    for block in payload {
        let mut block = block;
        while held + block.len() >= PART_BYTES {
            part.push(block.split_to(PART_BYTES - held));
            upload
                .put_part(std::mem::take(&mut part).into_iter().collect())
                .await?;
            held = 0;
        }
        held += block.len();
        if !block.is_empty() {
            part.push(block);
        }
    }
    if !part.is_empty() {
        upload.put_part(part.into_iter().collect()).await?;
    }
    upload.complete().await.map(|_| ())
}
