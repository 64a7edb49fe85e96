//! The entities of a flat configuration, as far as routing reads them, with Kong's defaults.
//!
//! Reads leniently what validation has already held against the schema: `null` is absent, and an empty object may stand for an
//! empty list, for Lua cannot tell them apart.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

#[derive(Deserialize)]
pub(super) struct Config<'a> {
    #[serde(default, deserialize_with = "list")]
    pub services: Vec<Service>,
    #[serde(default, deserialize_with = "list")]
    pub routes: Vec<Route>,
    #[serde(default, borrow)]
    pub plugins: Plugins<'a>,
    #[serde(default, deserialize_with = "list")]
    pub upstreams: Vec<Upstream>,
    #[serde(default, deserialize_with = "list")]
    pub targets: Vec<Target>,
}

#[derive(Deserialize)]
pub(super) struct Service {
    pub id: String,
    pub name: Option<String>,
    pub protocol: Option<String>,
    pub host: String,
    pub port: Option<f64>,
    pub path: Option<String>,
    pub retries: Option<f64>,
    pub connect_timeout: Option<f64>,
    pub write_timeout: Option<f64>,
    pub read_timeout: Option<f64>,
    pub enabled: Option<bool>,
}

#[derive(Deserialize)]
pub(super) struct Route {
    pub id: String,
    pub name: Option<String>,
    #[serde(default, deserialize_with = "list")]
    pub protocols: Vec<String>,
    #[serde(default, deserialize_with = "list")]
    pub methods: Vec<String>,
    /// An empty list differs from none: it counts as "no wildcard" in the order.
    #[serde(default, deserialize_with = "present_list")]
    pub hosts: Option<Vec<String>>,
    #[serde(default, deserialize_with = "list")]
    pub paths: Vec<String>,
    #[serde(default, deserialize_with = "list")]
    pub snis: Vec<String>,
    #[serde(default)]
    pub headers: HeaderMap,
    #[serde(default, deserialize_with = "whole")]
    pub regex_priority: i64,
    #[serde(default, deserialize_with = "list")]
    pub sources: Vec<IgnoredAny>,
    #[serde(default, deserialize_with = "list")]
    pub destinations: Vec<IgnoredAny>,
    pub strip_path: Option<bool>,
    pub preserve_host: Option<bool>,
    pub https_redirect_status_code: Option<f64>,
    pub expression: Option<IgnoredAny>,
    pub service: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Plugin<'a> {
    pub name: String,
    pub enabled: Option<bool>,
    #[serde(borrow)]
    pub config: Option<&'a RawValue>,
    pub route: Option<String>,
    pub service: Option<String>,
    pub consumer: Option<IgnoredAny>,
    pub consumer_group: Option<IgnoredAny>,
    pub condition: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "list")]
    pub protocols: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct Upstream {
    pub id: String,
    pub name: String,
    pub host_header: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Target {
    pub target: String,
    pub weight: Option<f64>,
    pub upstream: String,
}

/// A route's header conditions by name.
#[derive(Default)]
pub(super) struct HeaderMap(BTreeMap<String, Vec<String>>);

#[derive(Default)]
pub(super) struct Plugins<'a>(pub Vec<Plugin<'a>>);

impl HeaderMap {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Vec<String>)> {
        self.0.iter()
    }
}

impl Route {
    /// What an operator knows it by.
    pub(super) fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }
}

impl<'de> Deserialize<'de> for HeaderMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Values(Vec<String>);
        impl<'de> Deserialize<'de> for Values {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                list(deserializer).map(Self)
            }
        }
        struct Headers;
        impl<'de> Visitor<'de> for Headers {
            type Value = HeaderMap;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("header names with lists of values")
            }

            fn visit_unit<E>(self) -> Result<HeaderMap, E> {
                Ok(HeaderMap::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<HeaderMap, A::Error> {
                match seq.next_element::<IgnoredAny>()? {
                    Some(_) => Err(serde::de::Error::custom("expected header names with lists of values")),
                    None => Ok(HeaderMap::default()),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<HeaderMap, A::Error> {
                let mut headers = BTreeMap::new();
                while let Some((name, Values(values))) = map.next_entry()? {
                    headers.insert(name, values);
                }
                Ok(HeaderMap(headers))
            }
        }
        deserializer.deserialize_any(Headers)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Plugins<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor::<Plugin<'a>>(PhantomData)).map(Self)
    }
}

pub(super) fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_any(ListVisitor(PhantomData))
}

fn present_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    struct Present(Vec<String>);
    impl<'de> Deserialize<'de> for Present {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            list(deserializer).map(Self)
        }
    }
    Ok(Option::<Present>::deserialize(deserializer)?.map(|Present(list)| list))
}

/// A whole number, which JSON may write with a fraction of zero; absent is zero.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.map_or(0, |number| number as i64))
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E>(self) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element()? {
            elements.push(element);
        }
        Ok(elements)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<T>, A::Error> {
        match map.next_key::<IgnoredAny>()? {
            Some(_) => Err(serde::de::Error::custom("expected a list")),
            None => Ok(Vec::new()),
        }
    }
}
