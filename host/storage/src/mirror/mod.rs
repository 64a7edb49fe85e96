//! A mirror: any web server or CDN that holds a copy of a storage's files, read by GET and nothing else.
//!
//! The answer must be the file itself: no redirect is followed (another host or plain http could stand behind one, and whoever
//! operates the mirror knows the last address), nothing is decompressed, and no credentials are sent. What came is trusted no more
//! than from any storage: the policy verifies it.

mod client;
mod failure;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use holdover_ports::{Etag, Fetched, StorageFailure, StorageRead};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, DATE, ETAG, HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode};
use tokio::time::timeout;

use crate::body::{Pieces, Unread, read_whole};
use crate::options::Options;
use crate::url::MirrorPlace;
use crate::{date, key};
use failure::Words;

/// From sending the request to the head of its answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

pub(crate) struct MirrorReader {
    client: Client,
    base: String,
    name: String,
    words: Words,
}

impl MirrorReader {
    pub fn open(place: &MirrorPlace, options: &Options) -> Result<Self, String> {
        let base = place.base();
        let name = format!("mirror+{base}");
        let words = Words::new(&name, options.proxy_for(&base).as_ref());
        Ok(Self { client: client::towards(&base, options).map_err(|why| words.setting(&why))?, base, name, words })
    }

    async fn ask(&self, key: &str) -> Result<Response, StorageFailure> {
        let request = self.client.get(format!("{}/{key}", self.base)).header(ACCEPT_ENCODING, "identity");
        let answer = match timeout(ANSWER_TIMEOUT, request.send()).await {
            Ok(answer) => answer.map_err(|error| self.words.not_answered(key, &error))?,
            Err(_) => return Err(self.words.silent(key)),
        };
        match answer.status() {
            StatusCode::OK => Ok(answer),
            status => Err(self.words.refused(key, status.as_u16(), pause(answer.headers()))),
        }
    }
}

#[async_trait]
impl StorageRead for MirrorReader {
    fn name(&self) -> &str {
        &self.name
    }

    async fn get(&self, key: &str, bytes_max: u64) -> Result<Fetched, StorageFailure> {
        let key = key::checked(key)?;
        let answer = self.ask(key).await?;
        let headers = answer.headers();
        if let Some(encoding) = header(headers, CONTENT_ENCODING).filter(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
            return Err(self.words.encoded(key, encoding));
        }
        let etag = header(headers, ETAG).map(|etag| Etag(etag.to_owned()));
        let date = header(headers, DATE).and_then(date::parse);
        let announced = answer.content_length();
        let bytes = read_whole(answer, announced, bytes_max).await.map_err(|unread| match unread {
            Unread::TooLarge(bytes) => self.words.too_large(key, bytes, bytes_max),
            Unread::BrokeOff { received, cause } => self.words.broke_off(key, received, announced, &cause),
        })?;
        Ok(Fetched { bytes, etag, date })
    }
}

impl Pieces for Response {
    async fn next(&mut self) -> Option<Result<Bytes, String>> {
        self.chunk().await.map_err(|error| failure::deepest(&error)).transpose()
    }
}

fn pause(headers: &HeaderMap) -> Option<Duration> {
    let now = header(headers, DATE).and_then(date::parse).unwrap_or_else(date::now);
    crate::failure::retry_after(header(headers, RETRY_AFTER)?, now)
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
