//! Resources whose content says in plain text what it refers to. One file for the tests within the crate, which name it by its path, and for
//! those outside of it.

use std::time::Duration;

use bytes::Bytes;
use holdover_xds::{Reads, Resource};

/// Longer than anything here takes, shorter than anybody waits.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const ENDPOINTS: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
pub const ROUTE: &str = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";

/// A content is `name`, then a line for each (type, name) that it refers to. One that begins with `!` cannot be read, and one with a line
/// `!` has a name and cannot be read further.
pub struct Plain;

impl Reads for Plain {
    fn name_of(&self, _type_url: &str, value: &[u8]) -> Result<String, String> {
        let text = std::str::from_utf8(value).map_err(|error| error.to_string())?;
        let name = text.lines().next().unwrap_or_default();
        if name.starts_with('!') { Err("it begins with '!'".to_owned()) } else { Ok(name.to_owned()) }
    }

    fn wants(&self, resource: &Resource) -> Result<Vec<(String, String)>, String> {
        self.name_of(&resource.type_url, &resource.value)?;
        let text = std::str::from_utf8(&resource.value).map_err(|error| error.to_string())?;
        if text.lines().any(|line| line == "!") {
            return Err("it has a line '!'".to_owned());
        }
        let refers = text.lines().skip(1).filter_map(|line| line.split_once(' '));
        Ok(refers.map(|(type_url, name)| (type_url.to_owned(), name.to_owned())).collect())
    }
}

pub fn resource(type_url: &str, name: &str, version: &str, refers: &[(&str, &str)]) -> Resource {
    let lines: String = refers.iter().map(|(type_url, name)| format!("\n{type_url} {name}")).collect();
    Resource { type_url: type_url.into(), name: name.into(), version: version.into(), value: Bytes::from(format!("{name}{lines}")) }
}
