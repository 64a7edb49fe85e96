//! Which protocols are spoken here, and with whom. Kong's and xDS's have settings in common, so that whoever reads those of one asks after
//! the other as well.

use std::net::SocketAddr;

use holdover_plugin::config::Format;

use super::super::{ControlPlane, Gateway};

/// As far as the settings of both sides could be read.
pub struct Speakers<'a> {
    /// Kong's hybrid protocol.
    pub kong: Spoken<'a>,
    pub xds: Spoken<'a>,
    pub format: Option<Format>,
}

/// One protocol, towards either side: a node may follow in one and stand in with another.
#[derive(Clone, Copy)]
pub struct Spoken<'a> {
    /// Where the control plane is.
    pub follows: Option<&'a str>,
    /// Where gateways come to.
    pub listens: Option<SocketAddr>,
}

impl<'a> Speakers<'a> {
    pub fn of(control_plane: Option<&'a ControlPlane>, gateway: Option<&Gateway>, format: Option<Format>) -> Self {
        let (kong_follows, xds_follows) = match control_plane {
            Some(ControlPlane::Kong { address, .. }) => (Some(address.as_str()), None),
            Some(ControlPlane::Xds { url, .. }) => (None, Some(url.as_str())),
            Some(ControlPlane::Http { .. } | ControlPlane::File { .. }) | None => (None, None),
        };
        let (kong_listens, xds_listens) = match gateway {
            Some(Gateway::Kong { listen }) => (Some(*listen), None),
            Some(Gateway::Envoy { listen }) => (None, Some(*listen)),
            Some(Gateway::Builtin { .. } | Gateway::File { .. } | Gateway::None) | None => (None, None),
        };
        let kong = Spoken { follows: kong_follows, listens: kong_listens };
        Self { kong, xds: Spoken { follows: xds_follows, listens: xds_listens }, format }
    }
}

impl Spoken<'_> {
    pub fn by_nobody(&self) -> bool {
        self.follows.is_none() && self.listens.is_none()
    }
}
