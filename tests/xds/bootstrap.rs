//! Every bootstrap that the command prints is one that Envoy takes.

use std::path::Path;

use holdover_drill::process::free_address;

use crate::envoy::{How, Sources, bootstrap, validated};
use crate::ground::Place;

#[test]
fn envoy_takes_every_bootstrap_that_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let sources = Sources { control_plane: free_address().unwrap(), node: Place::free() };
    for how in How::ALL {
        for more in [&[][..], &tls()] {
            let printed = bootstrap("envoy", sources, how, free_address().unwrap(), more);
            validated(&printed, folder.path()).unwrap_or_else(|said| panic!("{how}: {said}\n{printed}"));
        }
    }
}

#[test]
fn envoy_refuses_a_bootstrap_without_the_file_of_the_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let sources = Sources { control_plane: free_address().unwrap(), node: Place::free() };
    let absent = tls().map(|argument| argument.replace("cluster.crt.pem", "absent.crt.pem"));
    for how in How::ALL {
        let printed = bootstrap("envoy", sources, how, free_address().unwrap(), &absent);
        let said = validated(&printed, folder.path()).unwrap_err();
        assert!(said.contains("absent.crt.pem"), "{how}: {said}");
    }
}

/// The control plane's authority, the Envoy's own pair, and a name.
fn tls() -> [String; 8] {
    let fixture = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/hybrid/tests/fixtures").join(name).display().to_string();
    let [certificate, key] = ["cluster.crt.pem", "cluster.key.pem"].map(fixture);
    let arguments = ["--ca", &certificate, "--cert", &certificate, "--key", &key, "--server-name", "control-plane.example"];
    arguments.map(str::to_owned)
}
