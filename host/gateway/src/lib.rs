//! Gateways that a configuration can be handed to, each behind `holdover_ports::Gateway`.
//!
//! [`Builtin`] proxies HTTP itself, [`StandIn`] is the control plane of Kong's data planes, [`Failover`] the second management server of Envoys, [`FileGateway`] writes the file that another proxy
//! reads, [`NoGateway`] serves nothing: a pure backup node has one. None of them knows where a configuration comes from.

mod builtin;
mod envoy;
mod file;
mod kong;
mod none;
mod register;

pub use builtin::{Builtin, DefaultCertificate, NotBound, Options, Telling, Trusted, UpstreamAuthorities};
pub use envoy::{AGENT, Bootstrap, Failover, FailoverOptions, Tls as BootstrapTls, Way as BootstrapWay};
pub use file::FileGateway;
pub use kong::{StandIn, StandInOptions};
pub use none::NoGateway;
