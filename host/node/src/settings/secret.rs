//! A text that cannot be printed by accident (all-04), and the rule about files that hold one.

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt;

/// Passes through the program; leaves it only where somebody wrote `expose`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub const SHOWN: &'static str = "(secret)";

    pub fn new(text: String) -> Self {
        Self(text)
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::SHOWN)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::SHOWN)
    }
}

pub fn is_world_readable(file: &Metadata) -> bool {
    const OTHERS_READ: u32 = 0o004;
    file.permissions().mode() & OTHERS_READ != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_formatting_prints_a_secret() {
        let secret = Secret::new("hunter2".into());
        let printed = format!("{secret} {secret:?} {:#?} {:?}", Some(&secret), [&secret]);
        assert!(!printed.contains("hunter2"), "{printed}");
        assert_eq!(secret.expose(), "hunter2");
    }
}
