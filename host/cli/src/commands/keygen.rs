//! `holdover keygen`: a private key into a file of its own, and its public part for everybody. Asks nobody and knows no settings.

use std::path::Path;

use holdover_keys::{Identity, SigningKey, keep_private};
use serde_json::{Value, json};

use super::{say, say_json};
use crate::args::{KeygenArguments, KeygenCommand};
use crate::exit::{Exit, Failure};

/// A key that was just made: what everybody may know, and the text of its file.
struct Made {
    public: Value,
    /// The same for people: a name and a value per line.
    lines: Vec<String>,
    file: String,
}

pub fn keygen(command: &KeygenCommand) -> Result<Exit, Failure> {
    match command {
        KeygenCommand::Signing(arguments) => hand_over(signing()?, arguments),
        KeygenCommand::Identity(arguments) => hand_over(identity()?, arguments),
    }
}

fn signing() -> Result<Made, Failure> {
    let key = SigningKey::generate().map_err(Failure::not_opened)?;
    let (public, id) = (key.public().to_string(), key.id().to_string());
    let file = format!("# public key: {public}\n# key id: {id}\n{}\n", key.expose().as_str());
    let lines = vec![format!("public key   {public}"), format!("key id       {id}")];
    Ok(Made { public: json!({"kind": "signing", "public_key": public, "key_id": id}), lines, file })
}

fn identity() -> Result<Made, Failure> {
    let identity = Identity::generate().map_err(Failure::not_opened)?;
    let recipient = identity.recipient().to_string();
    let file = format!("# public key: {recipient}\n{}\n", identity.expose().as_str());
    let lines = vec![format!("recipient    {recipient}")];
    Ok(Made { public: json!({"kind": "identity", "recipient": recipient}), lines, file })
}

fn hand_over(made: Made, arguments: &KeygenArguments) -> Result<Exit, Failure> {
    let Made { mut public, mut lines, file } = made;
    match &arguments.out {
        Some(path) => {
            keep(path, &file)?;
            let shown = path.display().to_string();
            lines.push(format!("private key  {shown} (readable by its owner alone)"));
            set(&mut public, "private_key_file", shown);
        }
        // A key file, comments and all, so that the shell may put it into one.
        None => {
            lines = vec![file.trim_end().to_owned()];
            set(&mut public, "private_key_file_content", file);
        }
    }
    if arguments.json {
        say_json(&public)?;
    } else {
        say(lines);
    }
    Ok(Exit::Done)
}

/// For whatever must not be read by others, and must not replace anything.
pub fn keep(path: &Path, text: &str) -> Result<(), Failure> {
    keep_private(path, text).map_err(|why| Failure::not_opened(format!("--out {}: {why}", path.display())))
}

fn set(object: &mut Value, field: &str, value: String) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(field.to_owned(), Value::String(value));
    }
}
