//! The one place where the SDK's errors become ours: by type, status and S3 code, never by searching a text.
//!
//! S3's own messages are not repeated: they may hold a signature or a key. The code is, when it looks like one.

use std::error::Error;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use holdover_plugin::model::UnixMs;
use holdover_ports::{StorageFailure, StorageFailureKind as Kind};

use crate::date;
use crate::failure::{self, failure, retry_after};
use crate::options::Proxy;
use crate::url::{Endpoint, S3Place};

/// How a storage is named in sentences.
pub(crate) struct Words {
    storage: String,
    /// Who is asked over the network, with the setting that says so.
    endpoint: String,
    bucket: String,
    region: String,
}

/// What was asked for; what a 403 or a lost answer means depends on it.
#[derive(Clone, Copy)]
pub(super) enum Asked<'a> {
    Read(&'a str),
    Write(&'a str),
    /// What begins like this.
    List(&'a str),
    Delete(&'a str),
}

/// An SDK error, taken apart.
enum Fate<'a> {
    /// No request left this machine: there were no credentials to sign it with.
    NoCredentials(String),
    /// No connection, so nothing was sent.
    NotConnected(String),
    /// Sent, or perhaps sent, and no answer came.
    NoAnswer(String),
    Answered(Answer<'a>),
    /// The request could not even be written down.
    NotBuilt(String),
}

struct Answer<'a> {
    status: u16,
    /// S3's, or words that say there was none.
    code: &'a str,
    bucket_region: Option<&'a str>,
    /// The storage's clock.
    date: Option<UnixMs>,
    retry_after: Option<Duration>,
}

/// The condition of a conditional write did not hold: somebody else was there, and nothing was written.
pub(super) fn is_lost_race<E>(error: &SdkError<E, HttpResponse>) -> bool
where
    E: ProvideErrorMetadata,
{
    let code = error.code();
    error.raw_response().is_some_and(|response| response.status().as_u16() == 412)
        || matches!(code, Some("PreconditionFailed" | "ConditionalRequestConflict" | "OperationAborted"))
}

/// A swap or a deletion, answered with "there is no such object".
pub(super) fn is_gone<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    error.code() == Some("NoSuchKey")
}

pub(super) fn of<E>(error: &SdkError<E, HttpResponse>, words: &Words, asked: Asked<'_>) -> StorageFailure
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let Words { storage, endpoint, .. } = words;
    let mut pause = None;
    let (kind, detail) = match (fate(error), asked) {
        (Fate::NoCredentials(cause), _) => (
            Kind::Credentials,
            format!(
                "{storage}: no credentials were found ({cause}); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, \
                 or give the node a role that may use the bucket"
            ),
        ),
        (Fate::NotConnected(cause), _) => (
            Kind::Unreachable,
            format!("{endpoint} cannot be reached ({cause}); check the address, that the service runs, and the way to it"),
        ),
        (Fate::NoAnswer(cause), asked) => unanswered(words, asked, &cause),
        (Fate::NotBuilt(cause), _) => {
            (Kind::Other, format!("{storage}: the request could not be made ({cause}); check the settings of the storage"))
        }
        (Fate::Answered(answer), asked) => {
            pause = answer.retry_after;
            answered(words, asked, &answer)
        }
    };
    failure(kind, detail, pause)
}

fn unanswered(Words { endpoint, .. }: &Words, asked: Asked<'_>, cause: &str) -> (Kind, String) {
    match asked {
        Asked::Read(key) => {
            (Kind::Unreachable, format!("{endpoint} did not answer a GET of '{key}' ({cause}); check the service and the way to it"))
        }
        Asked::Write(key) => (
            Kind::UnknownOutcome,
            format!(
                "{endpoint} did not answer a PUT of '{key}' ({cause}), which may or may not have been done; it is read back, \
                 and the way to the service should be checked"
            ),
        ),
        Asked::List(prefix) => (
            Kind::Unreachable,
            format!("{endpoint} did not answer a listing of '{prefix}*' ({cause}); check the service and the way to it"),
        ),
        // Not unknown as a write is: asking again does no harm, and is all there is to do.
        Asked::Delete(key) => (
            Kind::Unreachable,
            format!(
                "{endpoint} did not answer a DELETE of '{key}' ({cause}), which may or may not have been done; it is asked again, \
                 and the way to the service should be checked"
            ),
        ),
    }
}

fn fate<E>(error: &SdkError<E, HttpResponse>) -> Fate<'_>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    if let Some(cause) = found::<CredentialsError, _>(error) {
        return Fate::NoCredentials(match cause {
            CredentialsError::CredentialsNotLoaded(_) => "no source has any".into(),
            CredentialsError::ProviderTimedOut(_) => "a source did not answer in time".into(),
            // The SDK's open list: a source that has some and cannot hand them out says why.
            _ => deepest(cause),
        });
    }
    match error {
        SdkError::TimeoutError(_) => Fate::NoAnswer("no answer in time".into()),
        SdkError::DispatchFailure(_) => match found::<hyper_util::client::legacy::Error, _>(error) {
            Some(connecting) if connecting.is_connect() => Fate::NotConnected(deepest(connecting)),
            _ => Fate::NoAnswer(deepest(error)),
        },
        SdkError::ServiceError(answer) => Fate::Answered(Answer::read(answer.raw(), error.code())),
        // An answer that is not S3's, or S3's own that broke off.
        SdkError::ResponseError(answer) if answer.raw().status().is_success() => Fate::NoAnswer(deepest(error)),
        SdkError::ResponseError(answer) => Fate::Answered(Answer::read(answer.raw(), None)),
        SdkError::ConstructionFailure(_) => Fate::NotBuilt(deepest(error)),
        // The SDK's open list: of what is not known, it is not known that nothing was sent.
        _ => Fate::NoAnswer(deepest(error)),
    }
}

