//! What a node takes: of which versions, how old, of which lineage, and what an operator lets it take besides.

use std::fs::File;
use std::io::Read;
use std::time::Duration;

use holdover_plugin::model::{Generation, Lineage, VersionRule};
use holdover_plugin::policy::OnStale;
use holdover_plugin::snapshot::break_glass::{TOKEN_BYTES_MAX, Token};

use super::super::reading::Reading;
use super::super::reference::Name;
use super::fallback::Fallback;
use super::keys::Keys;

pub struct Acceptance {
    pub version_rule: VersionRule,
    pub on_stale: OnStale,
    pub head_age_max: Duration,
    pub cache_age_max: Option<Duration>,
    pub min_generation: Generation,
    pub accept_lineage: Option<Lineage>,
    pub break_glass: Option<String>,
}

pub fn acceptance(reading: &mut Reading<'_>, fallback: Option<&Fallback>, keys: Option<&Keys>) -> Option<Acceptance> {
    const RULES: [(&str, VersionRule); 3] = [("exact", VersionRule::Exact), ("patch", VersionRule::Patch), ("minor", VersionRule::Minor)];
    let version_rule = reading.choice(Name::VersionRule, &RULES);
    let on_stale = reading.choice(Name::OnStale, &[("warn", OnStale::Warn), ("refuse", OnStale::Refuse)]);
    let head_age_max = reading.duration(Name::HeadMaxAge, Duration::from_secs(1));
    let cache_age_max = reading.duration(Name::CacheMaxAge, Duration::ZERO);
    let min_generation = reading.of_type::<u64>(Name::MinGeneration);
    let accept_lineage = reading
        .parsed(Name::AcceptLineage, |text| text.parse::<Lineage>().map_err(|error| format!("{error}, as `holdover history` shows it")));
    let break_glass = reading.parsed(Name::BreakGlass, token_text);
    // What is taken from a bundle is held against the same rules.
    if fallback.is_some_and(|fallback| !fallback.import) && !reading.is_given(Name::Bundle) {
        for name in [Name::OnStale, Name::HeadMaxAge, Name::CacheMaxAge, Name::MinGeneration, Name::AcceptLineage, Name::BreakGlass] {
            reading.idle(name, "cluster_fallback_config_import is off, and there is no holdover_bundle");
        }
    }
    if let (Some(Some(token)), Some(keys)) = (&break_glass, keys) {
        judge_token(reading, token, keys);
    }
    Some(Acceptance {
        version_rule: version_rule?,
        on_stale: on_stale?,
        head_age_max: head_age_max?,
        cache_age_max: cache_age_max.map(|age_max| Some(age_max).filter(|age_max| !age_max.is_zero()))?,
        min_generation: Generation(min_generation?),
        accept_lineage: accept_lineage?,
        break_glass: break_glass?,
    })
}

fn token_text(path: &str) -> Result<String, String> {
    if path.starts_with('{') {
        return Err("it names a file, not the token itself; write the token into a file, and its path here".to_owned());
    }
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(TOKEN_BYTES_MAX + 1).read_to_string(&mut text));
    match read {
        Ok(_) if text.len() as u64 <= TOKEN_BYTES_MAX => Ok(text),
        Ok(_) => Err(format!("it has more than {TOKEN_BYTES_MAX} bytes; name the file that `holdover break-glass --out` wrote")),
        Err(error) => {
            Err(format!("it cannot be read ({error}); name the file that `holdover break-glass --out` wrote, or leave the setting out"))
        }
    }
}

/// A token that allows nothing is said at once and stops nothing: a used one may lie there when the node starts again.
fn judge_token(reading: &mut Reading<'_>, token: &str, keys: &Keys) {
    if !keys.operators.is_configured() {
        reading.missing(Name::OperatorKeys, "holdover_break_glass needs it: the public keys of those who may sign a token");
    } else if let Err(refusal) = Token::read(token.as_bytes(), &keys.operators) {
        reading.notes.push(format!("holdover_break_glass: the token allows nothing: {refusal}"));
    }
}
