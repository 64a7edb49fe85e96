//! `holdover verify --kong-version`: a configuration file as one particular Kong would judge it, with what that Kong has installed.

use holdover_plugin::config::Format;
use holdover_plugin::config::kong::{self, Gateway};
use serde_json::{Value, json};

use crate::args::VerifyArguments;
use crate::commands::now;
use crate::exit::Failure;

/// `None`: no verdict of a Kong is asked for.
pub fn gateway(arguments: &VerifyArguments) -> Result<Option<Gateway>, Failure> {
    let asked = &arguments.kong;
    let Some(version) = asked.kong_version else { return Ok(None) };
    match arguments.format {
        Format::Kong => {}
        Format::Document | Format::Xds => {
            return Err(Failure::settings("--kong-version: Kong judges its own configurations only; add --format kong"));
        }
    }
    let (role, flavor) = (asked.role.unwrap_or_default(), asked.router_flavor.unwrap_or_default());
    let plugins = if asked.plugins.is_empty() { Gateway::default().plugins } else { asked.plugins.clone() };
    Ok(Some(Gateway { version, role, flavor, plugins, now: Some(now()) }))
}

/// Judged here and not in the sandbox: what is asked is no decision of the policy.
pub fn judgement(name: &str, bytes: &[u8], gateway: &Gateway) -> Value {
    let asked = json!({"version": gateway.version.to_string(), "role": gateway.role.as_str(), "router_flavor": gateway.flavor.as_str(),
        "plugins": gateway.plugins});
    let (version, role, flavor) = (gateway.version, gateway.role.as_str(), gateway.flavor.as_str());
    let note = format!("as Kong {version} judges it, {role}, router {flavor}");
    match kong::judge(bytes, gateway) {
        Ok(()) => json!({"name": name, "kind": "kong configuration", "valid": true, "note": note, "kong": asked}),
        Err(invalid) => json!({"name": name, "kind": "kong configuration", "valid": false, "reason": "invalid", "note": note,
            "kong": asked, "findings": invalid.sentences(), "flattened": kong::flattened(&invalid)}),
    }
}

/// For what is no configuration file: one of Holdover's own, or a storage.
pub fn not_asked(name: &str, gateway: Option<&Gateway>) -> Result<(), Failure> {
    match gateway {
        None => Ok(()),
        Some(_) => Err(Failure::settings(format!("--kong-version: {name} is no configuration file; leave the argument out"))),
    }
}
