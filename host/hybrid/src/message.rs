//! What a data plane says first over the websocket: its introduction (`basic_info`), and which plugins come with which Kong.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plugin {
    pub name: String,
    /// The bundled ones have Kong's own version. `None` is admitted everywhere and leaves only the name to be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// How a data plane introduces itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasicInfo {
    /// Whoever configures a plugin that is not here sends nothing: custom plugins belong here, too.
    pub plugins: Vec<Plugin>,
    pub labels: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Introduction<'a> {
    filters: BTreeMap<String, String>,
    #[serde(rename = "type")]
    kind: &'a str,
    plugins: &'a [Plugin],
    labels: &'a BTreeMap<String, String>,
    process_conf: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Introduced {
    #[serde(rename = "type", default)]
    kind: serde_json::Value,
    #[serde(default)]
    plugins: serde_json::Value,
    #[serde(default)]
    labels: serde_json::Value,
}

impl BasicInfo {
    /// As a control plane may read it: plain JSON, and nothing of this process's own settings.
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let (filters, process_conf) = (BTreeMap::new(), BTreeMap::new());
        let introduction = Introduction { filters, kind: "basic_info", plugins: &self.plugins, labels: &self.labels, process_conf };
        serde_json::to_vec(&introduction)
    }

    /// `Err` says what a control plane closes the connection for.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let introduced: Introduced =
            serde_json::from_slice(bytes).map_err(|error| format!("the introduction is no JSON that can be read ({error})"))?;
        match introduced.kind.as_str() {
            Some("basic_info") => {}
            Some(other) => return Err(format!("the first frame is '{}' and not basic_info", cut(other))),
            None => return Err("the first frame says no type; basic_info is due".to_owned()),
        }
        // Kong's JSON has one kind of table: an empty list may come as an object, and a filled object lists nothing.
        let plugins = match introduced.plugins {
            serde_json::Value::Array(entries) => entries.iter().filter_map(Plugin::read).collect(),
            serde_json::Value::Object(_) => Vec::new(),
            _ => return Err("the introduction has no list of plugins".to_owned()),
        };
        let labels = match introduced.labels {
            serde_json::Value::Object(labels) => labels,
            _ => serde_json::Map::new(),
        };
        let labels = labels.into_iter().filter_map(|(key, value)| Some((key, value.as_str()?.to_owned()))).collect();
        Ok(Self { plugins, labels })
    }
}

impl Plugin {
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), version: None }
    }

    /// A version that is no text is none: Kong compares none either.
    fn read(entry: &serde_json::Value) -> Option<Self> {
        let name = entry.get("name")?.as_str()?.to_owned();
        let version = entry.get("version").and_then(serde_json::Value::as_str).map(str::to_owned);
        Some(Self { name, version })
    }
}

/// Of somebody else's text only as much as a sentence can bear.
pub(crate) fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}

/// The plugins that come with open-source Kong of this minor version of 3, in the order in which a data plane lists them.
pub fn bundled_plugins(minor: u32) -> Vec<&'static str> {
    BUNDLED.iter().filter(|(since, _)| minor >= *since).map(|(_, name)| *name).collect()
}

/// With the minor version that brought each; those of 3.0 to 3.4 are not told apart.
const BUNDLED: [(u32, &str); 45] = [
    (0, "acl"),
    (0, "acme"),
    (6, "ai-prompt-decorator"),
    (6, "ai-prompt-guard"),
    (6, "ai-prompt-template"),
    (6, "ai-proxy"),
    (6, "ai-request-transformer"),
    (6, "ai-response-transformer"),
    (0, "aws-lambda"),
    (0, "azure-functions"),
    (0, "basic-auth"),
    (0, "bot-detection"),
    (0, "correlation-id"),
    (0, "cors"),
    (0, "datadog"),
    (0, "file-log"),
    (0, "grpc-gateway"),
    (0, "grpc-web"),
    (0, "hmac-auth"),
    (0, "http-log"),
    (0, "ip-restriction"),
    (0, "jwt"),
    (0, "key-auth"),
    (0, "ldap-auth"),
    (0, "loggly"),
    (0, "oauth2"),
    (0, "opentelemetry"),
    (0, "post-function"),
    (0, "pre-function"),
    (0, "prometheus"),
    (0, "proxy-cache"),
    (0, "rate-limiting"),
    (9, "redirect"),
    (0, "request-size-limiting"),
    (0, "request-termination"),
    (0, "request-transformer"),
    (0, "response-ratelimiting"),
    (0, "response-transformer"),
    (0, "session"),
    (8, "standard-webhooks"),
    (0, "statsd"),
    (0, "syslog"),
    (0, "tcp-log"),
    (0, "udp-log"),
    (0, "zipkin"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_introduction_is_read_as_it_was_written() {
        let plugins = vec![Plugin { name: "cors".into(), version: Some("3.9.1".into()) }, Plugin::named("mine")];
        let labels = BTreeMap::from([("zone".to_owned(), "a".to_owned())]);
        let info = BasicInfo { plugins, labels };
        assert_eq!(BasicInfo::decode(&info.encode().unwrap()), Ok(info));
    }

    #[test]
    fn what_kong_closes_for_is_refused_and_what_it_bears_is_borne() {
        for refused in
            ["{}", r#"{"type":"x","plugins":[]}"#, r#"{"type":"basic_info"}"#, r#"{"type":"basic_info","plugins":3}"#, "[]", "\u{7f}"]
        {
            assert!(BasicInfo::decode(refused.as_bytes()).is_err(), "{refused}");
        }
        assert!(BasicInfo::decode(b"{\"type\":\"basic_info\",\"plugins\":[],\"labels\":\"\xff\"}").is_err(), "no UTF-8");
        for borne in [r#"{"type":"basic_info","plugins":{}}"#, r#"{"type":"basic_info","plugins":[],"labels":null,"process_conf":{"a":1}}"#]
        {
            assert_eq!(BasicInfo::decode(borne.as_bytes()), Ok(BasicInfo::default()), "{borne}");
        }
        let odd = BasicInfo::decode(br#"{"type":"basic_info","plugins":[{"name":"a","version":1.5},{"version":"1"},7]}"#).unwrap();
        assert_eq!(odd.plugins, [Plugin::named("a")]);
    }

    #[test]
    fn the_bundled_plugins_grow_with_the_version() {
        let counts: Vec<usize> = [4, 5, 6, 7, 8, 9, 10].map(|minor| bundled_plugins(minor).len()).into();
        assert_eq!(counts, [37, 37, 43, 43, 44, 45, 45]);
        let names = bundled_plugins(9);
        assert!(names.is_sorted() && names.contains(&"redirect"));
    }
}
