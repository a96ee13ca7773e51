//! TLS for whatever listens or connects over TCP: certificates as QEMU lays them out in a folder
//! (`tls-creds-x509`), and streams that carry the plain bytes.
//!
//! TLS 1.2 and 1.3 by rustls. Keys that are shared beforehand and anonymous sessions are not of its
//! kind: there are no `tls-creds-psk` and `tls-creds-anon`.

use std::collections::HashMap;
use std::io;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName,
};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

/// How long a peer may take for its handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The files of a folder of certificates.
mod file {
    pub const AUTHORITIES: &str = "ca-cert.pem";
    pub const REVOKED: &str = "ca-crl.pem";
    pub const SERVER: [&str; 2] = ["server-cert.pem", "server-key.pem"];
    pub const CLIENT: [&str; 2] = ["client-cert.pem", "client-key.pem"];
}

/// One end's certificates and what it asks of the other. Clones are the same.
#[derive(Clone)]
pub enum Credentials {
    /// For those that listen.
    Server(Arc<ServerConfig>),
    /// For those that connect.
    Client(Arc<ClientConfig>),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Server(_) => "Server",
            Self::Client(_) => "Client",
        })
    }
}

/// What is wrong with a folder of certificates.
fn bad(path: &Path, why: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {why}", path.display()))
}

fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).map_err(|error| bad(path, error))?;
    let all: Result<Vec<_>, _> = read.collect();
    let all = all.map_err(|error| bad(path, error))?;
    match all.is_empty() {
        true => Err(bad(path, "no certificate in it")),
        false => Ok(all),
    }
}

fn key(path: &Path) -> io::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| bad(path, error))
}

fn authorities(path: &Path) -> io::Result<Arc<RootCertStore>> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(path)? {
        store.add(certificate).map_err(|error| bad(path, error))?;
    }
    Ok(Arc::new(store))
}

fn revoked(folder: &Path) -> io::Result<Vec<CertificateRevocationListDer<'static>>> {
    let path = folder.join(file::REVOKED);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let read = CertificateRevocationListDer::pem_file_iter(&path);
    let read = read.map_err(|error| bad(&path, error))?;
    let all: Result<Vec<_>, _> = read.collect();
    all.map_err(|error| bad(&path, error))
}

/// The algorithms, the same everywhere whatever else is linked in.
fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

impl Credentials {
    /// A server's, from the files of `folder` named as QEMU names them: `server-cert.pem`,
    /// `server-key.pem`, and with `verify_peer` `ca-cert.pem` and perhaps `ca-crl.pem`: then clients
    /// need a certificate of these authorities.
    pub fn server(folder: &Path, verify_peer: bool) -> io::Result<Self> {
        let [certificate, private] = file::SERVER.map(|name| folder.join(name));
        let builder = Self::builder()?;
        let builder = if verify_peer {
            let roots = authorities(&folder.join(file::AUTHORITIES))?;
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
                .with_crls(revoked(folder)?)
                .build();
            builder.with_client_cert_verifier(verifier.map_err(|error| bad(folder, error))?)
        } else {
            builder.with_no_client_auth()
        };
        let config = builder.with_single_cert(certificates(&certificate)?, key(&private)?);
        let config = config.map_err(|error| bad(&certificate, error))?;
        Ok(Self::Server(Arc::new(config)))
    }

    /// A server's from a certificate chain and its key, which asks no certificate of clients.
    pub fn server_files(certificate: &Path, private: &Path) -> io::Result<Self> {
        let config = Self::builder()?
            .with_no_client_auth()
            .with_single_cert(certificates(certificate)?, key(private)?);
        let config = config.map_err(|error| bad(certificate, error))?;
        Ok(Self::Server(Arc::new(config)))
    }

