//! Command-line options and their parameters, for `query-command-line-options`.

use ferrite_qmp::schema::{
    CommandLineOptionInfo, CommandLineParameterInfo, CommandLineParameterType,
};

use CommandLineParameterType::{Boolean, Number, Size, String as Text};

type Parameters = &'static [(&'static str, CommandLineParameterType)];

/// Options by the names that QEMU gives their groups. Those of `device`, `netdev` and `object`
/// depend on what is made, and are told by other commands.
const OPTIONS: &[(&str, Parameters)] = &[
    ("accel", &[("accel", Text), ("thread", Text)]),
    ("audiodev", &[]),
    ("boot-opts", &[("strict", Boolean)]),
    (
        "chardev",
        &[
            ("backend", Text),
            ("path", Text),
            ("host", Text),
            ("port", Text),
            ("fd", Text),
            ("server", Boolean),
            ("wait", Boolean),
            ("websocket", Boolean),
            ("nodelay", Boolean),
            ("delay", Boolean),
            ("ipv4", Boolean),
            ("ipv6", Boolean),
            ("mux", Boolean),
            ("signal", Boolean),
            ("size", Size),
            ("append", Boolean),
        ],
    ),
    ("device", &[]),
    (
        "drive",
        &[
            ("file", Text),
            ("if", Text),
            ("format", Text),
            ("id", Text),
            ("readonly", Boolean),
        ],
    ),
    (
        "fsdev",
        &[
            ("fsdriver", Text),
            ("path", Text),
            ("security_model", Text),
            ("readonly", Boolean),
        ],
    ),
    (
        "global",
        &[("driver", Text), ("property", Text), ("value", Text)],
    ),
    (
        "machine",
        &[
            ("type", Text),
            ("accel", Text),
            ("gic-version", Text),
            ("virtualization", Boolean),
            ("secure", Boolean),
            ("mte", Boolean),
            ("usb", Boolean),
            ("graphics", Boolean),
            ("its", Boolean),
            ("ras", Boolean),
            ("acpi", Boolean),
            ("dump-guest-core", Boolean),
            ("memory-backend", Text),
            ("iommu", Text),
        ],
    ),
    ("memory", &[("size", Size)]),
    (
        "mon",
        &[("mode", Text), ("chardev", Text), ("pretty", Boolean)],
    ),
    ("msg", &[("timestamp", Boolean)]),
    ("name", &[("guest", Text), ("debug-threads", Boolean)]),
    ("netdev", &[]),
    ("nic", &[]),
    ("object", &[]),
    ("overcommit", &[("mem-lock", Boolean), ("cpu-pm", Boolean)]),
    (
        "rtc",
        &[("base", Text), ("clock", Text), ("driftfix", Text)],
    ),
    (
        "smp-opts",
        &[
            ("cpus", Number),
            ("sockets", Number),
            ("dies", Number),
            ("clusters", Number),
            ("cores", Number),
            ("threads", Number),
            ("maxcpus", Number),
        ],
    ),
    (
        "virtfs",
        &[
            ("fsdriver", Text),
            ("path", Text),
            ("mount_tag", Text),
            ("security_model", Text),
            ("readonly", Boolean),
        ],
    ),
];

/// All of them.
pub fn list() -> Vec<CommandLineOptionInfo> {
    let parameter = |&(name, kind): &(&str, CommandLineParameterType)| CommandLineParameterInfo {
        name: name.into(),
        r#type: kind,
        help: None,
        default: None,
    };
    let option = |&(name, parameters): &(&str, Parameters)| CommandLineOptionInfo {
        option: name.into(),
        parameters: parameters.iter().map(parameter).collect(),
    };
    OPTIONS.iter().map(option).collect()
}
