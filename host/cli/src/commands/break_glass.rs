//! `holdover break-glass`: signs an operator's word that one older snapshot may be taken (boot-07). Works offline: a day on which
//! glass is broken is not one to depend on a storage.

use holdover_keys::{SigningKey, random_number};
use holdover_plugin::snapshot::break_glass::{Allowance, Token};
use holdover_plugin::snapshot::{Purpose, Trust};

use super::keygen::keep;
use super::{now, say};
use crate::args::BreakGlassArguments;
use crate::exit::{Exit, Failure};

const HOUR_MS: u64 = 60 * 60 * 1000;

pub fn break_glass(arguments: &BreakGlassArguments) -> Result<Exit, Failure> {
    let key = SigningKey::read(&arguments.operator_key)
        .map_err(|why| Failure::not_opened(format!("--operator-key {}: {why}", arguments.operator_key.display())))?;
    let why = arguments.why.trim();
    if why.is_empty() || why.len() > 1024 {
        return Err(Failure::settings("--why: write 1 to 1024 bytes; whoever reads of it later has nothing else to go by"));
    }
    let file = signed(arguments, &key, why)?;
    match &arguments.out {
        None => say([file.trim_end().to_owned()]),
        Some(path) => {
            keep(path, &file)?;
            let node = arguments.node.as_ref().map_or_else(|| "any node, once each".to_owned(), |node| format!("node {node}, once"));
            say([
                format!("token        {}", path.display()),
                format!("for          {node}, within {} h", arguments.hours),
                format!("signed with  {}, which must be in holdover_operator_keys", key.public()),
                "use          name the file in holdover_break_glass of the node, and start it".to_owned(),
            ]);
        }
    }
    Ok(Exit::Done)
}

fn signed(arguments: &BreakGlassArguments, key: &SigningKey, why: &str) -> Result<String, Failure> {
    let unmade = |why: String| Failure::not_opened(format!("the token cannot be made: {why}"));
    let token = Token::new(Allowance {
        lineage: arguments.lineage,
        gateway_version: arguments.gateway_version.clone(),
        file_digest: arguments.file_digest,
        issued_at: now(),
        life_ms: u64::from(arguments.hours) * HOUR_MS,
        node: arguments.node.clone(),
        nonce: random_number().map_err(unmade)?,
        why: why.to_owned(),
    });
    let lines = token.and_then(|token| token.lines()).map_err(unmade)?;
    let signature = key.sign(Purpose::BreakGlass, lines.digest());
    let file = lines.sign(&[signature]);
    // What a node would refuse is not handed out.
    Token::read(&file, &Trust::new(vec![key.public()])).map_err(|refusal| unmade(refusal.to_string()))?;
    String::from_utf8(file).map_err(|_| unmade("it is no text".into()))
}
