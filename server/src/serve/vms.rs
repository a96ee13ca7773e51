//! Machines on the server, for pages that may have them: each a `ferrite` process of its own.
//!
//! A page opens `/vm/start?line=…` with a command line. It gets a text `{"machine":ID}`, then what the
//! serial port says as binary messages, and at the end `{"ended":TEXT}`; what it sends as binary
//! messages is typed. The machine lives as long as that connection. `/vm/qmp?machine=ID` is a QMP
//! conversation, a JSON text per message; who knows the ID may have one.
//!
//! A command line names files of the guests' folder only, and nothing of the server's network. The
//! same holds for QMP: a command that could name more (see `conversation`) is refused here.

use std::collections::HashMap;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ferrite_cli::words;
use ferrite_cli::{CommandLine, Invocation};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::connection::Connection;
use super::conversation::converse;
use super::http::{Request, Response};
use super::relay::upgrade;

/// Options that say what the machine is, and nothing about the server.
const OPTIONS: [&str; 20] = [
    "M",
    "machine",
    "cpu",
    "smp",
    "m",
    "kernel",
    "initrd",
    "append",
    "dtb",
    "bios",
    "device",
    "drive",
    "S",
    "nographic",
    "nodefaults",
    "no-reboot",
    "name",
    "uuid",
    "rtc",
    "global",
];
/// Conversations with one machine at one time.
const MONITORS: usize = 4;
/// How often a monitor that is not there yet is tried again, and the pause between.
const MONITOR_TRIES: usize = 100;
const MONITOR_PAUSE: Duration = Duration::from_millis(100);
/// Bytes that are passed on at once.
const CHUNK: usize = 16 << 10;
/// Bytes of a machine's last words.
const LAST_WORDS: u64 = 4096;

/// How many machines there may be, and how large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VmLimits {
    /// Machines at one time.
    pub machines: usize,
    /// Of those, by one address.
    pub per_client: usize,
    /// Bytes of memory of each.
    pub memory: u64,
    /// Processors of each.
    pub cpus: usize,
}

impl Default for VmLimits {
    fn default() -> Self {
        Self {
            machines: 0,
            per_client: 2,
            memory: 1 << 30,
            cpus: 4,
        }
    }
}

struct Running {
    client: IpAddr,
    /// The sockets of its monitors, and which are in use.
    monitors: Vec<(PathBuf, bool)>,
}

/// The machines.
pub struct Vms {
    limits: VmLimits,
    guests: Option<PathBuf>,
    running: Mutex<HashMap<String, Running>>,
}

