//! Reads the storage: an S3 bucket behind one of Envoy's clusters, whose requests Envoy signs itself, so that no secret is held here.
//!
//! S3's own messages are not repeated, for they may hold a key; the code is, when it looks like one.

use std::time::{Duration, UNIX_EPOCH};

use holdover_plugin::model::UnixMs;
use holdover_plugin::policy::capabilities::{Etag, Fetched, StorageFailure, StorageFailureKind as Kind};

use crate::calls::{Calls, Place, Response, Unheard};
use crate::settings;
use crate::world::Object;

/// A whole object, on the way that a gateway has to its storage.
const TIMEOUT: Duration = Duration::from_secs(30);

pub async fn get(calls: &Calls, from: &settings::Storage, key: &str, bytes_max: u64) -> Result<Fetched<Object>, StorageFailure> {
    let path = format!("{}/{}", from.prefix, escaped(key));
    let place = Place { cluster: &from.cluster, authority: &from.authority, path: &path };
    let failure = |kind, what: String| StorageFailure::new(kind, format!("{from}: {what}"));
    let response = match calls.get(place, TIMEOUT).await {
        Ok(response) => response,
        Err(unheard) => return Err(failure(of_unheard(&unheard), format!("'{key}' could not be read: {unheard}"))),
    };
    if response.status != 200 {
        let (kind, what) = of_answer(key, response.status, code(&response.body));
        return Err(failure(kind, what));
    }
    let bytes = response.body.len() as u64;
    if bytes > bytes_max {
        let what = format!("'{key}' has {bytes} bytes; {bytes_max} is the most that is taken, so look who put it there");
        return Err(failure(Kind::TooLarge, what));
    }
    let (etag, date) = (response.header("etag").map(|etag| Etag(etag.to_owned())), date(&response));
    Ok(Fetched { object: Object::fetched(response.body), etag, date })
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
