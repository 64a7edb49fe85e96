//! `holdover control-plane`: a declarative file as Kong's hybrid control plane, watched. For fleets that are run from Git, for tests and
//! drills.
//!
//! What is written by hand is judged strictly: nothing is served that Kong would not take. A file that becomes bad changes nothing for who is
//! served already.

use std::sync::Arc;
use std::time::Duration;

use holdover_control_plane::FileControlPlane;
use holdover_gateway::StandIn;
use holdover_hybrid::KongVersion;
use holdover_node::SystemClock;
use holdover_node::settings::{ClusterMtls, Hybrid, Secret};
use holdover_plugin::config::{self, Format, Strictness};
use holdover_ports::{Clock, Config, Dial, Gateway, NotApplied, Session};

use super::run::shutdown;
use crate::args::{ControlPlaneArguments, LogForm};
use crate::exit::{Exit, Failure};
use crate::{logging, wire};

/// Between two looks at a file that cannot be read.
const AGAIN: Duration = Duration::from_secs(1);

pub async fn control_plane(arguments: &ControlPlaneArguments, form: LogForm) -> Result<Exit, Failure> {
    logging::start(holdover_node::settings::LogLevel::Info, form);
    let shutdown = shutdown()?;
    let (file, first) = opened(arguments).await?;
    let hybrid = hybrid(arguments);
    wire::judge(&hybrid).map_err(Failure::settings)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::starting_here());
    let alone = wire::alone(&hybrid, arguments.listen, version(&arguments.kong_version)?, clock).map_err(Failure::settings)?;
    let stand_in = StandIn::bind(alone).await.map_err(Failure::not_opened)?;
    serve(&stand_in, &first).await.map_err(|why| Failure::new(Exit::Invalid, format!("{}: {why}", shown(arguments))))?;
    tracing::info!(target: "holdover", "control plane on {}, from {}", stand_in.local_addr(), shown(arguments));
    tokio::select! {
        () = shutdown => {}
        () = follow(&stand_in, file, arguments) => {}
    }
    tracing::info!(target: "holdover", "ended in order");
    Ok(Exit::Done)
}

/// The file as it is at the start, which must be good.
async fn opened(arguments: &ControlPlaneArguments) -> Result<(Box<dyn Session>, Config), Failure> {
    let source = FileControlPlane::new(arguments.config.clone());
    let mut file = source.dial().await.map_err(|unanswered| Failure::not_opened(unanswered.detail))?;
    let first = file.next().await.map_err(|unanswered| Failure::not_opened(unanswered.detail))?;
    Ok((file, first))
}

/// Serves what the file says from here on. Never ends.
async fn follow(stand_in: &StandIn, mut file: Box<dyn Session>, arguments: &ControlPlaneArguments) {
    loop {
        match file.next().await {
            Ok(config) => match serve(stand_in, &config).await {
                Ok(()) => tracing::info!(target: "holdover", "{} has changed, and is served", shown(arguments)),
                Err(why) => tracing::error!(target: "holdover", "{} has changed, and is not served: {why}", shown(arguments)),
            },
            Err(unanswered) => {
                tracing::error!(target: "holdover", "{}; what was served before stays", unanswered.detail);
                file = again(arguments).await;
            }
        }
    }
}

async fn again(arguments: &ControlPlaneArguments) -> Box<dyn Session> {
    let source = FileControlPlane::new(arguments.config.clone());
    loop {
        tokio::time::sleep(AGAIN).await;
        if let Ok(file) = source.dial().await {
            return file;
        }
    }
}

async fn serve(stand_in: &StandIn, config: &Config) -> Result<(), String> {
    let bytes = config.bytes().clone();
    let judged =
        tokio::task::spawn_blocking(move || config::validate(bytes.to_vec(), Format::Kong, Strictness::HandWritten).map(drop)).await;
    judged.map_err(|ended| ended.to_string())?.map_err(|invalid| invalid.to_string())?;
    stand_in.apply(config).await.map_err(|not_applied| match not_applied {
        NotApplied::Rejected(why) | NotApplied::Failed(why) => why,
    })
}

fn hybrid(arguments: &ControlPlaneArguments) -> Hybrid {
    Hybrid {
        mtls: if arguments.ca_cert.is_some() { ClusterMtls::Pki } else { ClusterMtls::Shared },
        cert: arguments.cert.clone(),
        cert_key: Secret::new(arguments.cert_key.clone()),
        ca_cert: arguments.ca_cert.clone(),
        server_name: None,
        payload_bytes_max: arguments.max_payload,
        bundled_plugins: true,
        custom_plugins: Vec::new(),
        proxy: None,
    }
}

fn version(text: &str) -> Result<KongVersion, Failure> {
    let fix = "it is no version of Kong; write the latest of your data planes' versions, for example 3.9.1";
    KongVersion::parse(text).ok_or_else(|| Failure::settings(format!("--kong-version {text}: {fix}")))
}

fn shown(arguments: &ControlPlaneArguments) -> String {
    format!("--config {}", arguments.config.display())
}
