//! A control plane's `reconfigure`: a whole configuration in one message.
//!
//! It is kept as the bytes that came; only what the protocol itself needs is read out of it, in one walk. Whether the configuration is a
//! good one, the reader of those bytes must find out.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use holdover_plugin::config::{JSON_DEPTH_MAX, kong};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::HASH_BYTES;
use crate::message::cut;

/// A whole configuration, as its control plane sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconfigure {
    /// The whole message, inflated.
    pub message: Bytes,
    /// The control plane's name for it: what a data plane pings when it runs this configuration.
    pub hash: String,
    /// The list of plugins, as it stands in the message.
    plugins: Option<Bytes>,
}

/// Why a message is no configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotRead {
    /// It is none of Kong's messages.
    NoJson(String),
    /// It says that it is a configuration, and cannot be used as one.
    Unusable(String),
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", default)]
    kind: serde_json::Value,
    #[serde(default)]
    config_hash: Option<String>,
    /// `None` also for what is no table.
    #[serde(borrow, default, deserialize_with = "table")]
    config_table: Option<Table<'a>>,
}

/// Of a configuration what is asked about once it was read: it may be large, and is walked over no second time.
struct Table<'a> {
    plugins: Option<&'a RawValue>,
}

/// For a message that does not say its hash.
#[derive(Deserialize)]
struct Unnamed<'a> {
    #[serde(borrow)]
    config_table: &'a RawValue,
}

/// Of a configuration, only which plugins it configures.
#[derive(Deserialize)]
struct Configured {
    name: String,
}

impl Reconfigure {
    /// `None` for a message of another type, which a data plane passes over.
    pub fn read(message: Bytes) -> Result<Option<Self>, NotRead> {
        let envelope: Envelope<'_> =
            serde_json::from_slice(&message).map_err(|error| NotRead::NoJson(format!("it is no JSON that can be read ({error})")))?;
        if envelope.kind.as_str() != Some("reconfigure") {
            return Ok(None);
        }
        let unusable = |why: String| Err(NotRead::Unusable(why));
        let Some(table) = envelope.config_table else { return unusable("it has no config_table".to_owned()) };
        // The message itself is one level.
        if depth(&message) > JSON_DEPTH_MAX {
            return unusable(format!("it is nested deeper than {JSON_DEPTH_MAX} levels"));
        }
        let hash = match envelope.config_hash {
            Some(hash) if hash.len() == HASH_BYTES && hash.bytes().all(|byte| byte.is_ascii_graphic()) => hash,
            Some(hash) => return unusable(format!("its config_hash '{}' is not {HASH_BYTES} characters", cut(&hash))),
            // A data plane computes what it is not told.
            None => computed(&message).map_err(NotRead::Unusable)?,
        };
        let plugins = table.plugins.map(|plugins| message.slice_ref(plugins.get().as_bytes()));
        Ok(Some(Self { message, hash, plugins }))
    }

    /// The names of the plugins that are configured, each once. `Err` repeats nothing that stands there.
    pub fn plugins(&self) -> Result<Vec<String>, String> {
        let Some(plugins) = &self.plugins else { return Ok(Vec::new()) };
        let plugins: Option<Vec<Configured>> = serde_json::from_slice(plugins)
            .map_err(|error| format!("its plugins are no list of named entities (line {}, column {})", error.line(), error.column()))?;
        let mut names: Vec<String> = plugins.unwrap_or_default().into_iter().map(|plugin| plugin.name).collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

fn computed(message: &[u8]) -> Result<String, String> {
    let Unnamed { config_table } = serde_json::from_slice(message).map_err(|error| error.to_string())?;
    let hashes = kong::hashes(config_table.get().as_bytes());
    Ok(hashes.map_err(|invalid| format!("its config_table cannot be read ({invalid})"))?.config)
}

impl fmt::Display for NotRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoJson(sentence) | Self::Unusable(sentence) => f.write_str(sentence),
        }
    }
}

