//! The operator's JSON Schema as a file. What a schema means is the inspector's to say.

use std::path::Path;

use crate::commands::read_file;

const SCHEMA_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Its text, once it was seen to be a schema at all. `Err` is the rest of a sentence about the file.
pub async fn text(path: &Path) -> Result<String, String> {
    let bytes = read_file(path, SCHEMA_BYTES_MAX).await?;
    let text = String::from_utf8(bytes.into()).map_err(|_| "it is not UTF-8; name a JSON Schema".to_owned())?;
    match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(serde_json::Value::Object(_) | serde_json::Value::Bool(_)) => Ok(text),
        Ok(_) => Err("a JSON Schema is an object, true or false; name a file that holds one".to_owned()),
        Err(error) => Err(format!("it is not JSON at line {}, column {}; name a JSON Schema", error.line(), error.column())),
    }
}
