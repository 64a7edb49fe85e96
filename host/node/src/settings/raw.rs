//! Settings as they were written: one text per name, with where it stands. Nothing is interpreted but names.
//!
//! Our own file is strict. A `kong.conf` is full of names that are none of ours; there, and in the environment, only a name
//! that was surely meant for us is an error: silence would leave a node without its fallback.

use std::collections::BTreeMap;
use std::fmt;

use super::environment::{Environment, Reference};
use super::problem::Problem;
use super::reference::Name;
use super::secret::{Secret, is_private_key};
use super::{file, url};

/// A settings file as read.
pub struct ConfFile {
    pub path: String,
    pub text: String,
    pub world_readable: bool,
}

#[derive(Debug, Default)]
pub struct RawSettings {
    given: BTreeMap<Name, Given>,
}

/// One text and where it was written.
#[derive(Clone)]
pub struct Given {
    pub name: Name,
    pub text: String,
    pub origin: String,
}

/// How a file treats names that it does not know.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Strict,
    Kongs,
}

impl RawSettings {
    pub fn gather(config: Option<&ConfFile>, kong_conf: Option<&ConfFile>, environment: &Environment, problems: &mut Vec<Problem>) -> Self {
        let mut raw = Self::default();
        if let Some(kong_conf) = kong_conf {
            raw.take_file(kong_conf, Names::Kongs, problems);
        }
        if let Some(config) = config {
            raw.take_file(config, Names::Strict, problems);
        }
        raw.take_environment(environment, problems);
        raw
    }

    /// What was written for this name. A value of nothing counts as not written.
    pub fn given(&self, name: Name) -> Option<&Given> {
        self.given.get(&name)
    }

    fn take_file(&mut self, conf: &ConfFile, names: Names, problems: &mut Vec<Problem>) {
        let mut seen = BTreeMap::new();
        for line in file::parse(&conf.text) {
            let line = match line {
                Ok(line) => line,
                // Kong reads more than we do; a line that is no assignment is its business.
                Err(_) if names == Names::Kongs => continue,
                Err(malformed) => {
                    problems.push(Problem::of_source(format!("{}, line {}", conf.path, malformed.number), malformed.fix));
                    continue;
                }
            };
            let origin = format!("{}, line {}", conf.path, line.number);
            let Some(name) = Name::of(&line.name) else {
                problems.extend(unknown(&line.name, &origin, names));
                continue;
            };
            if names == Names::Strict
                && let Some(first) = seen.insert(name, line.number)
            {
                problems.push(Problem {
                    setting: line.name,
                    value: None,
                    origin: Some(origin),
                    fix: format!("it is set in line {first} already; keep one of the two"),
                });
                continue;
            }
            if line.value.is_empty() {
                continue;
            }
            let given = Given { name, text: line.value, origin };
            if name.entry().secret && conf.world_readable && Reference::of(&given.text) == Reference::Literal {
                problems.push(given.problem(format!("everybody may read {0}; run: chmod o-r {0}", conf.path)));
            }
            self.given.insert(name, given);
        }
    }

    fn take_environment(&mut self, environment: &Environment, problems: &mut Vec<Problem>) {
        let mut known = Vec::new();
        for name in Name::ALL.iter().copied() {
            for variable in name.variables() {
                if let Some(text) = environment.variable(&variable) {
                    let origin = format!("{variable} in the environment");
                    self.given.insert(name, Given { name, text: text.to_owned(), origin });
                }
                known.push(variable);
            }
        }
        for variable in environment.variables().keys().filter(|variable| !known.contains(variable)) {
            problems.extend(unknown_variable(variable));
        }
    }
}

impl Given {
    /// The text for sentences: never a secret, never longer than a line.
    pub fn shown(&self) -> String {
        const SHOWN_CHARS_MAX: usize = 120;
        if self.name.entry().secret || is_private_key(&self.text) {
            return Secret::SHOWN.to_owned();
        }
        let parts: Vec<String> = self.text.split(',').map(url::shown).collect();
        let text = parts.join(",");
        match text.char_indices().nth(SHOWN_CHARS_MAX) {
            Some((end, _)) => format!("'{}…'", text.get(..end).unwrap_or_default()),
            None => format!("'{text}'"),
        }
    }