impl Vms {
    /// No machines yet; `guests` is where their files are.
    #[must_use]
    pub fn new(limits: VmLimits, guests: Option<PathBuf>) -> Self {
        Self {
            limits,
            guests,
            running: Mutex::default(),
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells a page whether it can have machines here.
    pub fn describe(&self) -> Response {
        let VmLimits {
            machines,
            per_client,
            memory,
            cpus,
        } = self.limits;
        let text = json!({
            "machines": machines, "perClient": per_client, "memory": memory, "cpus": cpus,
        });
        let mut response = Response::text(200, &text.to_string());
        response.headers = vec![
            ("Content-Type", "application/json".to_owned()),
            ("Cache-Control", "no-store".to_owned()),
        ];
        response
    }

    /// Starts a machine and serves its terminal until either ends.
    pub async fn start(
        &self,
        request: &Request,
        client: IpAddr,
        mut socket: Connection,
    ) -> io::Result<()> {
        let line = request.decoded("line").unwrap_or_default();
        let guests = self.guests.as_deref();
        let args = match guests.ok_or_else(|| "this server has no guests".to_owned()) {
            Ok(guests) => checked(&line, guests, &self.limits),
            Err(why) => Err(why),
        };
        let refuse = |why: String| Response::text(403, &why);
        if request.header("sec-websocket-key").is_none() {
            // A page that was refused asks again in this way, for the words.
            let refusal = args.and_then(|_| self.room(&self.running(), client));
            let (status, why) = match refusal {
                Ok(()) => (400, "this address is a WebSocket's".to_owned()),
                Err(why) => (403, why),
            };
            return Response::text(status, &why).send(&mut socket, false).await;
        }
        let args = match args {
            Ok(args) => args,
            Err(why) => return refuse(why).send(&mut socket, false).await,
        };
        let folder = Folder::new()?;
        let monitors: Vec<_> = (0..MONITORS)
            .map(|n| folder.0.join(n.to_string()))
            .collect();
        let running = Running {
            client,
            monitors: monitors.iter().map(|path| (path.clone(), false)).collect(),
        };
        if let Err(why) = self.admit(&folder.1, running) {
            return refuse(why).send(&mut socket, false).await;
        }
        // However this ends, the machine's place is free then.
        let _place = Place(self, &folder.1);
        let (mut child, terminal) = spawn(&args, guests.unwrap_or(Path::new(".")), &monitors)?;
        let mut page = upgrade(request, socket).await?;
        let _ = page
            .send(Message::text(json!({"machine": folder.1}).to_string()))
            .await;
        let ended = pump(&mut page, terminal).await;
        // It has ended by itself, or the page has left it.
        let _ = child.0.kill();
        if ended {
            let text = json!({"ended": child.last_words()}).to_string();
            let _ = page.send(Message::text(text)).await;
        }
        let _ = page.close(None).await;
        Ok(())
    }

    fn admit(&self, id: &str, machine: Running) -> Result<(), String> {
        let mut running = self.running();
        self.room(&running, machine.client)?;
        running.insert(id.to_owned(), machine);
        Ok(())
    }

    /// Whether a client may have one more machine.
    fn room(&self, running: &HashMap<String, Running>, client: IpAddr) -> Result<(), String> {
        if running.len() >= self.limits.machines {
            return Err(match self.limits.machines {
                0 => "this server runs no machines".to_owned(),
                most => format!("this server runs {most} machines already, and no more"),
            });
        }
        let mine = running.values().filter(|r| r.client == client);
        if mine.count() >= self.limits.per_client {
            let most = self.limits.per_client;
            return Err(format!("you have {most} machines on this server already"));
        }
        Ok(())
    }

    /// Serves a QMP conversation with a machine.
    pub async fn qmp(&self, request: &Request, mut socket: Connection) -> io::Result<()> {
        let id = request.parameter("machine").unwrap_or_default();
        let taken = self.running().get_mut(id).and_then(|machine| {
            let free = machine.monitors.iter_mut().find(|(_, used)| !*used)?;
            free.1 = true;
            Some(free.0.clone())
        });
        let Some(path) = taken else {
            let text = "there is no such machine, or it talks to enough clients";
            return Response::text(403, text).send(&mut socket, false).await;
        };
        let result = match listening(&path).await {
            Ok(monitor) => match upgrade(request, socket).await {
                Ok(page) => converse(page, monitor).await,
                Err(error) => Err(error),
            },
            Err(_) => {
                let text = "the machine does not listen yet";
                Response::text(403, text).send(&mut socket, false).await
            }
        };
        if let Some(machine) = self.running().get_mut(id)
            && let Some(monitor) = machine.monitors.iter_mut().find(|(at, _)| *at == path)
        {
            monitor.1 = false;
        }
        result
    }
}

/// A machine's place among the running ones.
struct Place<'a>(&'a Vms, &'a str);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.running().remove(self.1);
    }
}

/// A folder of the machine's own for its sockets, and the machine's name.
struct Folder(PathBuf, String);

impl Folder {
    fn new() -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let mut bytes = [0; 16];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        let id: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        let path = std::env::temp_dir().join(format!("ferrite-vm-{id}"));
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path, id))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing of value is lost with it, nor without.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The process, ended when dropped.
struct Process(Child);

impl Process {
    /// What it said at its end.
    fn last_words(&mut self) -> String {
        let mut text = String::new();
        if let Some(stderr) = self.0.stderr.take() {
            // What is no text is not told.
            let _ = stderr.take(LAST_WORDS).read_to_string(&mut text);
        }
        text.trim().to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Connects to a machine's monitor, which may have to be there first.
async fn listening(path: &Path) -> io::Result<UnixStream> {
    let mut tries = 0;
    loop {
        match UnixStream::connect(path).await {
            Err(_) if tries < MONITOR_TRIES => tries += 1,
            other => return other,
        }
        tokio::time::sleep(MONITOR_PAUSE).await;
    }
}

fn spawn(
    args: &[String],
    guests: &Path,
    monitors: &[PathBuf],
) -> io::Result<(Process, UnixStream)> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(args)
        .args(["-nographic", "-serial", "stdio", "-monitor", "none"]);
    for path in monitors {
        let socket = format!("unix:{},server=on,wait=off", path.display());
        command.args(["-qmp", &socket]);
    }
    let child = command
        .current_dir(guests)
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs.try_clone()?)))
        .stdout(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
        .stderr(Stdio::piped())
        .spawn()?;
    Ok((Process(child), UnixStream::from_std(ours)?))
}

