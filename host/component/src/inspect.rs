//! Reads a component's imports and exports off the file, without running or compiling it.

use holdover_plugin::model::Digest;
use serde::Serialize;
use wasmparser::{Encoding, Parser, Payload};

use crate::error::LoadError;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inspection {
    pub imports: Vec<String>,
    pub exports: Vec<String>,
    pub bytes: u64,
    /// BLAKE3-256 of the file.
    pub digest: String,
}

const FIX: &str = "name a component that was built for wasm32-wasip2";

pub fn inspect(file: &[u8]) -> Result<Inspection, LoadError> {
    if !file.starts_with(b"\0asm") {
        return Err(LoadError::new(format!("it is no WebAssembly at all; {FIX}")));
    }
    let unreadable = |error: wasmparser::BinaryReaderError| {
        let (what, offset) = (error.message().lines().next().unwrap_or_default(), error.offset());
        LoadError::new(format!("it is no whole WebAssembly component ({what}, at byte {offset}); {FIX}"))
    };
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0_u32;
    let mut is_component = false;
    for payload in Parser::new(0).parse_all(file) {
        match payload.map_err(unreadable)? {
            Payload::Version { encoding, .. } if depth == 0 => is_component |= encoding == Encoding::Component,
            // What modules and components inside import and export is their own affair.
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    imports.push(import.map_err(unreadable)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    exports.push(export.map_err(unreadable)?.name.name.to_owned());
                }
            }
            _inside => {}
        }
    }
    if !is_component {
        return Err(LoadError::new(format!("it is a WebAssembly module, not a component; {FIX}")));
    }
    imports.sort();
    exports.sort();
    Ok(Inspection { imports, exports, bytes: file.len() as u64, digest: Digest::of(file).to_string() })
}