impl<'a> Answer<'a> {
    fn read(response: &'a HttpResponse, code: Option<&'a str>) -> Self {
        let (headers, status) = (response.headers(), response.status().as_u16());
        let date = headers.get("date").and_then(date::parse);
        let pause = headers.get("retry-after").and_then(|header| retry_after(header, date.unwrap_or_else(date::now)));
        Self {
            status,
            code: code.filter(|code| is_code(code)).unwrap_or("no S3 code"),
            bucket_region: headers.get("x-amz-bucket-region").filter(|region| is_code(region)),
            date,
            retry_after: pause.filter(|_| matches!(status, 429 | 503)),
        }
    }
}

/// What an answer means. The order is: who we are, where we asked and how busy it is, what we asked for.
fn answered(words: &Words, asked: Asked<'_>, answer: &Answer<'_>) -> (Kind, String) {
    of_identity(words, answer).or_else(|| of_place(words, asked, answer)).unwrap_or_else(|| match asked {
        Asked::Read(key) => of_read(words, key, answer),
        Asked::Write(key) => of_write(words, key, answer),
        Asked::List(prefix) => of_sweep(words, &format!("a listing of '{prefix}*'"), "s3:ListBucket", answer),
        Asked::Delete(key) => of_sweep(words, &format!("a DELETE of '{key}'"), "s3:DeleteObject", answer),
    })
}

fn of_identity(words: &Words, answer: &Answer<'_>) -> Option<(Kind, String)> {
    let (storage, code) = (&words.storage, answer.code);
    let (kind, matter) = match code {
        "InvalidAccessKeyId" | "NotSignedUp" | "InvalidSecurity" | "AccountProblem" => (
            Kind::Credentials,
            format!("the storage does not accept the key in AWS_ACCESS_KEY_ID ({code}); set the key of an identity that exists there"),
        ),
        "SignatureDoesNotMatch" => (
            Kind::Credentials,
            format!("AWS_SECRET_ACCESS_KEY does not belong to the key in AWS_ACCESS_KEY_ID ({code}); set both from one key pair"),
        ),
        "ExpiredToken" | "ExpiredTokenException" | "InvalidToken" | "TokenRefreshRequired" => (
            Kind::Credentials,
            format!("the session in AWS_SESSION_TOKEN is over or unknown ({code}); renew it together with its key pair"),
        ),
        "RequestTimeTooSkewed" => {
            (Kind::Other, format!("this machine's clock {} ({code}): set the clock (NTP)", difference(answer.date, date::now())))
        }
        _ => return None,
    };
    Some((kind, format!("{storage}: {matter}")))
}