/// Carries the terminal's bytes; true if the machine ended first.
async fn pump(page: &mut WebSocketStream<Connection>, mut terminal: UnixStream) -> bool {
    let mut buffer = vec![0; CHUNK];
    loop {
        tokio::select! {
            count = terminal.read(&mut buffer) => match count {
                Ok(count @ 1..) => {
                    let message = Message::binary(buffer[..count].to_vec());
                    if page.send(message).await.is_err() {
                        return false;
                    }
                }
                _ => return true,
            },
            message = page.next() => match message {
                Some(Ok(Message::Binary(bytes))) => {
                    if terminal.write_all(&bytes).await.is_err() {
                        return true;
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return false,
                Some(Ok(_)) => {}
            },
        }
    }
}

/// The arguments of a command line, if the server lets a stranger have that machine.
fn checked(line: &str, guests: &Path, limits: &VmLimits) -> Result<Vec<String>, String> {
    let mut args = words::split(line).map_err(|error| error.to_string())?;
    if args.first().is_some_and(|word| !word.starts_with('-')) {
        args.remove(0);
    }
    let line = match ferrite_cli::parse(args.clone(), 0).map_err(|error| error.to_string())? {
        Invocation::Run(line) => line,
        Invocation::Print(text) => return Err(text),
    };
    let unwanted = |(name, _): &&(&str, String)| !OPTIONS.contains(name);
    if let Some((name, _)) = line.given.iter().find(unwanted) {
        return Err(format!("-{name} is not for machines on this server"));
    }
    if line.machine.dump_dtb.is_some() {
        return Err("dumpdtb is not for machines on this server".to_owned());
    }
    if line.machine.ram > limits.memory {
        let most = limits.memory >> 20;
        return Err(format!(
            "-m: machines on this server have at most {most} MiB"
        ));
    }
    if line.machine.cpus > limits.cpus {
        let most = limits.cpus;
        return Err(format!(
            "-smp: machines on this server have at most {most} processors"
        ));
    }
    if let Some(drive) = line.drives.iter().find(|drive| !drive.read_only) {
        let file = drive.file.display();
        return Err(format!(
            "{file}: disks on this server are for reading (readonly=on)"
        ));
    }
    for file in files(&line) {
        let found = super::files::below(guests, &file.to_string_lossy());
        if !found.is_some_and(|path| path.is_file()) {
            return Err(format!(
                "{}: there is no such guest on this server",
                file.display()
            ));
        }
    }
    Ok(args)
}

fn files(line: &CommandLine) -> impl Iterator<Item = &Path> {
    let whole = [&line.kernel, &line.initrd, &line.dtb, &line.bios];
    let disks = line.drives.iter().map(|drive| drive.file.as_path());
    whole
        .into_iter()
        .flatten()
        .map(PathBuf::as_path)
        .chain(disks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_gets_guests_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("Image"), "x").unwrap();
        let limits = VmLimits::default();
        let check = |line: &str| checked(line, folder.path(), &limits);
        assert!(check("ferrite -M virt -kernel Image -m 512 -smp 2 -nographic").is_ok());
        assert!(check("-M virt -drive file=Image,readonly=on,format=raw").is_ok());
        for (line, why) in [
            ("-kernel /etc/passwd", "/etc/passwd"),
            ("-kernel ../Image", "../Image"),
            ("-kernel Other", "Other"),
            ("-m 2G", "1024 MiB"),
            ("-smp 5", "4 processors"),
            ("-drive file=Image,format=raw", "readonly=on"),
            ("-netdev user,id=n", "-netdev"),
            ("-chardev file,id=c,path=x", "-chardev"),
            ("-qmp unix:x,server=on", "-qmp"),
            ("-fsdev local,id=f,path=/,security_model=none", "-fsdev"),
            ("-D /tmp/x", "-D"),
            ("-M virt,dumpdtb=x", "dumpdtb"),
            ("-append 'x", "quote"),
            ("-help", ""),
        ] {
            let refusal = check(line).unwrap_err();
            assert!(refusal.contains(why), "{line}: {refusal}");
        }
    }

    #[test]
    fn machines_are_counted_by_client_and_in_all() {
        let limits = VmLimits {
            machines: 3,
            ..VmLimits::default()
        };
        let vms = Vms::new(limits, None);
        let machine = |client: u8| Running {
            client: IpAddr::from([127, 0, 0, client]),
            monitors: Vec::new(),
        };
        assert!(vms.admit("a", machine(1)).is_ok());
        assert!(vms.admit("b", machine(1)).is_ok());
        assert!(
            vms.admit("c", machine(1))
                .unwrap_err()
                .contains("you have 2")
        );
        assert!(vms.admit("c", machine(2)).is_ok());
        assert!(
            vms.admit("d", machine(3))
                .unwrap_err()
                .contains("3 machines")
        );
        drop(Place(&vms, "a"));
        assert!(vms.admit("d", machine(3)).is_ok());
        assert!(
            Vms::new(VmLimits::default(), None)
                .admit("a", machine(1))
                .is_err()
        );
    }
}
