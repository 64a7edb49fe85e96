//! The gateway of a node that only publishes: takes every configuration, serves none.

use async_trait::async_trait;
use holdover_ports::{Config, Gateway, GatewayStatus, NotApplied};

#[derive(Clone, Copy, Debug, Default)]
pub struct NoGateway;

#[async_trait]
impl Gateway for NoGateway {
    async fn apply(&self, _config: &Config) -> Result<(), NotApplied> {
        Ok(())
    }

    fn status(&self) -> GatewayStatus {
        GatewayStatus { kind: "none", ..GatewayStatus::default() }
    }
}
