//! What stands in front of the built-in gateway: certificates that belong together, what has no effect, and that no key is shown.

use super::*;

const TLS: &str = "proxy_listen = 127.0.0.1:0 ssl\n";

#[test]
fn a_kong_conf_with_certificates_proxies_and_headers_is_read_as_kong_reads_it() {
    let kong_conf = format!(
        "{TLS}ssl_cert = /etc/kong/rsa.crt, /etc/kong/ec.crt\nssl_cert_key = /etc/kong/rsa.key,/etc/kong/ec.key\n\
         trusted_ips = 10.0.0.0/8, ::1\nreal_ip_header = X-Forwarded-For\nreal_ip_recursive = on\nheaders = off\n\
         nginx_proxy_proxy_ssl_verify = on\nlua_ssl_trusted_certificate = system, /etc/kong/ca.pem\n"
    );
    let settings = Given::config(WHOLE).kong_conf(&kong_conf).settings();
    let Gateway::Builtin { front, .. } = settings.gateway else { panic!("{:?}", settings.gateway) };
    assert_eq!(front.certs, ["/etc/kong/rsa.crt", "/etc/kong/ec.crt"]);
    assert_eq!(front.cert_keys.iter().map(Secret::expose).collect::<Vec<_>>(), ["/etc/kong/rsa.key", "/etc/kong/ec.key"]);
    assert_eq!((front.trusted_ips, front.real_ip_header.as_str()), (vec!["10.0.0.0/8".to_owned(), "::1".to_owned()], "X-Forwarded-For"));
    assert!(front.real_ip_recursive && front.verifies_upstreams);
    assert_eq!(front.trusted_certificates, ["system", "/etc/kong/ca.pem"]);
    assert_eq!(front.headers, ["off"]);
    assert_eq!(settings.notes, Vec::<String>::new());
}

#[test]
fn what_does_not_belong_together_and_what_an_adapter_says_is_named() {
    let front = format!("{WHOLE}{TLS}");
    for (config, setting, sentence) in [
        (format!("{front}ssl_cert = /c.pem\n"), "ssl_cert_key", "it is not set; give the key of ssl_cert"),
        (format!("{front}ssl_cert_key = /c.key\n"), "ssl_cert", "it is not set; give the certificate"),
        (format!("{front}ssl_cert = /a, /b\nssl_cert_key = /c.key\n"), "ssl_cert_key", "ssl_cert has 2, and this has 1"),
        (format!("{front}ssl_cert = /no/such.pem\nssl_cert_key = /c.key\n"), "ssl_cert", "there is no such file; correct the path"),
        (format!("{front}ssl_cert = /c, /no/such.pem\nssl_cert_key = /c, /d\n"), "ssl_cert", "/no/such.pem: there is no such file"),
        (format!("{front}ssl_cert = /c.pem\nssl_cert_key = other\n"), "ssl_cert_key", "its key belongs to another certificate"),
        (format!("{front}trusted_ips = 10.0.0.1, x\n"), "trusted_ips", "'x' is no address; write one"),
        (format!("{front}real_ip_recursive = yes\n"), "real_ip_recursive", "write one of on, off"),
        // Whatever else is wrong.
        (format!("{front}trusted_ips = x\nholdover_format = document\n"), "trusted_ips", "'x' is no address"),
    ] {
        assert_problem(&config, setting, sentence);
    }
}

#[test]
fn what_has_no_effect_is_said() {
    let front = "ssl_cert = /c.pem\nssl_cert_key = /c.key\nreal_ip_header = X-Mine\n";
    let settings = Given::config(&format!("{WHOLE}{front}")).settings();
    assert_eq!(settings.notes.len(), 3, "{:?}", settings.notes);
    assert!(settings.notes.iter().any(|note| note.contains("proxy_listen has no entry with ssl")), "{:?}", settings.notes);
    let settings = Given::config(&format!("{WHOLE}holdover_gateway = none\n{front}headers = off\n")).settings();
    assert_eq!(settings.notes.len(), 4, "{:?}", settings.notes);
}

#[test]
fn no_certificates_key_is_shown_and_one_that_everybody_may_read_is_said() {
    let base64 = "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0taHVudGVyMg==";
    let given = |certs: &str| Given::config(&format!("{WHOLE}{TLS}ssl_cert = {certs}\nssl_cert_key = {base64}\n"));
    assert!(!format!("{:?}", given("/a, /b").problems()).contains(base64));
    assert!(!format!("{:?}", given("/a").settings()).contains(base64));

    let folder = TempDir::new().unwrap();
    let key = folder.path().join("tls.key");
    fs::write(&key, "a key").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let config = format!("{WHOLE}{TLS}ssl_cert = /c.pem\nssl_cert_key = {}\n", key.display());
    let notes = Given::config(&config).settings().notes;
    assert!(notes.iter().any(|note| note.starts_with("ssl_cert_key: ") && note.contains("chmod o-r")), "{notes:?}");
}
