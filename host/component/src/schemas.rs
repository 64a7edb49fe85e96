//! The port `Schemas`: the operator's JSON Schema, checked by the inspector. It is loaded when the first document comes, because
//! most nodes have no schema.

use std::sync::Arc;

use async_trait::async_trait;
use holdover_plugin::config::Format;
use holdover_ports::{Config, Inspector, Schemas, Verdict};

/// For nodes without `holdover_schema`.
pub struct NoSchema;

#[async_trait]
impl Schemas for NoSchema {
    async fn conforms(&self, _config: &Config) -> Result<(), Vec<String>> {
        Ok(())
    }
}

/// Holds every document against one schema.
pub struct SchemaCheck {
    inspector: Arc<dyn Inspector>,
    schema: String,
}

impl SchemaCheck {
    pub fn new(inspector: Arc<dyn Inspector>, schema: String) -> Self {
        Self { inspector, schema }
    }
}

#[async_trait]
impl Schemas for SchemaCheck {
    async fn conforms(&self, config: &Config) -> Result<(), Vec<String>> {
        match self.inspector.validate(config.bytes().clone(), Format::Document, Some(self.schema.clone())).await {
            Ok(Verdict::Valid(_)) => Ok(()),
            Ok(Verdict::Invalid(findings)) => Err(findings),
            Err(lost) => Err(vec![lost.to_string()]),
        }
    }
}
