//! Where a storage is: the value of `cluster_fallback_config_storage`, parsed once and printable without secrets.
//!
//! Knows which addresses exist; opens none of them.

use std::fmt;
use std::path::PathBuf;

use crate::{key, options};

/// A storage's address. Only [`StorageUrl::parse`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageUrl(Place);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    S3(S3Place),
    Folder(PathBuf),
    Mirror(MirrorPlace),
}

/// A web server whose files are read, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MirrorPlace {
    pub server: Endpoint,
    /// Without slashes at its ends; empty for the server's root.
    pub path: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct S3Place {
    pub bucket: String,
    /// Without slashes at its ends; empty for the bucket's root.
    pub prefix: String,
    /// Named by the address itself; else `AWS_CONFIG_STORAGE_ENDPOINT` or Amazon's own.
    pub endpoint: Option<Endpoint>,
}

/// `http(s)://host[:port]` of an S3 service that is not Amazon's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint(String);

const FORMS: &str = "s3://bucket/prefix, https://host:port/bucket/prefix, file:///folder or, only to read, mirror+https://host/path";

impl StorageUrl {
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: String| format!("cluster_fallback_config_storage: {why}");
        if let Some(harmful) = text.chars().find(|character| !character.is_ascii_graphic()) {
            return Err(wrong(format!("the address holds the character {harmful:?}; write it without blanks or control characters")));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(wrong(format!("the address names no scheme; use {FORMS}")));
        };
        let authority = rest.split('/').next().unwrap_or_default();
        if authority.contains('@') {
            return Err(wrong(format!(
                "the {scheme}:// address holds a user or password; remove what stands before '@' \
                 and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )));
        }
        if rest.contains(['?', '#', '%', '\\']) {
            return Err(wrong(format!("'{scheme}://{authority}/…' holds one of ? # % \\; an address is {FORMS}")));
        }
        match scheme {
            "s3" => S3Place::parse(rest, None).map(|place| Self(Place::S3(place))).map_err(wrong),
            "http" | "https" => {
                let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
                let endpoint = Endpoint::parse(&format!("{scheme}://{host}")).map_err(wrong)?;
                S3Place::parse(path, Some(endpoint)).map(|place| Self(Place::S3(place))).map_err(wrong)
            }
            "file" => parse_folder(rest).map(|folder| Self(Place::Folder(folder))).map_err(wrong),
            "mirror+http" | "mirror+https" => MirrorPlace::parse(scheme, rest).map(|place| Self(Place::Mirror(place))).map_err(wrong),
            "gcs" | "gs" | "azure" => Err(wrong(format!("{scheme}:// is not built yet; use {FORMS}"))),
            _ => Err(wrong(format!("'{}' is no scheme of a storage; use {FORMS}", shortened(scheme)))),
        }
    }

    /// Whether nothing can be written there: a mirror.
    pub fn is_read_only(&self) -> bool {
        match &self.0 {
            Place::Mirror(_) => true,
            Place::S3(_) | Place::Folder(_) => false,
        }
    }

    pub(crate) fn place(&self) -> &Place {
        &self.0
    }
}

impl fmt::Display for StorageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::S3(place) => place.fmt(f),
            Place::Folder(folder) => write!(f, "file://{}", folder.display()),
            Place::Mirror(place) => write!(f, "mirror+{}", place.base()),
        }
    }
}

impl fmt::Display for S3Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.endpoint {
            Some(endpoint) => write!(f, "{endpoint}/{}", self.bucket)?,
            None => write!(f, "s3://{}", self.bucket)?,
        }
        match self.prefix.as_str() {
            "" => Ok(()),
            prefix => write!(f, "/{prefix}"),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl MirrorPlace {
    fn parse(scheme: &str, rest: &str) -> Result<Self, String> {
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let server = Endpoint::parse(&format!("{}://{host}", scheme.trim_start_matches("mirror+")))
            .map_err(|_| format!("{scheme}:// is followed by no host; write it as mirror+https://host:port/path"))?;
        if scheme == "mirror+http" && !options::is_loopback(options::host_of(host)) {
            return Err(format!(
                "{scheme}://{host} would bring configurations from another machine in the clear; write mirror+https://{host}"
            ));
        }
        let path = path.strip_suffix('/').unwrap_or(path);
        if !path.is_empty() && !path.split('/').all(key::is_plain) {
            return Err(format!(
                "'{}' is no path of a mirror; its parts are of a-z A-Z 0-9 . _ - + and none is empty or begins with a dot",
                shortened(path)
            ));
        }
        Ok(Self { server, path: path.to_owned() })
    }

    /// What a key is appended to, behind a slash.
    pub fn base(&self) -> String {
        match self.path.as_str() {
            "" => self.server.to_string(),
            path => format!("{}/{path}", self.server),
        }
    }
}

impl S3Place {
    fn parse(path: &str, endpoint: Option<Endpoint>) -> Result<Self, String> {
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        if !is_bucket_name(bucket) {
            return Err(format!(
                "'{}' is no bucket name; a bucket is 3 to 63 characters of a-z 0-9 . - that begins and ends with a letter or digit",
                shortened(bucket)
            ));
        }
        if !prefix.is_empty() && !prefix.split('/').all(key::is_plain) {
            return Err(format!(
                "'{}' is no prefix; its parts are of a-z A-Z 0-9 . _ - + and none is empty or begins with a dot",
                shortened(prefix)
            ));
        }
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned(), endpoint })
    }
}

