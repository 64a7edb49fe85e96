//! Upstreams over TLS, over HTTP/2, and over both, that tell how they were spoken to; and the certificates that they show.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// Takes whatever HTTP it is spoken to in. Refuses every connection once it is dropped.
pub struct Spoken {
    pub port: u16,
    asked: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Spoken {
    pub async fn in_plain() -> Self {
        Self::start(None).await
    }

    pub async fn over_tls(shown: &Shown) -> Self {
        let key = PrivateKeyDer::try_from(shown.key.serialize_der()).unwrap();
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![shown.certificate.der().clone()], key);
        let mut config = config.unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self::start(Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn start(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, tls.clone(), Arc::clone(&counted)));
            }
        });
        Self { port, asked, accepting }
    }

    /// How many requests came.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Spoken {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(stream: TcpStream, tls: Option<TlsAcceptor>, asked: Arc<AtomicUsize>) {
    let Some(tls) = tls else { return answer(stream, "no TLS".to_owned(), asked).await };
    // Who does not believe the certificate goes away.
    let Ok(stream) = tls.accept(stream).await else { return };
    let named = stream.get_ref().1.server_name().unwrap_or("no name").to_owned();
    answer(stream, named, asked).await;
}

async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, named: String, asked: Arc<AtomicUsize>) {
    let told = service_fn(|request: Request<Incoming>| {
        asked.fetch_add(1, Ordering::SeqCst);
        let told = told(&named, &request);
        async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(told)))) }
    });
    // A client that has gone needs no answer.
    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), told).await;
}

/// Server name, version, scheme if it was said, host and path.
fn told(named: &str, request: &Request<Incoming>) -> String {
    let (uri, host) = (request.uri(), request.headers().get(HOST).map(|host| host.to_str().unwrap()));
    let host = uri.authority().map(|authority| authority.as_str()).or(host).unwrap_or_default();
    format!("{named}, {:?}, {}, {host}, {}", request.version(), uri.scheme_str().unwrap_or("no scheme"), uri.path())
}

/// A certificate that an upstream shows.
pub struct Shown {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Shown {
    /// By itself, for this name.
    pub fn self_signed(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().self_signed(&key).unwrap();
        Self { certificate, key }
    }

    /// Certificate and key in PEM.
    pub fn pem(&self) -> (String, String) {
        (self.certificate.pem(), self.key.serialize_pem())
    }
}

/// One that signs for others.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Those it signs would otherwise have its name, and BoringSSL would take them for self-signed.
        params.distinguished_name.push(DnType::CommonName, "authority");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// For this name.
    pub fn signed(&self, name: &str) -> Shown {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        Shown { certificate, key }
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }
}
