//! The table of command-line options, and the first pass over the arguments.

/// An option: its name, what its argument is called (empty: none), and its line of help.
pub struct OptionRow {
    /// Without the dash.
    pub name: &'static str,
    /// The argument's form; empty for a flag.
    pub argument: &'static str,
    /// What it does.
    pub help: &'static str,
}

const fn row(name: &'static str, argument: &'static str, help: &'static str) -> OptionRow {
    OptionRow {
        name,
        argument,
        help,
    }
}

/// Every option that Ferrite takes, in the order of the help text.
pub const OPTIONS: &[OptionRow] = &[
    row("h", "", "print this help and leave"),
    row("help", "", "print this help and leave"),
    row("version", "", "print the version and leave"),
    row(
        "M",
        "virt[,gic-version=2|3][,memory-backend=ID][,dumpdtb=FILE]",
        "choose the machine ('help' lists them)",
    ),
    row("machine", "virt[,gic-version=2|3]", "the same as -M"),
    row(
        "accel",
        "tcg[,backend=interp|x64|cranelift|wasm][,thread=single|multi][,tb-size=MiB]|qtest",
        "choose how the CPUs run",
    ),
    row("cpu", "MODEL", "choose the CPU model ('help' lists them)"),
    row(
        "smp",
        "[cpus=]N[,sockets=S][,cores=C][,threads=T][,maxcpus=N]",
        "set the number of CPUs",
    ),
    row(
        "m",
        "[size=]MEGABYTES",
        "set the size of RAM; suffixes M and G",
    ),
    row(
        "kernel",
        "FILE",
        "start this kernel: Image, gzip'd, EFI zboot, ELF, or a program of bare words",
    ),
    row("initrd", "FILE", "give the kernel this initial RAM disk"),
    row("append", "TEXT", "give the kernel this command line"),
    row(
        "dtb",
        "FILE",
        "use this device tree instead of the board's own",
    ),
    row(
        "bios",
        "FILE",
        "put this firmware into the first flash bank",
    ),
    row(
        "fw_cfg",
        "[name=]NAME,file=FILE|string=TEXT",
        "give firmware and guest this file of the firmware configuration",
    ),
    row(
        "drive",
        "file=FILE[,if=virtio|none|pflash][,format=raw][,id=ID][,readonly=on|off]",
        "add a disk",
    ),
    row(
        "blockdev",
        "driver=raw|file,node-name=NAME,…",
        "add a block node",
    ),
    row("hda", "FILE", "add a virtio disk"),
    row(
        "device",
        "DRIVER[,drive=ID][,netdev=ID][,chardev=ID][,bus=BUS]…",
        "add a device ('help' lists them)",
    ),
    row(
        "netdev",
        "user,id=ID[,hostfwd=RULE]…",
        "add a network back end",
    ),
    row(
        "nic",
        "user|none[,model=virtio-net-device]…",
        "add a network device and its back end",
    ),
    row("net", "none", "no default network (there is none)"),
    row(
        "virtfs",
        "local,path=DIR,mount_tag=TAG,security_model=none[,readonly=on]",
        "share a folder by 9p",
    ),
    row(
        "fsdev",
        "local,id=ID,path=DIR,security_model=none[,readonly=on]",
        "add a folder for virtio-9p-device",
    ),
    row(
        "object",
        "rng-random|memory-backend-ram|memory-backend-file|iothread|secret|tls-creds-x509,id=ID,…",
        "add an object",
    ),
    row(
        "add-fd",
        "set=N,fd=N[,opaque=TEXT]",
        "a descriptor that the process was started with: a file at /dev/fdset/N",
    ),
    row(
        "chardev",
        "BACKEND,id=ID,…",
        "add a character back end: null, stdio, file, pty, socket, ringbuf, testdev",
    ),
    row(
        "serial",
        "DEV",
        "connect the serial port: stdio, mon:stdio, null, none, file:, unix:, tcp:, pty, chardev:",
    ),
    row("monitor", "DEV", "connect a human monitor; none for none"),
    row(
        "qmp",
        "DEV",
        "connect a QMP monitor: stdio, unix:PATH,server=on,wait=off, tcp:HOST:PORT,…[,websocket=on]",
    ),
    row(
        "qtest",
        "DEV",
        "connect a test tool that speaks QEMU's qtest protocol",
    ),
    row(
        "qtest-log",
        "FILE",
        "where what a test tool says is noted instead of the error output; none for nowhere",
    ),
    row(
        "mon",
        "[chardev=]ID[,mode=control|readline]",
        "connect a monitor to a chardev",
    ),
    row(
        "global",
        "DRIVER.PROPERTY=VALUE",
        "set a property's default (virtio-mmio.force-legacy)",
    ),
    row("S", "", "do not start the CPUs"),
    row("nographic", "", "serial port and monitor on this terminal"),
    row("nodefaults", "", "no default devices and monitors"),
    row(
        "no-user-config",
        "",
        "accepted: there are no configuration files",
    ),
    row("display", "none", "no display"),
    row("audio", "none", "no sound"),
    row("audiodev", "none,id=ID", "accepted: there is no sound"),
    row(
        "boot",
        "strict=on|off",
        "accepted: the board starts what it is given",
    ),
    row(
        "overcommit",
        "[mem-lock=off][,cpu-pm=off]",
        "accepted: memory is not locked, and idle CPUs sleep",
    ),
    row(
        "msg",
        "timestamp=on|off",
        "accepted: messages carry no time",
    ),
    row("no-reboot", "", "leave instead of rebooting"),
    row(
        "no-shutdown",
        "",
        "stop instead of leaving when the guest powers off",
    ),
    row(
        "action",
        "reboot=reset|shutdown,shutdown=poweroff|pause,panic=pause|shutdown|exit-failure|none",
        "choose what is done when the guest resets or powers off the machine, or panics",
    ),
    row(
        "rtc",
        "[base=utc|localtime|DATE][,clock=host|rt|vm]",
        "set the real-time clock",
    ),
    row("name", "[guest=]NAME", "name the guest"),
    row("uuid", "UUID", "set the machine's UUID"),
    row("pidfile", "FILE", "write the process number there"),
    row(
        "daemonize",
        "",
        "go to the background once everything listens",
    ),
    row(
        "preconfig",
        "",
        "wait for the QMP command x-exit-preconfig before making the machine",
    ),
    row("no-acpi", "", "accepted: there is no ACPI"),
    row(
        "trace",
        "[[enable=]PATTERN][,events=FILE][,file=FILE]",
        "turn on trace points ('help' lists them); a file named *.json is for trace viewers",
    ),
    row(
        "d",
        "ITEM,…",
        "log translations or exceptions ('help' lists them)",
    ),
    row(
        "perfmap",
        "",
        "name host code for perf in /tmp/perf-PID.map",
    ),
    row(
        "D",
        "FILE",
        "where the log goes instead of the error output",
    ),
];

