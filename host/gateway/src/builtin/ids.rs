//! The ids that requests get: Kong's request id, which every request has, and those of the plugin `correlation-id`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use holdover_plugin::routing::{Circumstances, Correlation};
use http::HeaderMap;
use http::header::HeaderName;
use rustls::crypto::SecureRandom;

use super::headers;
use super::listen::Connection;

pub(super) struct Ids {
    random: &'static dyn SecureRandom,
    process_random: u128,
    made: AtomicU64,
}

pub(super) struct CorrelationId<'a> {
    correlation: &'a Correlation,
    name: HeaderName,
    value: String,
}

impl Ids {
    pub(super) fn new() -> Result<Self, String> {
        let random = rustls::crypto::ring::default_provider().secure_random;
        let mut process = [0; 16];
        random.fill(&mut process).map_err(|_| "the system gives no random numbers".to_owned())?;
        Ok(Self { random, process_random: u128::from_ne_bytes(process), made: AtomicU64::new(0) })
    }

    /// 32 hexadecimal digits, as Kong's.
    pub(super) fn of_request(&self) -> String {
        format!("{:032x}", self.random())
    }

    /// What the client sent, else one of our own.
    pub(super) fn of_correlation<'a>(
        &self,
        correlation: &'a Correlation,
        headers: &HeaderMap,
        connection: &Connection,
        requests: u64,
    ) -> CorrelationId<'a> {
        let name = HeaderName::try_from(correlation.header_name.as_str()).unwrap_or(HeaderName::from_static("kong-request-id"));
        let sent = headers.get(&name).and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty());
        let value = sent.map_or_else(|| correlation.id(&self.circumstances(connection, requests)), str::to_owned);
        CorrelationId { correlation, name, value }
    }

    fn circumstances(&self, connection: &Connection, requests: u64) -> Circumstances {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Circumstances {
            random: self.random(),
            process_random: self.process_random,
            process_id: std::process::id(),
            ids_before: self.made.fetch_add(1, Ordering::Relaxed),
            server: connection.local,
            connection: connection.number,
            connection_requests: requests,
            now_unix_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        }
    }

    fn random(&self) -> u128 {
        let mut random = [0; 16];
        // It filled once at start; if it ever fails, the id is only less unique.
        let _ = self.random.fill(&mut random);
        u128::from_ne_bytes(random)
    }
}

impl CorrelationId<'_> {
    pub(super) fn toward_upstream(&self, headers: &mut HeaderMap) {
        headers::set(headers, self.name.clone(), Some(&self.value));
    }

    /// If the plugin is to echo it.
    pub(super) fn toward_client(&self, headers: &mut HeaderMap) {
        if self.correlation.echo_downstream {
            headers::set(headers, self.name.clone(), Some(&self.value));
        }
    }
}
