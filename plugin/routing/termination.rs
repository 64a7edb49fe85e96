//! The plugin `request-termination`: answers in place of the upstream.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Answer, Correlation, Request, Route};

const JSON: &str = "application/json; charset=utf-8";

#[derive(Debug)]
pub(super) struct Termination {
    status: u16,
    /// Only requests with a header or query argument of this name are answered.
    trigger: Option<String>,
    message: Option<String>,
    body: Option<(String, String)>,
    echo: bool,
}

#[derive(Deserialize)]
struct Settings {
    status_code: Option<u16>,
    message: Option<String>,
    body: Option<String>,
    content_type: Option<String>,
    trigger: Option<String>,
    echo: Option<bool>,
}

impl Termination {
    /// `None` if the settings are not what the plugin takes.
    pub(super) fn parse(config: &str) -> Option<Self> {
        let settings: Settings = serde_json::from_str(config).ok()?;
        let status = settings.status_code.unwrap_or(503);
        let content_type = settings.content_type.unwrap_or_else(|| JSON.to_owned());
        Some(Self {
            status: (100..=599).contains(&status).then_some(status)?,
            trigger: settings.trigger,
            message: settings.message.or_else(|| own_message(status).map(str::to_owned)),
            body: settings.body.map(|body| (content_type, body)),
            echo: settings.echo.unwrap_or(false),
        })
    }

    /// `None` if the request does not pull the trigger.
    pub(super) fn answer<'a>(
        &'a self,
        request: &Request<'_>,
        path: &str,
        route: &Route,
        service: Option<(&str, Option<&str>)>,
        correlation: Option<&'a Correlation>,
    ) -> Option<Answer<'a>> {
        if let Some(trigger) = &self.trigger
            && !request.has_header(trigger)
            && !request.has_argument(trigger)
        {
            return None;
        }
        let (content_type, body) = match (&self.body, &self.message) {
            _ if self.echo => (JSON, Cow::Owned(self.echoed(request, path, route, service))),
            (Some((content_type, body)), _) => (content_type.as_str(), Cow::Borrowed(body.as_str())),
            (None, Some(message)) => (JSON, Cow::Owned(json!({ "message": message }).to_string())),
            (None, None) => (JSON, Cow::Borrowed("")),
        };
        Some(Answer { status: self.status, content_type, body, correlation })
    }

    /// The request as it came, but for its body: an answer must not have to wait for that.
    fn echoed(&self, request: &Request<'_>, path: &str, route: &Route, service: Option<(&str, Option<&str>)>) -> String {
        let mut headers = Map::new();
        request.headers.each(&mut |name, value| add(&mut headers, name.to_ascii_lowercase(), value.to_owned()));
        let mut query = Map::new();
        request.arguments().for_each(|(name, value)| add(&mut query, name, value));
        json!({
            "message": self.message,
            "request": {
                "scheme": request.protocol.as_str(),
                "host": request.host,
                "port": request.port,
                "method": request.method,
                "path": path,
                "headers": headers,
                "query": query,
            },
            "matched_route": { "id": route.id, "name": route.name },
            "matched_service": service.map(|(id, name)| json!({ "id": id, "name": name })),
        })
        .to_string()
    }
}

/// A name's second value makes a list of it.
fn add(values: &mut Map<String, Value>, name: String, value: String) {
    match values.get_mut(&name) {
        Some(Value::Array(several)) => several.push(Value::String(value)),
        Some(one) => *one = Value::Array(vec![one.take(), Value::String(value)]),
        None => {
            values.insert(name, Value::String(value));
        }
    }
}

fn own_message(status: u16) -> Option<&'static str> {
    Some(match status {
        401 => "Unauthorized",
        404 => "Not found",
        405 => "Method not allowed",
        500 => "An unexpected error occurred",
        502 => "Bad Gateway",
        503 => "Service unavailable",
        _ => return None,
    })
}