/// The arguments, split into options and their raw argument, in order.
pub fn split(
    args: impl IntoIterator<Item = String>,
) -> Result<Vec<(&'static str, String)>, UsageError> {
    let mut args = args.into_iter();
    let mut out = Vec::new();
    while let Some(arg) = args.next() {
        let Some(name) = arg
            .strip_prefix("--")
            .or_else(|| arg.strip_prefix('-'))
            .filter(|n| !n.is_empty())
        else {
            // As with QEMU, a bare word is a disk image.
            out.push(("hda", arg));
            continue;
        };
        let row = OPTIONS
            .iter()
            .find(|row| row.name == name)
            .ok_or_else(|| UsageError::Unknown(arg.clone()))?;
        let argument = match row.argument {
            "" => String::new(),
            _ => args.next().ok_or(UsageError::NeedsArgument(row.name))?,
        };
        out.push((row.name, argument));
    }
    Ok(out)
}

/// A command line that cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UsageError {
    /// An option that is not in the table.
    #[error("{0}: invalid option (try -help)")]
    Unknown(String),
    /// An option without its argument.
    #[error("-{0}: requires an argument")]
    NeedsArgument(&'static str),
}

/// The help text.
#[must_use]
pub fn help() -> String {
    let mut text = String::from("usage: ferrite [options] [disk_image]\n\n");
    for row in OPTIONS {
        let left = format!("-{} {}", row.name, row.argument);
        text.push_str(&format!("{left:<60} {}\n", row.help));
    }
    text.push_str("\nOn the terminal, Ctrl-A x leaves, Ctrl-A c switches between serial port and monitor,\nCtrl-A h tells more.\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn options_take_their_arguments() {
        let split = split(words("-M virt --m 1G -S disk.img")).unwrap();
        let expected = [("M", "virt"), ("m", "1G"), ("S", ""), ("hda", "disk.img")];
        assert_eq!(split, expected.map(|(n, a)| (n, a.to_owned())));
    }

    #[test]
    fn what_is_not_there_is_named() {
        assert_eq!(
            split(words("-enable-kvm")),
            Err(UsageError::Unknown("-enable-kvm".into()))
        );
        assert_eq!(split(words("-m")), Err(UsageError::NeedsArgument("m")));
    }

    #[test]
    fn names_are_unique() {
        for (n, row) in OPTIONS.iter().enumerate() {
            assert!(
                OPTIONS[..n].iter().all(|other| other.name != row.name),
                "{}",
                row.name
            );
        }
    }
}
