//! The plugin `correlation-id`: gives each request an id that the upstream, and if asked the client, can see.

use std::net::SocketAddr;

use serde::Deserialize;

use super::encoding::uuid_from_random;

#[derive(Debug)]
pub struct Correlation {
    /// The header that carries the id; one that the client sent is kept.
    pub header_name: String,
    /// Whether the answer carries it too.
    pub echo_downstream: bool,
    generator: Generator,
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum Generator {
    #[serde(rename = "uuid")]
    Uuid,
    #[serde(rename = "uuid#counter")]
    UuidCounter,
    #[serde(rename = "tracker")]
    Tracker,
}

#[derive(Deserialize)]
struct Settings {
    header_name: Option<String>,
    generator: Option<Generator>,
    echo_downstream: Option<bool>,
}

/// What an id is made of; whoever received the request knows it.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// For this request.
    pub random: u128,
    /// The same for all requests of this process.
    pub process_random: u128,
    pub process_id: u32,
    /// How many ids this process made before.
    pub ids_before: u64,
    pub server: SocketAddr,
    /// The connection's number in this process, and the request's number on it.
    pub connection: u64,
    pub connection_requests: u64,
    pub now_unix_ms: u64,
}

impl Correlation {
    /// `None` if the settings are not what the plugin takes.
    pub(super) fn parse(config: &str) -> Option<Self> {
        let settings: Settings = serde_json::from_str(config).ok()?;
        Some(Self {
            header_name: settings.header_name.unwrap_or_else(|| "Kong-Request-ID".to_owned()),
            echo_downstream: settings.echo_downstream.unwrap_or(false),
            generator: settings.generator.unwrap_or(Generator::UuidCounter),
        })
    }

    pub fn id(&self, of: &Circumstances) -> String {
        match self.generator {
            Generator::Uuid => uuid_from_random(of.random),
            Generator::UuidCounter => format!("{}#{}", uuid_from_random(of.process_random), of.ids_before.saturating_add(1)),
            Generator::Tracker => {
                let (ip, port, process) = (of.server.ip(), of.server.port(), of.process_id);
                let (connection, requests) = (of.connection, of.connection_requests);
                let (seconds, milliseconds) = (of.now_unix_ms / 1_000, of.now_unix_ms % 1_000);
                format!("{ip}-{port}-{process}-{connection}-{requests}-{seconds}.{milliseconds:03}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.
    use super::*;

    #[test]
    fn each_generator_makes_its_kind_of_id() {
        let of = Circumstances {
            random: 1,
            process_random: 2,
            process_id: 3,
            ids_before: 4,
            server: SocketAddr::from(([127, 0, 0, 1], 8000)),
            connection: 5,
            connection_requests: 6,
            now_unix_ms: 7_008,
        };
        let id = |config: &str| Correlation::parse(config).unwrap().id(&of);
        assert_eq!(id(r#"{"generator":"uuid"}"#), "00000000-0000-4000-8000-000000000001");
        assert_eq!(id("{}"), "00000000-0000-4000-8000-000000000002#5");
        assert_eq!(id(r#"{"generator":"tracker"}"#), "127.0.0.1-8000-3-5-6-7.008");
    }

    #[test]
    fn settings_have_kongs_defaults_and_others_are_refused() {
        let correlation = Correlation::parse(r#"{"header_name":null}"#).unwrap();
        assert_eq!((correlation.header_name.as_str(), correlation.echo_downstream), ("Kong-Request-ID", false));
        assert!(Correlation::parse(r#"{"generator":"snowflake"}"#).is_none());
    }
}