impl Endpoint {
    /// An endpoint holds no path: the bucket comes from the storage's address. The error does not repeat the text, which may
    /// hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "the endpoint is not http://host:port or https://host:port without user, path and query".to_owned();
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let (host_is_well_formed, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, rest)) => (address.parse::<std::net::Ipv6Addr>().is_ok(), (!rest.is_empty()).then_some(rest)),
            None => match authority.find(':') {
                Some(colon) => (is_host(authority.get(..colon).unwrap_or_default()), authority.get(colon..)),
                None => (is_host(authority), None),
            },
        };
        let is_port = |port: &str| port.strip_prefix(':').and_then(|port| port.parse().ok()).is_some_and(|port: u16| port != 0);
        if !matches!(scheme, "http" | "https") || !host_is_well_formed || !port.is_none_or(is_port) {
            return Err(wrong());
        }
        Ok(Self(format!("{scheme}://{authority}")))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn parse_folder(rest: &str) -> Result<PathBuf, String> {
    let folder = rest.strip_suffix('/').unwrap_or(rest);
    if !folder.starts_with('/') {
        return Err(format!("'file://{}' is not absolute; write three slashes, as in file:///var/lib/holdover", shortened(rest)));
    }
    if folder.split('/').skip(1).any(|part| matches!(part, "" | "." | "..")) {
        return Err(format!("'file://{}' holds an empty part, '.' or '..'; write the folder's own path", shortened(rest)));
    }
    Ok(PathBuf::from(folder))
}

/// Amazon's rules for general purpose buckets.
fn is_bucket_name(name: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'.' || byte == b'-';
    (3..=63).contains(&name.len())
        && name.bytes().all(inner)
        && edge(name.bytes().next())
        && edge(name.bytes().next_back())
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
}

fn is_host(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
// A test stops at the first thing that is not as it says.
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn an_address_prints_as_it_is_meant() {
        let meant = [
            ("s3://bucket", "s3://bucket"),
            ("s3://bucket/", "s3://bucket"),
            ("s3://my.bucket-1/a/b/", "s3://my.bucket-1/a/b"),
            ("http://127.0.0.1:8333/bucket/prefix", "http://127.0.0.1:8333/bucket/prefix"),
            ("https://[::1]:9000/bucket", "https://[::1]:9000/bucket"),
            ("https://minio.internal/bucket/p", "https://minio.internal/bucket/p"),
            ("file:///var/lib/holdover/", "file:///var/lib/holdover"),
            ("mirror+https://cdn.example.com", "mirror+https://cdn.example.com"),
            ("mirror+https://cdn.example.com:8443/a/b+c/", "mirror+https://cdn.example.com:8443/a/b+c"),
            ("mirror+http://127.0.0.1:8080/a", "mirror+http://127.0.0.1:8080/a"),
            ("mirror+http://[::1]:8080", "mirror+http://[::1]:8080"),
            ("mirror+http://localhost/a", "mirror+http://localhost/a"),
        ];
        for (text, printed) in meant {
            assert_eq!(StorageUrl::parse(text).map(|url| url.to_string()), Ok(printed.to_owned()));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_setting_and_what_to_write() {
        let wrong = [
            "",
            "bucket",
            "/var/lib",
            "s3:/bucket",
            "s3://",
            "s3://ab",
            "s3://Bucket",
            "s3://-bucket",
            "s3://10.0.0.1",
            "s3://a..b",
            "s3://bucket//x",
            "s3://bucket/../x",
            "s3://bucket/.x",
            "s3://bucket/a?b",
            "s3://bucket/%2e%2e",
            "s3://bucket/a b",
            "http://host",
            "http://host/",
            "http:///bucket",
            "http://host:0/bucket",
            "http://host:99999/bucket",
            "http://ho st/bucket",
            "https://[::1/bucket",
            "https://[zz]/bucket",
            "file://relative/path",
            "file:///",
            "file:///a/../b",
            "file:///a//b",
            "ftp://host/bucket",
            "mirror+https://",
            "mirror+https:///path",
            "mirror+https://host/a//b",
            "mirror+https://host/../b",
            "mirror+https://host:0/b",
            "mirror+http://cdn.example.com/a",
            "mirror+http://10.0.0.1/a",
            "mirror+http://localhost.example.com/a",
            "mirror+file:///a",
            "s3://bucket\n",
        ];
        for text in wrong {
            let sentence = StorageUrl::parse(text).expect_err(text);
            assert!(sentence.starts_with("cluster_fallback_config_storage: "), "{sentence}");
        }
    }

    #[test]
    fn a_scheme_that_is_planned_is_recognised_and_refused() {
        for text in ["gcs://bucket/x", "gs://bucket", "azure://account/container"] {
            let sentence = StorageUrl::parse(text).expect_err(text);
            assert!(sentence.contains("not built yet; use s3://"), "{sentence}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_refused_and_not_repeated() {
        for text in [
            "https://user:hunter2@host/bucket",
            "s3://AKIA:hunter2@bucket/x",
            "https://hunter2@host/bucket",
            "mirror+https://me:hunter2@host/a",
        ] {
            let sentence = StorageUrl::parse(text).expect_err(text);
            assert!(!sentence.contains("hunter2"), "{sentence}");
            assert!(sentence.contains("AWS_ACCESS_KEY_ID"), "{sentence}");
        }
        let sentence = Endpoint::parse("http://user:hunter2@host:9000").expect_err("userinfo");
        assert!(!sentence.contains("hunter2"), "{sentence}");
    }
}
