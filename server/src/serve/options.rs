//! The arguments of `ferrite serve`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::net::NetLimits;
use super::net::allow::Rule;
use super::vms::VmLimits;

const HELP: &str = "\
usage: ferrite serve [options]

-listen ADDRESS:PORT  where to listen; loopback port 8642 unless given
-page FOLDER          the built page (web/dist)
-guests FOLDER        kernels, initial RAM disks and images, under /guests/
-token TEXT           what a client has to know; needed beyond loopback
-tls-cert FILE        certificates (PEM) of this server, its own first: it then speaks TLS; needed
                      beyond loopback
-tls-key FILE         the key of the first
-no-tls               beyond loopback without TLS: something else on the way encrypts
-host NAME            another name by which clients may address the server
-embed ORIGIN         a site whose pages may show this one in a frame, such as https://a.example
-machines COUNT       machines that pages may have on this server at one time; none unless given
-machines-each COUNT  of those, for one client address (2)
-machine-memory MIB   memory of each at most (1024)
-net HOST:PORT        what guests in pages may reach by TCP and UDP through this server, each of
                      them '*' for any; nothing unless given
-net-rate KIB         KiB per second that each page may move so (1024)
-no-isolation         without the headers that give the page threads

It prints the page's address and serves until it is interrupted.
";

/// Where it listens unless told otherwise.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8642);
/// Fewest characters of a token.
const MIN_TOKEN: usize = 16;

/// What the arguments ask for.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// To serve.
    Serve(Box<ServeOptions>),
    /// This text.
    Help(&'static str),
}

/// How to serve.
#[derive(Debug, PartialEq, Eq)]
pub struct ServeOptions {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The built page.
    pub page: PathBuf,
    /// The guests' files.
    pub guests: Option<PathBuf>,
    /// What a client has to know.
    pub token: Option<String>,
    /// What it proves its name by; plain HTTP if absent.
    pub tls: Option<TlsFiles>,
    /// Names by which clients may address the server, beside `localhost`.
    pub hosts: Vec<String>,
    /// Sites whose pages may show this one in a frame.
    pub embedders: Vec<String>,
    /// Machines that pages may have on this server.
    pub vms: VmLimits,
    /// What guests in pages may reach through this server.
    pub net: NetLimits,
    /// Whether the page gets the headers that isolate it.
    pub isolated: bool,
}

/// A certificate chain and its key, as PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// The key of the first certificate.
    pub key: PathBuf,
}

/// Arguments that cannot be obeyed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum OptionError {
    /// An option that is not there.
    #[error("{0}: invalid option (try -help)")]
    Unknown(String),
    /// An option without its argument.
    #[error("{0}: requires an argument")]
    NeedsArgument(String),
    /// An address that cannot be read.
    #[error("-listen {0}: not an address and a port, such as 127.0.0.1:8642")]
    Address(String),
    /// A count that is not one.
    #[error("{0} {1}: not a number")]
    Count(String, String),
    /// A host and port that are none.
    #[error("-net {0}: not HOST:PORT, such as example.org:80 or *:443")]
    Rule(String),
    /// A site that is not one.
    #[error("-embed {0}: not an origin, such as https://a.example")]
    Origin(String),
    /// A token that is too easily guessed or cannot stand in an address.
    #[error("-token: use at least {MIN_TOKEN} letters, digits, '-' and '_'")]
    Token,
    /// The network is let in without a token.
    #[error("-listen {0}: beyond loopback a -token is needed")]
    NeedsToken(SocketAddr),
    /// The token would travel in the clear.
    #[error(
        "-listen {0}: beyond loopback -tls-cert and -tls-key are needed (or -no-tls, if something \
         else on the way encrypts)"
    )]
    NeedsTls(SocketAddr),
    /// One of certificate and key without the other.
    #[error("-tls-cert and -tls-key need each other")]
    HalfTls,
}

