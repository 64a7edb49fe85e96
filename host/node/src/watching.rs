//! Asks the status pages of watched nodes how they are (export-10). Reads what they say of themselves; judges nothing.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use holdover_ports::{Health, Watching};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;

const PATIENCE: Duration = Duration::from_secs(3);
const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// The addresses of `holdover_soak_watch`, in order: `http://host:port`.
pub struct StatusWatching {
    addresses: Vec<String>,
    client: Client<HttpConnector, Empty<Bytes>>,
}

/// What is asked of a status page.
#[derive(Deserialize)]
struct Page {
    standing: String,
    reason: Option<String>,
    serving: Option<PageServing>,
}

#[derive(Deserialize)]
struct PageServing {
    sameness: String,
    /// Of the newest delivery, when the gateway did not take it.
    rejected: Option<String>,
}

impl StatusWatching {
    pub fn new(addresses: Vec<String>) -> Self {
        Self { addresses, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    async fn page(&self, address: &str) -> Result<Page, String> {
        let uri = format!("{}/status", address.trim_end_matches('/')).parse().map_err(|error| format!("{address}: {error}"))?;
        let response = self.client.get(uri).await.map_err(|error| error.to_string())?;
        if !response.status().is_success() {
            return Err(format!("it answered {}", response.status()));
        }
        let body = Limited::new(response.into_body(), PAGE_BYTES_MAX).collect().await.map_err(|error| error.to_string())?;
        serde_json::from_slice(&body.to_bytes()).map_err(|error| format!("its status page is none: {error}"))
    }
}

#[async_trait]
impl Watching for StatusWatching {
    async fn health(&self, watched: u32) -> Health {
        let Some(address) = self.addresses.get(watched as usize) else {
            return Health::Silent(format!("holdover_soak_watch has no entry number {watched}"));
        };
        match tokio::time::timeout(PATIENCE, self.page(address)).await {
            Ok(Ok(page)) => page.health(),
            Ok(Err(why)) => Health::Silent(why),
            Err(_) => Health::Silent(format!("no answer within {} s", PATIENCE.as_secs())),
        }
    }
}

impl Page {
    fn health(self) -> Health {
        match self.serving {
            Some(PageServing { rejected: Some(why), .. }) => Health::Ill(why),
            Some(PageServing { sameness, rejected: None }) => Health::Well { sameness },
            None => Health::Ill(self.reason.unwrap_or(self.standing)),
        }
    }
}
