//! Which plugins ask who is there. Their loss opens routes, so it is counted apart (export-03).

use super::super::tree::{self, Member, Node};

/// Kong's bundled ones, and Enterprise's. Source: Kong's plugin hub, category authentication.
const PLUGINS: [&str; 16] = [
    "basic-auth",
    "header-cert-auth",
    "hmac-auth",
    "jwe-decrypt",
    "jwt",
    "jwt-signer",
    "key-auth",
    "key-auth-enc",
    "ldap-auth",
    "ldap-auth-advanced",
    "mtls-auth",
    "oauth2",
    "oauth2-introspection",
    "openid-connect",
    "saml",
    "vault-auth",
];

/// One that is there and not switched off.
pub fn is_enforced(plugin: &[Member<'_>]) -> bool {
    let name = tree::member(plugin, "name").and_then(Node::as_str);
    name.is_some_and(|name| PLUGINS.contains(&name)) && !matches!(tree::member(plugin, "enabled"), Some(Node::Bool(false)))
}
