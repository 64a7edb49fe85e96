//! Which headers about itself the gateway sends its clients: Kong's `headers`.

/// By default what Kong tells by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Telling {
    /// Who we are, where nobody behind us said who it is.
    pub(super) server: bool,
    /// Who we are, in answers that came from behind us.
    pub(super) via: bool,
    pub(super) proxy_latency: bool,
    pub(super) response_latency: bool,
    pub(super) upstream_latency: bool,
    /// The status that came from behind us.
    pub(super) upstream_status: bool,
    pub(super) request_id: bool,
}

impl Telling {
    const NOTHING: Self = Self {
        server: false,
        via: false,
        proxy_latency: false,
        response_latency: false,
        upstream_latency: false,
        upstream_status: false,
        request_id: false,
    };

    /// `Err` is a sentence that begins with the setting.
    pub fn read(headers: &[String]) -> Result<Self, String> {
        let mut telling = Self::NOTHING;
        for name in headers {
            telling.take(name)?;
        }
        // Kong heeds the word in the first place only.
        let is_off = headers.first().is_some_and(|name| name == "off");
        Ok(if is_off { Self::NOTHING } else { telling })
    }

    fn take(&mut self, name: &str) -> Result<(), String> {
        match name.to_ascii_lowercase().as_str() {
            "server_tokens" => (self.server, self.via) = (true, true),
            "latency_tokens" => (self.proxy_latency, self.response_latency, self.upstream_latency) = (true, true, true),
            "server" => self.server = true,
            "via" => self.via = true,
            "x-kong-proxy-latency" => self.proxy_latency = true,
            "x-kong-response-latency" => self.response_latency = true,
            "x-kong-upstream-latency" => self.upstream_latency = true,
            "x-kong-upstream-status" => self.upstream_status = true,
            "x-kong-request-id" => self.request_id = true,
            // Of an Admin API, which is not here.
            "x-kong-admin-latency" | "off" => {}
            _ => {
                return Err(format!(
                    "headers: '{name}' is no header that Kong sends; write off, or names out of server_tokens, latency_tokens, Server, Via, \
                     X-Kong-Proxy-Latency, X-Kong-Response-Latency, X-Kong-Upstream-Latency, X-Kong-Upstream-Status and X-Kong-Request-Id"
                ));
            }
        }
        Ok(())
    }
}

impl Default for Telling {
    fn default() -> Self {
        Self {
            server: true,
            via: true,
            proxy_latency: true,
            response_latency: true,
            upstream_latency: true,
            request_id: true,
            ..Self::NOTHING
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use super::*;

    #[test]
    fn tokens_stand_for_several_headers_and_case_does_not_matter() {
        assert_eq!(read("server_tokens,latency_tokens,X-Kong-Request-Id"), Ok(Telling::default()));
        assert_eq!(read("SERVER,via"), read("server_tokens"));
        let latencies = "x-kong-proxy-latency,X-Kong-Upstream-Latency,X-KONG-RESPONSE-LATENCY,X-Kong-Admin-Latency";
        assert_eq!(read(latencies), read("latency_tokens"));
        assert_eq!(read("X-Kong-Upstream-Status"), Ok(Telling { upstream_status: true, ..Telling::NOTHING }));
    }

    #[test]
    fn off_counts_in_the_first_place_and_what_is_unknown_is_named() {
        assert_eq!(read("off,server_tokens"), Ok(Telling::NOTHING));
        assert_eq!(read("server_tokens,off"), read("server_tokens"));
        let sentence = read("server_tokens,X-Powered-By").unwrap_err();
        assert!(sentence.starts_with("headers: 'X-Powered-By' "), "{sentence}");
    }

    fn read(text: &str) -> Result<Telling, String> {
        Telling::read(&text.split(',').map(str::to_owned).collect::<Vec<_>>())
    }
}