fn of_place(words: &Words, asked: Asked<'_>, answer: &Answer<'_>) -> Option<(Kind, String)> {
    let Words { storage, endpoint, bucket, region } = words;
    let Answer { status, code, bucket_region, .. } = *answer;
    Some(match (code, status, asked) {
        ("NoSuchBucket", ..) => (
            Kind::NoSuchStorage,
            format!("{storage}: there is no bucket '{bucket}'; create it, or correct its name or AWS_REGION = {region}"),
        ),
        ("PermanentRedirect" | "TemporaryRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException", ..)
        | (_, 301 | 307, _) => {
            let there = bucket_region.map(|region| format!(" = {region}")).unwrap_or_default();
            (Kind::Other, format!("{storage}: the bucket is not in AWS_REGION = {region} ({status} {code}); set AWS_REGION{there}"))
        }
        ("SlowDown" | "SlowDownRead" | "SlowDownWrite" | "ServiceUnavailable" | "TooManyRequests", ..)
        | ("Throttling" | "ThrottlingException" | "RequestLimitExceeded", ..)
        | (_, 429, _)
        | (_, 503, Asked::Read(_) | Asked::List(_) | Asked::Delete(_)) => (
            Kind::SlowDown,
            format!("{storage}: the storage asks for a pause ({status} {code}); if this lasts, give the cluster a bucket of its own"),
        ),
        (_, 407, _) => (
            Kind::Other,
            format!("{endpoint}: the proxy asks for a user and password ({status}); write them into HTTPS_PROXY or HTTP_PROXY"),
        ),
        ("RequestTimeout", ..) => {
            (Kind::Unreachable, format!("{endpoint} gave up waiting for the request ({status} {code}); check the way to it"))
        }
        _ => return None,
    })
}

fn of_read(words: &Words, key: &str, answer: &Answer<'_>) -> (Kind, String) {
    let Words { storage, endpoint, .. } = words;
    let Answer { status, code, .. } = *answer;
    match (code, status) {
        ("NoSuchKey", _) => {
            (Kind::Absent, format!("{storage} holds no '{key}'; check bucket and prefix, and that an exporter has published there"))
        }
        ("AccessDenied", _) => (
            Kind::AbsentOrForbidden,
            format!(
                "{storage}: '{key}' is absent or not to be read by this identity ({status} {code}); allow s3:GetObject, and s3:ListBucket, \
                 without which S3 does not say which of both"
            ),
        ),
        (_, 403) => (
            Kind::Forbidden,
            format!("{storage}: this identity may not read '{key}' ({status} {code}); allow s3:GetObject to the key in AWS_ACCESS_KEY_ID"),
        ),
        (_, 500..=599) => (Kind::Unreachable, format!("{endpoint} failed at a GET of '{key}' ({status} {code}); check the service")),
        _ => {
            (Kind::Other, format!("{storage}: a GET of '{key}' was answered with {status} {code}; check that {endpoint} is an S3 service"))
        }
    }
}

fn of_write(words: &Words, key: &str, answer: &Answer<'_>) -> (Kind, String) {
    let Words { storage, endpoint, .. } = words;
    let Answer { status, code, .. } = *answer;
    match (code, status) {
        (_, 403) => (
            Kind::Forbidden,
            format!("{storage}: this identity may not write '{key}' ({status} {code}); allow s3:PutObject to the key in AWS_ACCESS_KEY_ID"),
        ),
        ("NotImplemented", _) | (_, 501) => (
            Kind::Other,
            format!(
                "{storage}: the storage cannot do the conditional PUT of '{key}' ({status} {code}); \
                 use one that keeps If-Match and If-None-Match"
            ),
        ),
        (_, 500..=599) => (
            Kind::UnknownOutcome,
            format!(
                "{endpoint} failed at a PUT of '{key}' ({status} {code}), which may or may not have been done; it is read back, \
                 and the service should be checked"
            ),
        ),
        _ => (
            Kind::Other,
            format!(
                "{storage}: a PUT of '{key}' was answered with {status} {code}; check cluster_fallback_export_s3_config, \
                 and that {endpoint} is an S3 service"
            ),
        ),
    }
}

