//! `ferrite serve`: the playground's page, the guests' files, and the relay to machines in tabs.
//!
//! - [`options`]: its command line;
//! - [`connection`]: TCP or TLS;
//! - [`http`]: requests and responses, as much of HTTP/1.1 as a page needs;
//! - [`gate`]: who may ask;
//! - [`files`]: files with ranges, compression and the headers that isolate the page;
//! - [`vms`]: machines on the server, for pages that may have them;
//! - [`net`]: TCP and UDP for guests in tabs, where it is allowed;
//! - [`relay`]: native QMP clients, attached to a machine in a tab that allows it.

pub mod connection;
mod conversation;
pub mod files;
pub mod gate;
pub mod http;
pub mod net;
pub mod options;
pub mod relay;
pub mod vms;

use std::io;
use std::net::IpAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use self::connection::Connection;
use self::files::Files;
use self::gate::Gate;
use self::http::{Request, Response};
use self::net::Net;
use self::options::{Asked, ServeOptions};
use self::relay::Relay;
use self::vms::Vms;
use crate::tls::Credentials;

/// Connections at one time; more are turned away.
const CONNECTIONS: usize = 256;
/// How long a connection may be silent between requests.
const IDLE: Duration = Duration::from_secs(30);
/// How long accepting rests after a failure.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Everything that connections share.
struct Server {
    tls: Option<Credentials>,
    gate: Gate,
    files: Files,
    relay: Relay,
    vms: Vms,
    net: Net,
}

/// Runs `ferrite serve` with these arguments until it is interrupted.
pub fn run(args: impl IntoIterator<Item = String>) -> ExitCode {
    let result = match options::parse(args) {
        Ok(Asked::Serve(options)) => serve(*options).map_err(|error| error.to_string()),
        Ok(Asked::Help(text)) => {
            print!("{text}");
            Ok(())
        }
        Err(error) => Err(error.to_string()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ferrite serve: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(options: ServeOptions) -> io::Result<()> {
    let tls = options.tls.as_ref();
    let tls = tls.map(|files| Credentials::server_files(&files.certificate, &files.key));
    let tls = tls.transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let query = options.token.as_ref();
        let query = query.map_or(String::new(), |token| format!("?token={token}"));
        let scheme = if tls.is_some() { "https" } else { "http" };
        println!("{scheme}://{address}/{query}");
        let server = Arc::new(Server {
            gate: Gate::new(options.token, options.hosts, tls.is_some()),
            tls,
            net: Net::new(options.net),
            vms: Vms::new(options.vms, options.guests.clone()),
            files: Files::new(options.page, options.guests, options.isolated)
                .framed_by(&options.embedders),
            relay: Relay::default(),
        });
        accept(listener, &server).await;
        Ok(())
    })
}

async fn accept(listener: TcpListener, server: &Arc<Server>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        match listener.accept().await {
            Ok((socket, peer)) => {
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                    continue;
                };
                let server = Arc::clone(server);
                tokio::spawn(async move {
                    // A peer that breaks off or talks nonsense ends its own connection only.
                    if let Ok(socket) = connection::secure(socket, server.tls.as_ref(), "").await {
                        let _ = converse(&server, socket, peer.ip()).await;
                    }
                    drop(place);
                });
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Answers one connection's requests.
async fn converse(server: &Server, mut socket: Connection, peer: IpAddr) -> io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        let head = http::read_head(&mut socket, &mut buffer);
        let Ok(Some(head)) = tokio::time::timeout(IDLE, head).await? else {
            return Ok(());
        };
        let Some(request) = Request::parse(&head) else {
            return Response::text(400, "this is no HTTP request")
                .send(&mut socket, false)
                .await;
        };
        if let Err(refusal) = server.gate.admit(&request) {
            return refusal.send(&mut socket, request.is_head()).await;
        }
        match request.path.as_str() {
            "/relay/offer" => return server.relay.offer(&request, socket).await,
            "/vm/start" => return server.vms.start(&request, peer, socket).await,
            "/vm/qmp" => return server.vms.qmp(&request, socket).await,
            "/net" => return server.net.serve(&request, socket).await,
            gate::ATTACH => return server.relay.attach(&request, socket).await,
            _ => {}
        }
        let response = match request.path.as_str() {
            "/vm" => server.vms.describe(),
            _ => server.files.answer(&request),
        };
        let response = server.gate.mark(&request, response);
        response.send(&mut socket, request.is_head()).await?;
        if request.closes() {
            return Ok(());
        }
    }
}
