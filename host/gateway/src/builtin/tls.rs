//! Handshakes with TLS clients.
//!
//! ```text
//! hello ──► server name ──► certificate ──► handshake ──► stream
//!                               └─none──► alert "unrecognized_name"
//! ```
//! The certificates are those of the configuration that routes requests at that moment; until the first there are none. Knows
//! nothing of HTTP but the names of its versions.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::server::ResolvesServerCertUsingSni;
use rustls::{ServerConfig, crypto};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::Served;
use super::certificates::{Certificate, DefaultCertificate, Found};

/// For a client's whole handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Record type, version and length, then: fatal, unrecognized_name (RFC 8446, 6). rustls itself would say access_denied.
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

pub(super) struct Handshakes {
    /// All but the certificate.
    config: ServerConfig,
    /// Where the configuration has none.
    default: Option<Arc<Certificate>>,
}

/// What is known of a client after the handshake.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    /// In lower case.
    pub server_name: Option<String>,
}

impl Handshakes {
    pub(super) fn new(default: Option<DefaultCertificate>) -> Result<Self, String> {
        let provider = Arc::new(crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new()));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config, default: default.map(|DefaultCertificate(certificate)| certificate) })
    }

    pub(super) async fn shake(&self, stream: TcpStream, served: &Served) -> io::Result<(TlsStream<TcpStream>, Tls)> {
        timeout(HANDSHAKE, self.shaken(stream, served)).await.map_err(io::Error::from)?
    }

    async fn shaken(&self, stream: TcpStream, served: &Served) -> io::Result<(TlsStream<TcpStream>, Tls)> {
        let mut hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await?;
        let server_name = hello.client_hello().server_name().map(str::to_ascii_lowercase);
        let Some(certificate) = self.certificate(server_name.as_deref(), served) else {
            hello.io.write_all(&UNRECOGNIZED_NAME).await?;
            hello.io.shutdown().await?;
            return Err(io::Error::other("there is no certificate for the server name"));
        };
        let mut config = self.config.clone();
        config.cert_resolver = certificate;
        Ok((hello.into_stream(Arc::new(config)).await?, Tls { server_name }))
    }

    /// Without a name the default one goes first: the configuration's is for the names that it does not know.
    fn certificate(&self, name: Option<&str>, served: &Served) -> Option<Arc<Certificate>> {
        let default = self.default.clone();
        if name.is_none() && default.is_some() {
            return default;
        }
        let configuration = served.configuration.load();
        match configuration.as_ref().map_or(Found::Nothing, |configuration| configuration.certificates.find(name)) {
            Found::Usable(certificate) => Some(certificate),
            Found::NotUsable => None,
            Found::Nothing => default,
        }
    }
}