/// `matter` is what the janitor asked for, and `right` what it needs for that.
fn of_sweep(Words { storage, endpoint, .. }: &Words, matter: &str, right: &str, answer: &Answer<'_>) -> (Kind, String) {
    let Answer { status, code, .. } = *answer;
    match status {
        403 => (
            Kind::Forbidden,
            format!("{storage}: this identity has no right to {matter} ({status} {code}); allow {right} to the key in AWS_ACCESS_KEY_ID"),
        ),
        500..=599 => (Kind::Unreachable, format!("{endpoint} failed at {matter} ({status} {code}); check the service")),
        _ => (Kind::Other, format!("{storage}: {matter} was answered with {status} {code}; check that {endpoint} is an S3 service")),
    }
}

impl Words {
    pub fn new(place: &S3Place, endpoint: Option<&Endpoint>, region: &str, proxy: Option<&Proxy>) -> Self {
        let storage = format!("cluster_fallback_config_storage = {place}");
        let through = proxy.map(|proxy| format!(" (proxy {})", proxy.shown)).unwrap_or_default();
        let asked = match (&place.endpoint, endpoint) {
            (None, Some(endpoint)) => format!("AWS_CONFIG_STORAGE_ENDPOINT = {endpoint}{through}"),
            (Some(_), _) | (None, None) => format!("{storage}{through}"),
        };
        Self { storage, endpoint: asked, bucket: place.bucket.clone(), region: region.to_owned() }
    }

    pub fn too_large(&self, key: &str, bytes: u64, bytes_max: u64) -> StorageFailure {
        failure::too_large(&self.storage, key, bytes, bytes_max)
    }

    pub fn broke_off(&self, key: &str, received: u64, announced: Option<u64>, cause: &str) -> StorageFailure {
        let of = announced.map(|bytes| format!(" of {bytes}")).unwrap_or_default();
        let detail = format!(
            "{} broke off in the body of '{key}' after {received}{of} bytes ({cause}); check the service and the way to it",
            self.endpoint
        );
        failure(Kind::Unreachable, detail, None)
    }

    pub fn not_asked_for(&self, prefix: &str) -> StorageFailure {
        let Self { storage, endpoint, .. } = self;
        let detail = format!(
            "{storage}: a listing of '{prefix}*' holds what was not asked for, so nothing is deleted; \
             check that {endpoint} is an S3 service that knows prefix and start-after"
        );
        failure(Kind::Other, detail, None)
    }
}

/// How far apart two clocks are; the way of the answer is a second at most.
fn difference(storage: Option<UnixMs>, here: UnixMs) -> String {
    match storage.map(|storage| (here.0.saturating_sub(storage.0) / 1000, storage.0.saturating_sub(here.0) / 1000)) {
        Some((0, 0)) | None => "differs from the storage's by too much".into(),
        Some((ahead, 0)) => format!("differs from the storage's by {ahead} s, being ahead"),
        Some((_, behind)) => format!("differs from the storage's by {behind} s, being behind"),
    }
}

/// The first error of a type in the chain.
fn found<T: Error + 'static, E: Error + 'static>(error: &E) -> Option<&T> {
    let chain = std::iter::successors(Some(error as &(dyn Error + 'static)), |&error| error.source());
    chain.into_iter().find_map(|error| error.downcast_ref::<T>())
}

/// What lies at the bottom of an error: the system's, TLS's or the resolver's own words, as part of a sentence.
pub(super) fn deepest(error: &(dyn Error + 'static)) -> String {
    let last = std::iter::successors(Some(error), |&error| error.source()).last();
    let words = last.unwrap_or(error).to_string();
    words.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect()
}

pub(super) fn is_code(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte))
}