    pub fn problem(&self, fix: impl Into<String>) -> Problem {
        Problem { setting: self.name.as_str().to_owned(), value: Some(self.shown()), origin: Some(self.origin.clone()), fix: fix.into() }
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.shown(), self.origin)
    }
}

fn unknown(written: &str, origin: &str, names: Names) -> Option<Problem> {
    let nearest = nearest(written);
    let ours = written.starts_with("cluster_fallback") || written.starts_with("holdover");
    if names == Names::Kongs && !ours && nearest.is_none() {
        return None;
    }
    let fix = match nearest {
        Some(name) => format!("there is no such setting; did you mean {}?", name.as_str()),
        None => "there is no such setting; docs/settings.md lists all".to_owned(),
    };
    Some(Problem { setting: written.to_owned(), value: None, origin: Some(origin.to_owned()), fix })
}

/// Kubernetes puts `HOLDOVER_PORT` and the like beside every service of that name, so only a near miss is ours here.
fn unknown_variable(variable: &str) -> Option<Problem> {
    let lower = variable.to_ascii_lowercase();
    let kongs = lower.strip_prefix("kong_").or_else(|| lower.strip_prefix("holdover_"))?;
    let origin = "in the environment";
    if kongs.starts_with("cluster_fallback") || kongs.starts_with("holdover_") {
        let mut problem = unknown(kongs, origin, Names::Strict)?;
        problem.setting = variable.to_owned();
        return Some(problem);
    }
    let near = nearest(kongs).or_else(|| nearest(&lower))?;
    let meant = near.variables().pop()?;
    let fix = format!("there is no such setting; did you mean {meant}?");
    Some(Problem { setting: variable.to_owned(), value: None, origin: Some(origin.to_owned()), fix })
}

/// The setting that this was most likely meant to be.
fn nearest(written: &str) -> Option<Name> {
    let lower = written.to_ascii_lowercase().replace('-', "_");
    let edits_max = if lower.len() < 8 { 1 } else { 2 };
    let distances = Name::ALL.iter().map(|name| (edits(&lower, name.as_str()), *name));
    distances.filter(|(distance, _)| *distance <= edits_max).min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// How many letters must be inserted, removed or replaced to get from one to the other.
fn edits(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (place, from_letter) in (1..).zip(from.bytes()) {
        let mut left = place;
        let mut next = vec![left];
        for (to_letter, above) in to.bytes().zip(row.windows(2)) {
            let (diagonal, above) = match above {
                [diagonal, above] => (*diagonal, *above),
                // `windows(2)` yields pairs only.
                _ => continue,
            };
            left = (diagonal + usize::from(from_letter != to_letter)).min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_counts_insertions_removals_and_replacements() {
        for (from, to, count) in
            [("", "", 0), ("a", "", 1), ("", "ab", 2), ("role", "rule", 1), ("kitten", "sitting", 3), ("flaw", "lawn", 2)]
        {
            assert_eq!(edits(from, to), count, "{from} {to}");
        }
    }

    #[test]
    fn names_of_kong_that_are_none_of_ours_are_left_alone() {
        let kongs = "admin_listen status_listen stream_listen cluster_listen cluster_allowed_common_names cluster_dp_labels cluster_ocsp \
                     cluster_rpc cluster_rpc_sync cluster_telemetry_listen cluster_telemetry_endpoint \
                     cluster_telemetry_server_name cluster_data_plane_purge_delay database declarative_config prefix \
                     proxy_access_log proxy_error_log ssl ssl_ciphers ssl_dhparam ssl_protocols ssl_cipher_suite \
                     log_levels_x pg_host pg_password vaults lmdb_map_size router_flavor node_id port_maps client_ssl client_ssl_cert \
                     client_ssl_cert_key headers_upstream upstream_keepalive_pool_size admin_gui_listen nginx_proxy_proxy_ssl_verify_depth";
        for name in kongs.split_whitespace() {
            assert_eq!(unknown(name, "kong.conf, line 1", Names::Kongs), None, "{name}");
        }
    }
}
