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

/// Whether a text is, or holds, a private key: written where a path, a public key or S3's parameters belong, it must not be shown.
pub fn is_private_key(text: &str) -> bool {
    // The last one is how base64 of PEM begins.
    const MARKS: [&str; 5] = ["age-secret-key-", "ed25519-private:", "private key-----", "ssecustomerkey", "ls0tls1crudjt"];
    let lower = text.to_ascii_lowercase();
    let bare = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    bare || MARKS.iter().any(|mark| lower.contains(mark))
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

    #[test]
    fn a_private_key_is_known_by_its_form_and_a_public_one_is_none() {
        let digits = "0123456789abcdef".repeat(4);
        for text in [&digits, &format!("ed25519-private:{digits}"), "age1x, AGE-SECRET-KEY-1QQ", "-----BEGIN OPENSSH PRIVATE KEY-----"] {
            assert!(is_private_key(text), "{text}");
        }
        for text in [&format!("ed25519:{digits}"), "age1qqq", "/etc/holdover/private-key", ""] {
            assert!(!is_private_key(text), "{text}");
        }
    }
}
