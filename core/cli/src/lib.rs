//! The command line: QEMU's options, for what Ferrite has.
//!
//! [`options`] is the table of options; the other modules read the arguments of related ones. An
//! option or key that is not known is an error that names it: nothing is ignored.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types))]

pub mod block;
pub mod chardev;
pub mod descriptor;
pub mod device;
pub mod fw_cfg;
pub mod keyval;
pub mod machine;
pub mod net;
pub mod object;
pub mod options;
pub mod words;

use std::path::PathBuf;

use ferrite_aarch64::log::LogItems;
use ferrite_vm::machine::PanicAction;

use self::block::DriveSpec;
use self::chardev::{CharTarget, ChardevSpec};
use self::descriptor::DescriptorSpec;
use self::device::{DRIVERS, DeviceSpec, FsdevSpec, RngSpec};
use self::fw_cfg::FwCfgSpec;
use self::keyval::KeyVal;
use self::machine::MachineOptions;
use self::net::{NetdevSpec, NicSpec};
use self::object::ObjectSpec;

/// A command line that cannot be obeyed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CliError {
    /// An option that is not there, or lacks its argument.
    #[error(transparent)]
    Usage(#[from] options::UsageError),
    /// An argument that does not fit.
    #[error(transparent)]
    Arg(#[from] keyval::ArgError),
    /// A machine that Ferrite does not have.
    #[error(
        "-M {0}: unsupported machine type '{0}' (use -machine help to list supported machines)"
    )]
    UnknownMachine(String),
    /// A device that Ferrite does not have.
    #[error("-device {0}: '{0}' is not a valid device model name (use -device help to list them)")]
    UnknownDevice(String),
    /// A property that cannot be set globally.
    #[error("-global {0}: only virtio-mmio.force-legacy=on|off is supported")]
    UnknownGlobal(String),
    /// A property of CPUs that is not written as one.
    #[error("-cpu: {0}")]
    Cpu(String),
    /// A wrong number of CPUs.
    #[error("-smp {0}: {1}")]
    Smp(String, String),
    /// No RAM at all.
    #[error("-m {0}: a machine needs some memory")]
    ZeroMemory(String),
    /// A malformed UUID.
    #[error("-uuid {0}: failed to parse UUID string: wrong format")]
    Uuid(String),
    /// A log item that Ferrite does not have.
    #[error("-d {0}: unknown log item '{1}' (use -d help to list them)")]
    LogItem(String, String),
    /// Two things of one name.
    #[error("-{what}: Duplicate ID '{id}' for {what}")]
    Duplicate {
        /// Kind of thing.
        what: &'static str,
        /// The name.
        id: String,
    },
}

/// How a monitor speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MonitorMode {
    /// QMP.
    Control,
    /// The human monitor.
    Readline,
}