    fn builder() -> io::Result<rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier>> {
        ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)
    }

    fn client_builder(
        authority: &Path,
    ) -> io::Result<rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        Ok(builder.with_root_certificates(authorities(authority)?))
    }

    /// A client's that believes whom the certificates in a file vouch for.
    pub fn client_trusting(authority: &Path) -> io::Result<Self> {
        let config = Self::client_builder(authority)?.with_no_client_auth();
        Ok(Self::Client(Arc::new(config)))
    }

    /// A client's, from `ca-cert.pem` and, where they are there, `client-cert.pem` and
    /// `client-key.pem`.
    pub fn client(folder: &Path) -> io::Result<Self> {
        let [certificate, private] = file::CLIENT.map(|name| folder.join(name));
        let builder = Self::client_builder(&folder.join(file::AUTHORITIES))?;
        let config = if certificate.exists() {
            let made = builder.with_client_auth_cert(certificates(&certificate)?, key(&private)?);
            made.map_err(|error| bad(&certificate, error))?
        } else {
            builder.with_no_client_auth()
        };
        Ok(Self::Client(Arc::new(config)))
    }

    /// Does the handshake with a peer that has connected (`host` is for those who connect: whom they
    /// mean), in at most ten seconds.
    pub async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        host: &str,
    ) -> io::Result<TlsStream<S>> {
        let shake = async {
            match self {
                Self::Server(config) => {
                    let stream = TlsAcceptor::from(Arc::clone(config)).accept(stream).await?;
                    Ok(TlsStream::Server(stream))
                }
                Self::Client(config) => {
                    let name = ServerName::try_from(host.to_owned());
                    let name = name.map_err(io::Error::other)?;
                    let connector = TlsConnector::from(Arc::clone(config));
                    Ok(TlsStream::Client(connector.connect(name, stream).await?))
                }
            }
        };
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        tokio::time::timeout(HANDSHAKE, shake).await.map_err(late)?
    }

    /// The same for a stream that is not of an asynchronous runtime: returns the end of a socket pair
    /// that has the plain bytes. A thread carries them, until either side ends.
    pub fn relay(&self, socket: TcpStream, host: &str) -> io::Result<UnixStream> {
        let (ours, theirs) = UnixStream::pair()?;
        let (tell, told) = channel();
        let (credentials, host) = (self.clone(), host.to_owned());
        thread::Builder::new().name("tls".into()).spawn(move || {
            let done = carry(&credentials, socket, &host, theirs, || {
                // Whoever asked waits for this.
                let _ = tell.send(Ok(()));
            });
            if let Err(error) = done {
                // Nobody listens after the handshake: then it is the end like any other.
                let _ = tell.send(Err(error));
            }
        })?;
        told.recv()
            .unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))?;
        Ok(ours)
    }
}

/// Carries bytes between a peer and the plain end; calls `ready` after the handshake.
fn carry(
    credentials: &Credentials,
    socket: TcpStream,
    host: &str,
    plain: UnixStream,
    ready: impl FnOnce(),
) -> io::Result<()> {
    socket.set_nodelay(true)?;
    socket.set_nonblocking(true)?;
    plain.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let socket = tokio::net::TcpStream::from_std(socket)?;
        let mut stream = credentials.handshake(socket, host).await?;
        ready();
        let mut plain = tokio::net::UnixStream::from_std(plain)?;
        copy_bidirectional(&mut stream, &mut plain).await.map(drop)
    })
}

/// The credentials that there are, by the ids of their objects. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Registry(Arc<Mutex<HashMap<String, Credentials>>>);

impl Registry {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Credentials>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds credentials.
    pub fn add(&self, id: &str, credentials: Credentials) {
        self.lock().insert(id.to_owned(), credentials);
    }

    /// Forgets them; who uses them goes on.
    pub fn remove(&self, id: &str) {
        self.lock().remove(id);
    }

    /// The credentials that a socket asks for, if it does.
    pub fn of(&self, id: Option<&str>, server: bool) -> io::Result<Option<Credentials>> {
        id.map(|id| self.find(id, server)).transpose()
    }

    /// The credentials of this id, for the end that listens or for the one that connects.
    fn find(&self, id: &str, server: bool) -> io::Result<Credentials> {
        let known = self.lock().get(id).cloned();
        let known =
            known.ok_or_else(|| io::Error::other(format!("No TLS credentials with id '{id}'")))?;
        match (&known, server) {
            (Credentials::Server(_), true) | (Credentials::Client(_), false) => Ok(known),
            (_, true) => Err(io::Error::other(
                "Expected TLS credentials for a server endpoint",
            )),
            (_, false) => Err(io::Error::other(
                "Expected TLS credentials for a client endpoint",
            )),
        }
    }
}

/// The host of `host:port`, without the brackets of an IPv6 address.
#[must_use]
pub fn host(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_matches(['[', ']'])
}

/// The folder that certificates are taken from when none is named.
#[must_use]
pub fn default_folder() -> PathBuf {
    PathBuf::from("/etc/pki/qemu")
}
