//! Envoy's bootstrap: docs/envoy-filter.yaml with this machine's addresses and paths in their places, and nothing else of it changed but
//! what a test says.

use std::fs;
use std::path::Path;

use holdover_plugin::snapshot::PublicKey;
use holdover_tests::third_party::{SeaweedFs, free_ports};

use crate::module;
use crate::storage::exporter_key;

pub struct Bootstrap<'a> {
    pub module: &'a Path,
    /// `host:port`, as all of these.
    pub control_plane: String,
    pub storage: String,
    pub prefix: &'a str,
    /// Where Envoy's own routes lead.
    pub own: String,
    pub trusted: PublicKey,
    /// Text of the document that this test has otherwise.
    pub otherwise: &'a [(&'a str, &'a str)],
}

/// One that is soon done with a control plane which does not answer.
pub const IMPATIENT: (&str, &str) = (r#""give_up_ms": 10000"#, r#""give_up_ms": 2000"#);
pub const ROUTE: (&str, &str) = (r#""while_control_plane_answers": "step-aside""#, r#""while_control_plane_answers": "route""#);

impl<'a> Bootstrap<'a> {
    /// The control plane and Envoy's own upstream are away.
    pub fn over(storage: &SeaweedFs, prefix: &'a str) -> Self {
        Self {
            module: module::shipped(),
            control_plane: nobody(),
            storage: storage.endpoint().strip_prefix("http://").unwrap().to_owned(),
            prefix,
            own: nobody(),
            trusted: exporter_key().public(),
            otherwise: &[IMPATIENT],
        }
    }

    /// The storage is away as well.
    pub fn alone() -> Self {
        Self {
            module: module::shipped(),
            control_plane: nobody(),
            storage: nobody(),
            prefix: "none",
            own: nobody(),
            trusted: exporter_key().public(),
            otherwise: &[IMPATIENT],
        }
    }

    pub fn write(&self, admin: u16, listen: u16) -> String {
        let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/envoy-filter.yaml");
        let mut yaml = fs::read_to_string(document).unwrap();
        let mut put = |documented: &str, here: &str| {
            assert!(yaml.contains(documented), "docs/envoy-filter.yaml has '{documented}'");
            yaml = yaml.replace(documented, here);
        };
        self.otherwise.iter().for_each(|(documented, here)| put(documented, here));
        put("/etc/envoy/holdover.wasm", &self.module.display().to_string());
        put("/my-kong-fallback/production", &format!("/{}/{}", SeaweedFs::BUCKET, self.prefix));
        put("ed25519:PUBLIC-KEY-OF-THE-EXPORTER", &self.trusted.to_string());
        put(r#""storage_authority": "127.0.0.1:8333""#, &format!(r#""storage_authority": "{}""#, self.storage));
        let addresses =
            [(9901, admin), (8000, listen), (8080, port(&self.own)), (8001, port(&self.control_plane)), (8333, port(&self.storage))];
        for (documented, here) in addresses {
            put(&format!("port_value: {documented} "), &format!("port_value: {here} "));
        }
        yaml
    }
}

/// An address that refuses every connection.
pub fn nobody() -> String {
    let [port] = free_ports();
    format!("127.0.0.1:{port}")
}

fn port(authority: &str) -> u16 {
    authority.rsplit_once(':').unwrap().1.parse().unwrap()
}