/// Everything that a command line says.
#[derive(Debug, Default)]
pub struct CommandLine {
    /// The machine itself.
    pub machine: MachineOptions,
    /// `-kernel`.
    pub kernel: Option<PathBuf>,
    /// `-initrd`.
    pub initrd: Option<PathBuf>,
    /// `-append`.
    pub append: Option<String>,
    /// `-dtb`.
    pub dtb: Option<PathBuf>,
    /// `-bios`.
    pub bios: Option<PathBuf>,
    /// `-fw_cfg`.
    pub fw_cfg: Vec<FwCfgSpec>,
    /// `-drive`, `-hda` and bare images.
    pub drives: Vec<DriveSpec>,
    /// `-blockdev`.
    pub nodes: Vec<DriveSpec>,
    /// `-device` and `-virtfs`.
    pub devices: Vec<DeviceSpec>,
    /// `-netdev`.
    pub netdevs: Vec<NetdevSpec>,
    /// `-nic`.
    pub nics: Vec<NicSpec>,
    /// `-fsdev` and `-virtfs`.
    pub fsdevs: Vec<FsdevSpec>,
    /// `-object rng-random`.
    pub rngs: Vec<RngSpec>,
    /// `-object`.
    pub objects: Vec<ObjectSpec>,
    /// `-add-fd`.
    pub descriptors: Vec<DescriptorSpec>,
    /// `-chardev`.
    pub chardevs: Vec<ChardevSpec>,
    /// `-serial`, in order.
    pub serials: Vec<CharTarget>,
    /// `-qtest`.
    pub qtest: Option<CharTarget>,
    /// `-qtest-log`.
    pub qtest_log: Option<PathBuf>,
    /// `-monitor`, `-qmp` and `-mon`.
    pub monitors: Vec<(CharTarget, MonitorMode)>,
    /// `-global virtio-mmio.force-legacy`; QEMU's default is on.
    pub virtio_legacy: Option<bool>,
    /// `-S`.
    pub stopped: bool,
    /// `-nographic`.
    pub nographic: bool,
    /// `-nodefaults`.
    pub nodefaults: bool,
    /// `-no-reboot`.
    pub no_reboot: bool,
    /// `-no-shutdown`.
    pub no_shutdown: bool,
    /// `-action panic=…`.
    pub panic: PanicAction,
    /// `-name`.
    pub name: Option<String>,
    /// `-pidfile`.
    pub pidfile: Option<PathBuf>,
    /// `-daemonize`.
    pub daemonize: bool,
    /// `-d`.
    pub log: LogItems,
    /// `-preconfig`.
    pub preconfig: bool,
    /// `-perfmap`.
    pub perf_map: bool,
    /// `-trace`: names of trace points, in which `*` stands for anything.
    pub trace: Vec<String>,
    /// `-trace events=`: a file of such names, one a line.
    pub trace_events: Option<PathBuf>,
    /// `-trace file=`.
    pub trace_file: Option<PathBuf>,
    /// `-D`.
    pub log_file: Option<PathBuf>,
    /// Every option with its argument, in order, to be named in messages.
    pub given: Vec<(&'static str, String)>,
}

/// What a command line asks for.
#[derive(Debug)]
pub enum Invocation {
    /// Run a machine.
    Run(Box<CommandLine>),
    /// Print a text and leave.
    Print(String),
}

/// Log items of `-d`.
pub const LOG_ITEMS: &[(&str, LogItems, &str)] = &[
    (
        "in_asm",
        LogItems::IN_ASM,
        "guest instructions, when they are translated",
    ),
    ("op", LogItems::OP, "their intermediate representation"),
    ("op_opt", LogItems::OP_OPT, "the same, optimised"),
    (
        "out_asm",
        LogItems::OUT_ASM,
        "host code, in bytes, when it is made",
    ),
    ("int", LogItems::INT, "exceptions, when they are taken"),
];

/// Reads a command line. `wall_ns` is the host's time of day, for `-rtc`.
pub fn parse(args: impl IntoIterator<Item = String>, wall_ns: u64) -> Result<Invocation, CliError> {
    let mut line = CommandLine::default();
    for (name, argument) in options::split(args)? {
        if let Some(text) = information(name, &argument) {
            return Ok(Invocation::Print(text));
        }
        line.given.push((name, argument.clone()));
        line.option(name, argument, wall_ns)?;
    }
    line.check_names()?;
    Ok(Invocation::Run(Box::new(line)))
}

/// Texts that options print instead of running a machine.
fn information(name: &str, argument: &str) -> Option<String> {
    let asks = argument == "help" || argument == "?";
    Some(match name {
        "h" | "help" => options::help(),
        "version" => format!(
            "Ferrite {} (QEMU 10.0 compatible)\n",
            env!("CARGO_PKG_VERSION")
        ),
        "M" | "machine" if asks => {
            "Supported machines are:\nnone                 empty machine\nvirt                 Arm virtual machine (default)\n"
                .to_owned()
        }
        "cpu" if asks => {
            "Available CPUs:\n  cortex-a53\n  cortex-a57\n  cortex-a72\n  max\n".to_owned()
        }
        "accel" if asks => "Accelerators supported in this binary:\nqtest\ntcg\n".to_owned(),
        "device" if asks => DRIVERS
            .iter()
            .map(|driver| {
                let alias = driver.alias.map(|a| format!(", alias \"{a}\""));
                format!(
                    "name \"{}\", bus {}{}, {}\n",
                    driver.name,
                    driver.bus,
                    alias.unwrap_or_default(),
                    driver.help
                )
            })
            .collect(),
        "trace" if asks => ferrite_machine::trace::POINTS
            .iter()
            .map(|row| format!("{}\n", row.name))
            .collect(),
        "d" if asks => LOG_ITEMS
            .iter()
            .map(|(name, _, help)| format!("{name:<15} {help}\n"))
            .collect(),
        _ => return None,
    })
}

impl CommandLine {
    /// Option number `nth` of those that have one of these names, as it was given: what a message
    /// about it starts with. Without such an option, the first name alone.
    #[must_use]
    pub fn nth_given(&self, names: &[&str], nth: usize) -> String {
        let mut of_them = self.given.iter().filter(|(name, _)| names.contains(name));
        Self::text(of_them.nth(nth), names.first())
    }

