//! The rules as text: one alert after the other, with what its expression names. Whether it is YAML and PromQL, promtool says.

use std::fs;
use std::path::{Path, PathBuf};

pub const RULES: &str = "packaging/prometheus/holdover.rules.yml";
pub const TESTS: &str = "tests/alerts/holdover.rules.test.yml";
pub const DOCUMENT: &str = "docs/alerts.md";

pub struct Alert {
    pub name: String,
    pub expr: String,
    /// The lines of its labels and annotations, by name.
    lines: Vec<(String, String)>,
}

/// A series as an expression asks for it.
pub struct Selector {
    pub metric: String,
    pub labels: Vec<(String, String)>,
}

pub fn alerts() -> Vec<Alert> {
    let text = read(RULES);
    let blocks: Vec<&str> = text.split("- alert: ").skip(1).collect();
    blocks
        .into_iter()
        .map(|block| {
            let mut lines = block.lines().map(str::trim);
            let name = lines.next().unwrap().to_owned();
            let lines: Vec<_> =
                lines.filter_map(|line| line.split_once(": ")).map(|(key, value)| (key.into(), value.trim_matches('"').into())).collect();
            let alert = Alert { name, expr: String::new(), lines };
            let expr = alert.line("expr").unwrap_or_else(|| panic!("{} has no expression", alert.name)).to_owned();
            Alert { expr, ..alert }
        })
        .collect()
}

impl Alert {
    pub fn line(&self, key: &str) -> Option<&str> {
        self.lines.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    pub fn selectors(&self) -> Vec<Selector> {
        let mut selectors = Vec::new();
        for (at, _) in self.expr.match_indices("holdover_") {
            let rest = &self.expr[at..];
            let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(rest.len());
            let labels = rest[end..].strip_prefix('{').and_then(|matchers| matchers.split('}').next()).unwrap_or_default();
            selectors.push(Selector { metric: rest[..end].to_owned(), labels: matchers(labels) });
        }
        selectors
    }

    /// The labels that the expression groups and joins by.
    pub fn grouped_by(&self) -> Vec<String> {
        let lists = self.expr.split("by (").skip(1).chain(self.expr.split("on (").skip(1));
        let lists = lists.filter_map(|rest| rest.split(')').next());
        lists.flat_map(|list| list.split(',').map(|label| label.trim().to_owned())).collect()
    }
}

fn matchers(labels: &str) -> Vec<(String, String)> {
    let pairs = labels.split(',').filter_map(|matcher| matcher.split_once('='));
    pairs.map(|(label, value)| (label.trim().to_owned(), value.trim_matches('"').to_owned())).collect()
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
