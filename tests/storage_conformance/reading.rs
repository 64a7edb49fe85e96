//! What every reader promises, also one that may do nothing but read: held against objects that somebody else has placed.

use std::path::Path;

use bytes::Bytes;
use holdover_plugin::model::Digest;
use holdover_ports::{StorageFailureKind, StorageRead};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{BYTES_MAX, expect};

const LARGE: &str = "reading/large";

/// What must be there before [`keeps_every_promise`].
pub fn objects() -> Vec<(String, Bytes)> {
    let bodies = [Bytes::new(), Bytes::from_static(b"{}"), Bytes::from(vec![7; 300_000]), Bytes::from((0..=255).collect::<Vec<u8>>())];
    let numbered = bodies.into_iter().enumerate().map(|(number, body)| (format!("reading/object-{number}"), body));
    numbered.chain([(LARGE.to_owned(), Bytes::from(vec![1; 1000]))]).collect()
}

/// `absent` is how this storage tells this reader that there is nothing.
pub async fn keeps_every_promise(reader: &dyn StorageRead, absent: StorageFailureKind) {
    for (key, body) in objects() {
        let fetched = reader.get(&key, BYTES_MAX).await.unwrap();
        assert!(fetched.bytes == body, "{key}: {} bytes came back of {}", fetched.bytes.len(), body.len());
        assert!(fetched.etag.is_some(), "{key} has no mark");
        assert_eq!(reader.get(&key, BYTES_MAX).await.unwrap().etag, fetched.etag, "{key}: its mark moved");
    }
    for missing in ["no/such/object", "reading/object"] {
        expect(&reader.get(missing, BYTES_MAX).await.unwrap_err(), absent, missing);
    }
    assert_eq!(reader.get(LARGE, 1000).await.unwrap().bytes.len(), 1000);
    expect(&reader.get(LARGE, 999).await.unwrap_err(), StorageFailureKind::TooLarge, "1000 bytes");
    for key in ["../head", "a/../../head", "/head", "a//b", ""] {
        assert_eq!(reader.get(key, 10).await.unwrap_err().kind, StorageFailureKind::Other, "{key}");
    }
}

/// Serves a folder's files as any web server would, until the test ends. Says where.
pub async fn serve(folder: &Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, folder) = (listener.local_addr().unwrap(), folder.to_owned());
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let folder = folder.clone();
            tokio::spawn(async move { answer(connection, &folder).await });
        }
    });
    format!("http://{address}")
}

async fn answer(mut connection: TcpStream, folder: &Path) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = connection.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.strip_prefix("GET /").and_then(|rest| rest.split(' ').next()).expect("a mirror is asked by GET alone");
    let (status, body) = match tokio::fs::read(folder.join(target)).await {
        Ok(bytes) => ("200 OK", bytes),
        Err(_) => ("404 Not Found", b"<html>no such page</html>".to_vec()),
    };
    let (length, etag) = (body.len(), Digest::of(&body).short());
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nETag: \"{etag}\"\r\nConnection: close\r\n\r\n");
    // Who found the length too large hangs up.
    let _ = connection.write_all(head.as_bytes()).await;
    let _ = connection.write_all(&body).await;
}