    /// The last option of that name as it was given, which is the one that counts.
    #[must_use]
    pub fn last_given(&self, name: &str) -> String {
        let last = self.given.iter().rfind(|(given, _)| *given == name);
        Self::text(last, Some(&name))
    }

    fn text(given: Option<&(&'static str, String)>, name: Option<&&str>) -> String {
        match given {
            Some((name, argument)) => format!("-{name} {argument}").trim_end().to_owned(),
            None => format!("-{}", name.unwrap_or(&"")),
        }
    }

    fn option(
        &mut self,
        name: &'static str,
        argument: String,
        wall_ns: u64,
    ) -> Result<(), CliError> {
        match name {
            "M" | "machine" => self.machine.machine(&argument)?,
            "accel" => self.machine.accel(&argument)?,
            "cpu" => self.machine.cpu(&argument)?,
            "smp" => self.machine.smp(&argument)?,
            "m" => self.machine.memory(&argument)?,
            "uuid" => self.machine.uuid(&argument)?,
            "rtc" => self.machine.rtc(&argument, wall_ns)?,
            "kernel" => self.kernel = Some(argument.into()),
            "initrd" => self.initrd = Some(argument.into()),
            "append" => self.append = Some(argument),
            "dtb" => self.dtb = Some(argument.into()),
            "bios" => self.bios = Some(argument.into()),
            "fw_cfg" => self.fw_cfg.push(FwCfgSpec::parse(&argument)?),
            "drive" => self
                .drives
                .push(DriveSpec::drive(&argument, self.drives.len())?),
            "hda" => self
                .drives
                .push(DriveSpec::bare(&argument, self.drives.len())),
            "blockdev" => self
                .nodes
                .push(DriveSpec::blockdev(&argument, &self.nodes)?),
            "device" => self.devices.push(DeviceSpec::parse(&argument)?),
            "netdev" => self.netdevs.push(NetdevSpec::parse(&argument)?),
            "nic" => self.nics.extend(net::nic(&argument, self.nics.len())?),
            "net" => KeyVal::parse("net", &argument, "type")?.accept("type", &["none"])?,
            "virtfs" => {
                let (fsdev, device) = device::virtfs(&argument, self.fsdevs.len())?;
                self.fsdevs.push(fsdev);
                self.devices.push(device);
            }
            "fsdev" => self.fsdevs.push(FsdevSpec::parse(&argument)?),
            "add-fd" => self.descriptors.push(DescriptorSpec::parse(&argument)?),
            "object" => {
                let object = ObjectSpec::parse(&argument)?;
                if object.kind == "rng-random" {
                    self.rngs.push(RngSpec::parse(&argument)?);
                }
                self.objects.push(object);
            }
            "global" => self.virtio_legacy = Some(device::global(&argument)?),
            _ => self.host_option(name, argument)?,
        }
        Ok(())
    }

    /// Options about the process and its connections rather than the machine.
    fn host_option(&mut self, name: &'static str, argument: String) -> Result<(), CliError> {
        match name {
            "chardev" => self.chardevs.push(ChardevSpec::parse(&argument)?),
            "serial" => self.serials.push(CharTarget::parse("serial", &argument)?),
            "monitor" => self.monitors.push((
                CharTarget::parse("monitor", &argument)?,
                MonitorMode::Readline,
            )),
            "qmp" => self
                .monitors
                .push((CharTarget::parse("qmp", &argument)?, MonitorMode::Control)),
            "qtest" => self.qtest = Some(CharTarget::parse("qtest", &argument)?),
            "qtest-log" => self.qtest_log = Some(argument.into()),
            "mon" => self.mon(&argument)?,
            "S" => self.stopped = true,
            "nographic" => self.nographic = true,
            "nodefaults" => self.nodefaults = true,
            "no-reboot" => self.no_reboot = true,
            "no-shutdown" => self.no_shutdown = true,
            "action" => self.action(&argument)?,
            "daemonize" => self.daemonize = true,
            "display" => KeyVal::parse("display", &argument, "type")?.accept("type", &["none"])?,
            // Management tools say these always; only what changes nothing here is accepted.
            "audiodev" => {
                let mut kv = KeyVal::parse("audiodev", &argument, "driver")?;
                kv.accept("driver", &["none"])?;
                kv.take("id");
                kv.finish()?;
            }
            "boot" => {
                let mut kv = KeyVal::parse("boot", &argument, "order")?;
                kv.accept("strict", &["on", "off"])?;
                kv.accept("menu", &["off"])?;
                kv.finish()?;
            }
            "overcommit" => {
                let mut kv = KeyVal::parse("overcommit", &argument, "")?;
                kv.accept("mem-lock", &["off"])?;
                kv.accept("cpu-pm", &["off"])?;
                kv.finish()?;
            }
            "msg" => {
                let mut kv = KeyVal::parse("msg", &argument, "")?;
                kv.accept("timestamp", &["on", "off"])?;
                kv.accept("guest-name", &["off"])?;
                kv.finish()?;
            }
            "audio" => KeyVal::parse("audio", &argument, "driver")?.accept("driver", &["none"])?,
            "name" => {
                let mut kv = KeyVal::parse("name", &argument, "guest")?;
                self.name = kv.take("guest");
                kv.accept("debug-threads", &["on", "off"])?;
                kv.finish()?;
            }
            "pidfile" => self.pidfile = Some(argument.into()),
            "preconfig" => self.preconfig = true,
            "perfmap" => self.perf_map = true,
            "trace" => {
                let mut kv = KeyVal::parse("trace", &argument, "enable")?;
                self.trace.extend(kv.take_all("enable"));
                self.trace_events = kv
                    .take("events")
                    .map(PathBuf::from)
                    .or(self.trace_events.take());
                self.trace_file = kv
                    .take("file")
                    .map(PathBuf::from)
                    .or(self.trace_file.take());
                kv.finish()?;
            }
            "d" => self.log(&argument)?,
            "D" => self.log_file = Some(argument.into()),
            // What remains of the table changes nothing: there are no configuration files.
            _ => {}
        }
        Ok(())
    }

    fn mon(&mut self, argument: &str) -> Result<(), CliError> {
        let mut kv = KeyVal::parse("mon", argument, "chardev")?;
        let chardev = kv.require("chardev")?;
        let mode = match kv.take("mode").as_deref() {
            None | Some("readline") => MonitorMode::Readline,
            Some("control") => MonitorMode::Control,
            Some(_) => return Err(kv.invalid("mode", "'readline' or 'control'").into()),
        };
        kv.accept("pretty", &["off"])?;
        // Nothing speaks of a monitor by its name.
        kv.take("id");
        kv.finish()?;
        self.monitors.push((CharTarget::Existing(chardev), mode));
        Ok(())
    }

    /// `-action`: what is absent stays as it is.
    fn action(&mut self, argument: &str) -> Result<(), CliError> {
        let mut kv = KeyVal::parse("action", argument, "")?;
        match kv.take("reboot").as_deref() {
            None => {}
            Some("reset") => self.no_reboot = false,
            Some("shutdown") => self.no_reboot = true,
            Some(_) => return Err(kv.invalid("reboot", "'reset' or 'shutdown'").into()),
        }
        match kv.take("shutdown").as_deref() {
            None => {}
            Some("poweroff") => self.no_shutdown = false,
            Some("pause") => self.no_shutdown = true,
            Some(_) => return Err(kv.invalid("shutdown", "'poweroff' or 'pause'").into()),
        }
        self.panic = match kv.take("panic").as_deref() {
            None => self.panic,
            Some("pause") => PanicAction::Pause,
            Some("shutdown") => PanicAction::Shutdown,
            Some("exit-failure") => PanicAction::ExitFailure,
            Some("none") => PanicAction::None,
            Some(_) => {
                let known = "'pause', 'shutdown', 'exit-failure' or 'none'";
                return Err(kv.invalid("panic", known).into());
            }
        };
        kv.finish()?;
        Ok(())
    }

    fn log(&mut self, argument: &str) -> Result<(), CliError> {
        for item in argument.split(',').filter(|item| !item.is_empty()) {
            let known = LOG_ITEMS.iter().find(|(name, _, _)| *name == item);
            let unknown = || CliError::LogItem(argument.to_owned(), item.to_owned());
            self.log |= known.ok_or_else(unknown)?.1;
        }
        Ok(())
    }

    /// No two things of a kind share a name.
    fn check_names(&self) -> Result<(), CliError> {
        let blocks = self.drives.iter().chain(&self.nodes).map(|d| &d.id);
        unique("drive", blocks)?;
        unique("chardev", self.chardevs.iter().map(|c| &c.id))?;
        unique(
            "netdev",
            self.netdevs
                .iter()
                .map(|n| &n.id)
                .chain(self.nics.iter().map(|n| &n.netdev.id)),
        )?;
        unique("fsdev", self.fsdevs.iter().map(|f| &f.id))?;
        unique("object", self.objects.iter().map(|o| &o.id))?;
        unique("device", self.devices.iter().filter_map(|d| d.id.as_ref()))
    }
}

fn unique<'a>(what: &'static str, ids: impl Iterator<Item = &'a String>) -> Result<(), CliError> {
    let mut seen = std::collections::BTreeSet::new();
    for id in ids {
        if !seen.insert(id) {
            return Err(CliError::Duplicate {
                what,
                id: id.clone(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Result<Box<CommandLine>, CliError> {
        match parse(text.split_whitespace().map(str::to_owned), 0)? {
            Invocation::Run(line) => Ok(line),
            Invocation::Print(text) => panic!("{text}"),
        }
    }

    #[test]
    fn a_whole_line() {
        let line = line(
            "-M virt,gic-version=3 -cpu cortex-a57 -smp 2 -m 1G -kernel k -initrd i -nographic -nodefaults \
             -chardev socket,id=c,path=/tmp/q,server=on,wait=off -mon chardev=c,mode=control \
             -drive if=none,file=d.img,id=d0,format=raw -device virtio-blk-device,drive=d0",
        );
        let line = line.unwrap();
        assert_eq!((line.machine.cpus, line.machine.ram), (2, 1 << 30));
        assert_eq!(
            line.monitors,
            [(CharTarget::Existing("c".into()), MonitorMode::Control)]
        );
    }

    #[test]
    fn options_are_found_as_they_were_given() {
        let line = line("-device virtio-rng-device -S -m 1G -device virtio-rng-device,id=x -m 2G");
        let line = line.unwrap();
        assert_eq!(
            line.nth_given(&["virtfs", "device"], 1),
            "-device virtio-rng-device,id=x"
        );
        assert_eq!(line.last_given("m"), "-m 2G");
        assert_eq!(line.last_given("S"), "-S");
        assert_eq!(line.last_given("cpu"), "-cpu");
    }

    #[test]
    fn refusals_name_the_culprit() {
        for (text, culprit) in [
            ("-m 0", "-m 0:"),
            ("-smp 0", "-smp 0:"),
            ("-smp 4,sockets=3", "-smp 4,sockets=3:"),
            ("-M pc", "-M pc:"),
            ("-enable-kvm", "-enable-kvm"),
            ("-M virt,nonsense=on", "nonsense"),
            ("-drive file=a,id=x -drive file=b,id=x", "'x'"),
            ("-device rtl8139", "rtl8139"),
            ("-d nonsense", "nonsense"),
        ] {
            let error = line(text).unwrap_err().to_string();
            assert!(error.contains(culprit), "{text}: {error}");
        }
    }
}
