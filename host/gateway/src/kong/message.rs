//! A configuration as a data plane is sent it: Kong's own message as it came, or one made of a plain declarative document.

use std::borrow::Cow;

use bytes::Bytes;
use holdover_hybrid::{NotRead, Offer, Reconfigure, gzip};
use holdover_plugin::config::kong;
use holdover_plugin::model::UnixMs;

/// `Err` says why a data plane could not be sent this. Takes as long as packing takes.
pub(super) fn offer(config: Bytes, now: UnixMs) -> Result<Offer, String> {
    let reconfigure = match Reconfigure::read(config.clone()) {
        Ok(Some(reconfigure)) => reconfigure,
        Ok(None) | Err(NotRead::NoJson(_)) => of_document(&config, now)?,
        Err(NotRead::Unusable(why)) => return Err(why),
    };
    let plugins = reconfigure.plugins()?;
    let payload = gzip::deflate(&reconfigure.message).map_err(|error| format!("it cannot be packed ({error})"))?;
    Ok(Offer { hash: reconfigure.hash, payload, plugins: plugins.into() })
}

fn of_document(document: &[u8], now: UnixMs) -> Result<Reconfigure, String> {
    let read = Reconfigure::read(made(document, now)?).map_err(|why| why.to_string())?;
    read.ok_or_else(|| "it is a message of Kong's that is no configuration".to_owned())
}

/// The message that a control plane would send with this document, flat and with the hashes that Kong computes.
fn made(document: &[u8], now: UnixMs) -> Result<Bytes, String> {
    let flat: Cow<'_, [u8]> = kong::flatten(document).map_err(|invalid| invalid.to_string())?;
    let hashes = kong::hashes(&flat).map_err(|invalid| invalid.to_string())?;
    let table = std::str::from_utf8(&flat).map_err(|_| "it is no UTF-8".to_owned())?;
    let seconds = now.0 as f64 / 1000.0;
    let kong::Hashes { config, routes, services, plugins, upstreams, targets } = &hashes;
    Ok(Bytes::from(format!(
        r#"{{"type":"reconfigure","timestamp":{seconds},"config_hash":"{config}","hashes":{{"config":"{config}","routes":"{routes}","services":"{services}","plugins":"{plugins}","upstreams":"{upstreams}","targets":"{targets}"}},"config_table":{table}}}"#
    )))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use super::*;

    const NOW: UnixMs = UnixMs(1_700_000_000_500);

    #[test]
    fn a_message_of_kongs_is_sent_as_it_came() {
        let message = r#"{"type":"reconfigure","timestamp":1.5,"config_hash":"0123456789abcdef0123456789abcdef","config_table":{"_format_version":"3.0","plugins":[{"name":"cors"},{"name":"acl"},{"name":"cors"}]}}"#;
        let offer = offer(Bytes::from(message), NOW).unwrap();
        assert_eq!(offer.hash, "0123456789abcdef0123456789abcdef");
        assert_eq!(*offer.plugins, ["acl".to_owned(), "cors".to_owned()]);
        assert_eq!(gzip::inflate(&offer.payload).unwrap(), message.as_bytes());
    }

    #[test]
    fn a_plain_document_is_sent_flat_under_the_hash_that_kong_computes() {
        let yaml = "_format_version: '3.0'\nservices:\n- name: a\n  host: h\n  routes:\n  - name: r\n    paths: [/]\n";
        let offer = offer(Bytes::from(yaml), NOW).unwrap();
        let message: serde_json::Value = serde_json::from_slice(&gzip::inflate(&offer.payload).unwrap()).unwrap();
        assert_eq!((&message["type"], &message["timestamp"]), (&"reconfigure".into(), &1_700_000_000.5.into()));
        let table = &message["config_table"];
        assert_eq!(table["routes"][0]["service"], table["services"][0]["id"], "{message}");
        let hashes = kong::hashes(table.to_string().as_bytes()).unwrap();
        assert_eq!((&message["config_hash"], &message["hashes"]["routes"]), (&hashes.config.clone().into(), &hashes.routes.into()));
        assert_eq!(offer.hash, hashes.config);
    }

    #[test]
    fn what_is_no_configuration_is_refused_and_not_repeated() {
        for bytes in [
            "",
            "[]",
            "{\"type\":\"reconfigure\"}",
            "{\"type\":\"ping\"}",
            "hunter2: [",
            "{\"type\":\"reconfigure\",\"config_table\":{\"plugins\":\"hunter2\"}}",
        ] {
            let why = offer(Bytes::from(bytes), NOW).unwrap_err();
            assert!(!why.contains("hunter2"), "{why}");
        }
    }
}
