//! Bodies across the boundary: read into memory reserved once, written from where they stand.

use wit_bindgen::rt::async_support::{StreamReader, StreamResult};

/// Reads `size` bytes. A stream that ends early gives what came; the caller compares.
pub async fn drain(mut reader: StreamReader<u8>, size: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let size = usize::try_from(size).map_err(|_| format!("a body of {size} bytes is too large"))?;
    bytes.try_reserve_exact(size).map_err(|_| format!("there is no memory for a body of {size} bytes"))?;
    while bytes.len() < size {
        let (result, read) = reader.read(bytes).await;
        bytes = read;
        match result {
            StreamResult::Complete(_) => {}
            StreamResult::Dropped | StreamResult::Cancelled => break,
        }
    }
    Ok(bytes)
}

/// Hands `bytes` to an import that takes a stream, and feeds it while the import runs.
#[cfg(any(feature = "importer", feature = "exporter"))]
pub async fn feed<T, F: Future<Output = T>>(bytes: Vec<u8>, import: impl FnOnce(u64, StreamReader<u8>) -> F) -> T {
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::Poll;

    let size = bytes.len() as u64;
    let (mut writer, reader) = crate::generated::common::wit_stream::new::<u8>();
    let mut import = pin!(import(size, reader));
    let mut feeding = pin!(async move {
        // What could not be delivered is the import's to report: it knows the size.
        let _undelivered = writer.write_all(bytes).await;
    });
    let mut fed = false;
    std::future::poll_fn(|context| {
        if !fed {
            fed = feeding.as_mut().poll(context).is_ready();
        }
        match import.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(output),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
