//! Reads the storage: an S3 bucket behind one of Envoy's clusters, whose requests Envoy signs itself, so that no secret is held here.
//!
//! Objects are read in parts, since Envoy buffers no answer of more than 32 MiB. S3's own messages are not repeated, for they may hold a key; the code is, when it looks like one.

use std::time::{Duration, UNIX_EPOCH};

use holdover_plugin::model::UnixMs;
use holdover_plugin::policy::capabilities::{Etag, Fetched, StorageFailure, StorageFailureKind as Kind};

use super::calls::{Calls, Place, Response, Unheard};
use super::ranges::{self, Part};
use super::settings;
use super::world::Object;

/// One part of an object, on the way that a gateway has to its storage.
const TIMEOUT: Duration = Duration::from_secs(30);

pub async fn get(calls: &Calls, from: &settings::Storage, key: &str, bytes_max: u64) -> Result<Fetched<Object>, StorageFailure> {
    let reading = Reading { calls, from, key, bytes_max };
    let first = reading.part(0, None).await?;
    let (etag, date) = (first.header("etag").map(str::to_owned), date(&first));
    let (mut bytes, total) = reading.first(first)?;
    while (bytes.len() as u64) < total {
        let start = bytes.len() as u64;
        let next = reading.part(start, etag.as_deref()).await?;
        bytes.extend_from_slice(&reading.next(start, total, next)?);
    }
    Ok(Fetched { object: Object::fetched(bytes), etag: etag.map(Etag), date })
}

/// One object's.
struct Reading<'a> {
    calls: &'a Calls,
    from: &'a settings::Storage,
    key: &'a str,
    bytes_max: u64,
}

impl Reading<'_> {
    /// What begins at this byte, of the object with this mark.
    async fn part(&self, start: u64, etag: Option<&str>) -> Result<Response, StorageFailure> {
        let path = format!("{}/{}", self.from.prefix, escaped(self.key));
        let place = Place { cluster: &self.from.cluster, authority: &self.from.authority, path: &path };
        let range = ranges::from(start);
        let mut conditions = vec![("range", range.as_str())];
        // A weak mark matches nothing (RFC 9110, 13.1.1).
        conditions.extend(etag.filter(|etag| !etag.starts_with("W/")).map(|etag| ("if-match", etag)));
        let answered = self.calls.get(place, &conditions, TIMEOUT).await;
        answered.map_err(|unheard| self.failure(of_unheard(&unheard), format!("'{}' could not be read: {unheard}", self.key)))
    }

    /// What the first part holds, and the size of the whole.
    fn first(&self, part: Response) -> Result<(Vec<u8>, u64), StorageFailure> {
        let total = match part.status {
            // It knows no ranges, and sent all.
            200 => part.body.len() as u64,
            206 => match part.header("content-range").and_then(Part::parse) {
                Some(Part { first: 0, total }) => total,
                Some(_) | None => return Err(self.not_asked_for()),
            },
            // Nothing begins at the first byte of an empty object.
            416 => return Ok((Vec::new(), 0)),
            status => return Err(self.refused(status, &part)),
        };
        let bytes = total.max(part.body.len() as u64);
        if bytes > self.bytes_max {
            let (key, most) = (self.key, self.bytes_max);
            let what = format!("'{key}' has {bytes} bytes; {most} is the most that is taken, so look who put it there");
            return Err(self.failure(Kind::TooLarge, what));
        }
        Ok((part.body, total))
    }

    /// What another part of the same whole holds: something, and not too much.
    fn next(&self, start: u64, total: u64, part: Response) -> Result<Vec<u8>, StorageFailure> {
        match part.status {
            206 => {}
            // It was replaced.
            412 => return Err(self.replaced()),
            status => return Err(self.refused(status, &part)),
        }
        match part.header("content-range").and_then(Part::parse) {
            Some(range) if range.total != total => Err(self.replaced()),
            Some(range) if range.first == start && !part.body.is_empty() && start + part.body.len() as u64 <= total => Ok(part.body),
            Some(_) | None => Err(self.not_asked_for()),
        }
    }

    fn replaced(&self) -> StorageFailure {
        self.failure(Kind::Unreachable, format!("'{}' was replaced while it was read; it is read anew the next time", self.key))
    }

    fn not_asked_for(&self) -> StorageFailure {
        self.failure(Kind::Other, format!("a part of '{}' came that was not asked for; look at what stands between", self.key))
    }

    fn refused(&self, status: u16, part: &Response) -> StorageFailure {
        let (kind, what) = of_answer(self.key, status, code(&part.body));
        self.failure(kind, what)
    }

    fn failure(&self, kind: Kind, what: String) -> StorageFailure {
        StorageFailure::new(kind, format!("{}: {what}", self.from))
    }
}

/// Keys hold little else than letters; what they do hold besides is written so that path and signature agree on it.
fn escaped(key: &str) -> String {
    key.replace('+', "%2B")
}

fn of_unheard(unheard: &Unheard) -> Kind {
    match unheard {
        Unheard::NoSuchCluster => Kind::NoSuchStorage,
        Unheard::NobodyToAsk | Unheard::NotConnected | Unheard::TimedOut | Unheard::Dropped | Unheard::CutShort { .. } => Kind::Unreachable,
    }
}

fn of_answer(key: &str, status: u16, code: &str) -> (Kind, String) {
    match (status, code) {
        (_, "NoSuchBucket") => (Kind::NoSuchStorage, format!("there is no such bucket ({code}); create it, or correct storage_prefix")),
        (_, "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "ExpiredToken" | "InvalidToken") => (
            Kind::Credentials,
            format!("the storage does not accept the credentials that Envoy signs with ({code}); correct those of its aws_request_signing"),
        ),
        (404, _) => (Kind::Absent, format!("there is no '{key}'; check storage_prefix, and that an exporter has published there")),
        (403, "AccessDenied") => (
            Kind::AbsentOrForbidden,
            format!(
                "'{key}' is absent or not to be read by Envoy's identity ({code}); allow s3:GetObject, and s3:ListBucket, without which S3 does not say which of both"
            ),
        ),
        (403, _) => (
            Kind::Forbidden,
            format!(
                "'{key}' may not be read ({status} {code}); add envoy.filters.http.aws_request_signing to the cluster, and allow s3:GetObject"
            ),
        ),
        (429 | 503, _) => {
            (Kind::SlowDown, format!("the storage asks for a pause ({status} {code}); if this lasts, give the cluster a bucket of its own"))
        }
        (500..=599, _) => (Kind::Unreachable, format!("the storage failed at a GET of '{key}' ({status} {code}); check the service")),
        _ => (Kind::Other, format!("a GET of '{key}' was answered with {status} {code}; check that storage_cluster is an S3 service")),
    }
}

/// S3's code for what went wrong, out of its XML.
fn code(body: &[u8]) -> &str {
    let text = std::str::from_utf8(body).unwrap_or_default();
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code);
    code.filter(|code| code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric())).unwrap_or("no S3 code")
}

fn date(response: &Response) -> Option<UnixMs> {
    let date = httpdate::parse_http_date(response.header("date")?).ok()?;
    let millis = date.duration_since(UNIX_EPOCH).ok()?.as_millis();
    u64::try_from(millis).ok().map(UnixMs)
}
