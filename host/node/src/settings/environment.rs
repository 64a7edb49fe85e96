//! The environment as a map, so that no test touches the process's own, and what a value may fetch from it.
//!
//! `$NAME` or `${NAME}` as the whole value is a variable, `{file:/path}` a file. One step only: what comes out is not expanded
//! again. Adapters get the map too, for the variables that they document (`AWS_…`).

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::Read;

use super::secret::is_world_readable;

/// More than any value that is meant.
const VALUE_BYTES_MAX: u64 = 64 * 1024;

#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    hostname: Option<String>,
}

/// How a text must be completed before it is a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference<'a> {
    Literal,
    Variable(&'a str),
    File(&'a str),
}

impl Environment {
    /// The process's own. A variable that is no UTF-8 is none of ours.
    pub fn of_process() -> Self {
        let variables = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let hostname = fs::read_to_string("/proc/sys/kernel/hostname").ok();
        let hostname = hostname.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        Self { variables: variables.collect(), hostname }
    }

    pub fn of<N: Into<String>, V: Into<String>>(variables: impl IntoIterator<Item = (N, V)>) -> Self {
        Self { variables: variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect(), hostname: None }
    }

    pub fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// A variable that is set to nothing counts as not set: that is how compose files leave one out.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    pub fn hostname(&self) -> Option<&str> {
        self.variable("HOSTNAME").or(self.hostname.as_deref())
    }

    /// `Err` is the rest of the sentence "setting = value: …" and holds no byte of what was fetched.
    pub fn expand(&self, text: &str, is_secret: bool) -> Result<String, String> {
        match Reference::of(text) {
            Reference::Literal => Ok(text.to_owned()),
            Reference::Variable(name) => match self.variable(name) {
                Some(value) => Ok(value.to_owned()),
                None => Err(format!("the environment variable {name} is not set; set it, or write the value itself")),
            },
            Reference::File(path) => value_of_file(path, is_secret),
        }
    }
}

impl<'a> Reference<'a> {
    pub fn of(text: &'a str) -> Self {
        if let Some(path) = text.strip_prefix("{file:").and_then(|rest| rest.strip_suffix('}')) {
            return Self::File(path);
        }
        let braced = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        match braced.or_else(|| text.strip_prefix('$')).filter(|name| is_variable_name(name)) {
            Some(name) => Self::Variable(name),
            None => Self::Literal,
        }
    }
}

fn is_variable_name(text: &str) -> bool {
    let begins = text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_');
    begins && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

fn value_of_file(path: &str, is_secret: bool) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("the file {path} cannot be read ({error}); name a readable file");
    let file = fs::File::open(path).map_err(unreadable)?;
    if is_secret && is_world_readable(&file.metadata().map_err(unreadable)?) {
        return Err(format!("the file {path} holds a secret and everybody may read it; run: chmod o-r {path}"));
    }
    let mut text = String::new();
    file.take(VALUE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > VALUE_BYTES_MAX {
        return Err(format!("the file {path} has more than {VALUE_BYTES_MAX} bytes; name a file that holds only the value"));
    }
    match text.trim() {
        "" => Err(format!("the file {path} is empty; write the value into it")),
        value => Ok(value.to_owned()),
    }
}

/// Names only: the values hold credentials.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_value_is_a_reference() {
        for (text, reference) in [
            ("$NAME", Reference::Variable("NAME")),
            ("${NAME_2}", Reference::Variable("NAME_2")),
            ("{file:/run/token}", Reference::File("/run/token")),
            ("s3://$BUCKET", Reference::Literal),
            ("$", Reference::Literal),
            ("${}", Reference::Literal),
            ("$1", Reference::Literal),
            ("$A B", Reference::Literal),
            (r#"{"a":1}"#, Reference::Literal),
        ] {
            assert_eq!(Reference::of(text), reference, "{text}");
        }
    }

    #[test]
    fn an_expansion_is_not_expanded_again() {
        let environment = Environment::of([("A", "$B"), ("B", "secret")]);
        assert_eq!(environment.expand("$A", false), Ok("$B".to_owned()));
    }

    #[test]
    fn a_variable_that_is_not_set_is_named() {
        let refusal = Environment::of([("EMPTY", "")]).expand("${EMPTY}", false);
        assert!(refusal.is_err_and(|sentence| sentence.contains("EMPTY is not set")));
    }

    #[test]
    fn debug_shows_names_and_no_values() {
        let shown = format!("{:?}", Environment::of([("AWS_SECRET_ACCESS_KEY", "hunter2")]));
        assert!(shown.contains("AWS_SECRET_ACCESS_KEY") && !shown.contains("hunter2"), "{shown}");
    }
}