/// Reads the arguments.
pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Asked, OptionError> {
    let mut options = ServeOptions {
        listen: LISTEN,
        page: PathBuf::from("web/dist"),
        guests: None,
        token: None,
        tls: None,
        hosts: Vec::new(),
        embedders: Vec::new(),
        vms: VmLimits::default(),
        net: NetLimits::default(),
        isolated: true,
    };
    let (mut certificate, mut key, mut plain) = (None, None, false);
    let mut args = args.into_iter();
    while let Some(option) = args.next() {
        let name = option.trim_start_matches('-').to_owned();
        let mut argument = || {
            args.next()
                .ok_or_else(|| OptionError::NeedsArgument(option.clone()))
        };
        match name.as_str() {
            "listen" => {
                let text = argument()?;
                options.listen = text.parse().map_err(|_| OptionError::Address(text))?;
            }
            "page" => options.page = argument()?.into(),
            "guests" => options.guests = Some(argument()?.into()),
            "token" => options.token = Some(token(argument()?)?),
            "tls-cert" => certificate = Some(argument()?.into()),
            "tls-key" => key = Some(argument()?.into()),
            "no-tls" => plain = true,
            "host" => options.hosts.push(argument()?),
            "embed" => options.embedders.push(origin(argument()?)?),
            "machines" => options.vms.machines = count(&option, argument()?)?,
            "machines-each" => options.vms.per_client = count(&option, argument()?)?,
            "machine-memory" => {
                let mib = count(&option, argument()?)? as u64;
                options.vms.memory = mib.saturating_mul(1 << 20);
            }
            "net" => {
                let text = argument()?;
                let rule = Rule::parse(&text).ok_or(OptionError::Rule(text))?;
                options.net.rules.push(rule);
            }
            "net-rate" => {
                let kib = count(&option, argument()?)? as u64;
                options.net.rate = kib.saturating_mul(1 << 10);
            }
            "no-isolation" => options.isolated = false,
            "h" | "help" => return Ok(Asked::Help(HELP)),
            _ => return Err(OptionError::Unknown(option)),
        }
    }
    options.tls = match (certificate, key) {
        (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
        (None, None) => None,
        _ => return Err(OptionError::HalfTls),
    };
    if !options.listen.ip().is_loopback() {
        if options.token.is_none() {
            return Err(OptionError::NeedsToken(options.listen));
        }
        if options.tls.is_none() && !plain {
            return Err(OptionError::NeedsTls(options.listen));
        }
    }
    Ok(Asked::Serve(Box::new(options)))
}

fn token(text: String) -> Result<String, OptionError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let good = text.len() >= MIN_TOKEN && text.bytes().all(plain);
    good.then_some(text).ok_or(OptionError::Token)
}

fn count(option: &str, text: String) -> Result<usize, OptionError> {
    text.parse()
        .map_err(|_| OptionError::Count(option.to_owned(), text))
}

/// An origin that may stand in a header.
fn origin(text: String) -> Result<String, OptionError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b".-:[]".contains(&b);
    let host = ["https://", "http://"]
        .into_iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    let good = host.is_some_and(|host| !host.is_empty() && host.bytes().all(plain));
    good.then_some(text.clone())
        .ok_or(OptionError::Origin(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Asked, OptionError> {
        parse(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn the_network_needs_a_token_and_tls() {
        assert!(read("").is_ok());
        assert!(read("-listen [::1]:0 -no-isolation").is_ok());
        assert!(matches!(
            read("-listen 0.0.0.0:80"),
            Err(OptionError::NeedsToken(_))
        ));
        let far = "-listen 0.0.0.0:80 -token 0123456789abcdef";
        assert!(matches!(read(far), Err(OptionError::NeedsTls(_))));
        assert!(read(&format!("{far} -no-tls")).is_ok());
        assert!(read(&format!("{far} -tls-cert c.pem -tls-key k.pem")).is_ok());
        assert_eq!(read("-tls-cert c.pem"), Err(OptionError::HalfTls));
        assert_eq!(read("-token short"), Err(OptionError::Token));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(read("-x"), Err(OptionError::Unknown("-x".into())));
        assert_eq!(
            read("-page"),
            Err(OptionError::NeedsArgument("-page".into()))
        );
        assert!(read("-embed https://a.example:8443").is_ok());
        for bad in ["a.example", "https://", "https://a;b", "https://a/b"] {
            assert_eq!(
                read(&format!("-embed {bad}")),
                Err(OptionError::Origin(bad.into()))
            );
        }
        assert_eq!(read("-listen x"), Err(OptionError::Address("x".into())));
    }
}
