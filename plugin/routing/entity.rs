//! The entities of a flat configuration, as far as routing reads them, with Kong's defaults.
//!
//! Reads leniently what validation has already held against the schema: `null` is absent, and an empty object may stand for an
//! empty list, for Lua cannot tell them apart. Writes only what is there, for [`super::packed`].

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

#[derive(Deserialize, Serialize)]
pub(super) struct Config<'a> {
    #[serde(default, deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Service>,
    #[serde(default, deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    #[serde(default, borrow)]
    pub plugins: Plugins<'a>,
    #[serde(default, deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub upstreams: Vec<Upstream>,
    #[serde(default, deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Target>,
}

#[derive(Deserialize, Serialize)]
pub(super) struct Service {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    pub host: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_timeout: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_timeout: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_verify: Option<bool>,
    #[serde(default, deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub ca_certificates: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<String>,
}

#[derive(Deserialize, Serialize)]
pub(super) struct Route {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub protocols: Vec<String>,
    #[serde(default, deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// An empty list differs from none: it counts as "no wildcard" in the order.
    #[serde(default, deserialize_with = "present_list", skip_serializing_if = "Option::is_none")]
    pub hosts: Option<Vec<String>>,
    #[serde(default, deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    #[serde(default, deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub snis: Vec<String>,
    #[serde(default, skip_serializing_if = "HeaderMap::is_empty")]
    pub headers: HeaderMap,
    #[serde(default, deserialize_with = "whole")]
    pub regex_priority: i64,
    #[serde(default, deserialize_with = "list", serialize_with = "presences", skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<IgnoredAny>,
    #[serde(default, deserialize_with = "list", serialize_with = "presences", skip_serializing_if = "Vec::is_empty")]
    pub destinations: Vec<IgnoredAny>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strip_path: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preserve_host: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub https_redirect_status_code: Option<f64>,
    #[serde(serialize_with = "presence", skip_serializing_if = "Option::is_none")]
    pub expression: Option<IgnoredAny>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

#[derive(Deserialize, Serialize)]
pub(super) struct Plugin<'a> {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub config: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    #[serde(serialize_with = "presence", skip_serializing_if = "Option::is_none")]
    pub consumer: Option<IgnoredAny>,
    #[serde(serialize_with = "presence", skip_serializing_if = "Option::is_none")]
    pub consumer_group: Option<IgnoredAny>,
    #[serde(serialize_with = "presence", skip_serializing_if = "Option::is_none")]
    pub condition: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub protocols: Vec<String>,
}

#[derive(Deserialize, Serialize)]
pub(super) struct Upstream {
    pub id: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_header: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<String>,
}

#[derive(Deserialize, Serialize)]
pub(super) struct Target {
    pub target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    pub upstream: String,
}

/// A route's header conditions by name.
#[derive(Default, Serialize)]
pub(super) struct HeaderMap(BTreeMap<String, Vec<String>>);

#[derive(Default, Serialize)]
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

/// That something is there is all that is read of it.
fn presence<S: Serializer>(_: &Option<IgnoredAny>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bool(true)
}

/// Of a list.
fn presences<S: Serializer>(_: &[IgnoredAny], serializer: S) -> Result<S::Ok, S::Error> {
    [true].serialize(serializer)
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
