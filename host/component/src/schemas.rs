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
        let (inspector, bytes, schema) = (self.inspector.clone(), config.bytes().clone(), self.schema.clone());
        // A task of its own: the caller is an episode, and wasmtime runs no component within another one's event loop.
        let judging = tokio::spawn(async move { inspector.validate(bytes, Format::Document, Some(schema)).await });
        match judging.await {
            Ok(Ok(Verdict::Valid(_))) => Ok(()),
            Ok(Ok(Verdict::Invalid(findings))) => Err(findings),
            Ok(Err(lost)) => Err(vec![lost.to_string()]),
            Err(_) => Err(vec!["the inspector ended early".to_owned()]),
        }
    }
}