fn table<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Table<'de>>, D::Error> {
    deserializer.deserialize_any(Sections)
}

/// Whatever is no table is passed over, and never quoted in an error.
struct Sections;

impl<'de> Visitor<'de> for Sections {
    type Value = Option<Table<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a config_table")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut sections: A) -> Result<Self::Value, A::Error> {
        let mut plugins = None;
        while let Some(name) = sections.next_key::<Cow<'de, str>>()? {
            if name == "plugins" {
                plugins = Some(sections.next_value()?);
            } else {
                sections.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Some(Table { plugins }))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// How deep JSON is nested that was read already.
fn depth(json: &[u8]) -> usize {
    let (mut now, mut deepest) = (0_usize, 0);
    let (mut in_text, mut escaped) = (false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                now += 1;
                deepest = deepest.max(now);
            }
            b'}' | b']' if !in_text => now = now.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reconfigure_keeps_its_bytes_and_another_type_is_passed_over() {
        let hash = "0c3691e222ced09931240a9d88cfd632";
        let text = format!(r#"{{ "type":"reconfigure", "config_hash":"{hash}", "config_table":{{"a":"]}}\"["}}, "timestamp":1.0e3 }}"#);
        let read = Reconfigure::read(Bytes::from(text.clone())).unwrap().unwrap();
        assert_eq!((read.message, read.hash.as_str()), (Bytes::from(text), hash));
        assert_eq!(Reconfigure::read(Bytes::from_static(br#"{"type":"other"}"#)), Ok(None));
    }

    #[test]
    fn a_hash_that_is_not_told_is_computed() {
        let text = r#"{"type":"reconfigure","config_table":{"_format_version":"3.0"}}"#;
        let computed = kong::hashes(br#"{"_format_version":"3.0"}"#).unwrap().config;
        assert_eq!(Reconfigure::read(Bytes::from(text)).unwrap().unwrap().hash, computed);
    }

    #[test]
    fn the_plugins_that_are_configured_are_named_each_once() {
        let named = |table: &str| {
            let text = format!(r#"{{"type":"reconfigure","config_table":{table},"config_hash":"0c3691e222ced09931240a9d88cfd632"}}"#);
            Reconfigure::read(Bytes::from(text)).unwrap().unwrap().plugins()
        };
        let list = r#"[{"name":"cors","config":{}},{"id":"1","name":"acl"},{"name":"cors"}]"#;
        assert_eq!(
            named(&format!(r#"{{"routes":[{{"plugins":[]}}],"plugins":{list},"services":[]}}"#)),
            Ok(vec!["acl".into(), "cors".into()])
        );
        for none in ["{}", r#"{"plugins":null}"#, r#"{"plugins":[]}"#] {
            assert_eq!(named(none), Ok(Vec::new()), "{none}");
        }
        let why = named(r#"{"plugins":"hunter2"}"#).unwrap_err();
        assert!(why.contains("no list of named entities") && !why.contains("hunter2"), "{why}");
    }

    #[test]
    fn a_message_that_cannot_be_used_says_why() {
        let deep = format!(r#"{{"type":"reconfigure","config_table":{{"a":{}{}}}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        for (text, why) in [
            ("", "no JSON"),
            (r#"{"type":"reconfigure""#, "no JSON"),
            (r#"{"type":"reconfigure"}"#, "no config_table"),
            (r#"{"type":"reconfigure","config_table":[]}"#, "no config_table"),
            (r#"{"type":"reconfigure","config_table":"hunter2"}"#, "no config_table"),
            (r#"{"type":"reconfigure","config_table":{},"config_hash":"short"}"#, "'short'"),
            (deep.as_str(), "nested deeper"),
        ] {
            let told = Reconfigure::read(Bytes::from(text.to_owned())).unwrap_err().to_string();
            assert!(told.contains(why), "{told}");
        }
    }
}
