// The types of QMP: `cargo xtask reference` writes this file from the schema in core/qmp/schema.

/** An object without members. */
export type Nothing = Record<string, never>;

/** What the guest last reported of a slot by `_OST`. */
export interface ACPIOSTInfo {
  /** The device in it. */
  device?: string;
  /** The slot. */
  slot: string;
  /** Its kind. */
  "slot-type": ACPISlotType;
  /** The report's event. */
  source: number;
  /** The report's status. */
  status: number;
}

/** What ACPI plugs into. */
export type ACPISlotType =
  /** Memory. */
  | "DIMM"
  /** A processor. */
  | "CPU";

/** Ways to run guest code. */
export type Accelerator =
  /** Translation to host code. */
  | "tcg";

/** The accelerators. */
export interface AcceleratorInfo {
  /** The one in use. */
  enabled: Accelerator;
  /** All that are built in. */
  present: Accelerator[];
}

/** A file descriptor that was added to a set. */
export interface AddfdInfo {
  /** The set. */
  "fdset-id": number;
  /** The descriptor's number in the emulator. */
  fd: number;
}

/** How much memory the balloon leaves to the guest. */
export interface BalloonInfo {
  /** How many bytes. */
  actual: number;
}

/** A medium in a drive. */
export interface BlockDeviceInfo {
  /** Where its image is. */
  file: string;
  /** The node's name. */
  "node-name"?: string;
  /** Whether it is in use, rather than left to another process that has it open. */
  active: boolean;
  /** Whether it cannot be written. */
  ro: boolean;
  /** The driver. */
  drv: string;
  /** The image below it. */
  backing_file?: string;
  /** How many images are below it. */
  backing_file_depth: number;
  /** Whether it is encrypted. */
  encrypted: boolean;
  /** Whether writes of zeros are recognised. */
  detect_zeroes: BlockdevDetectZeroesOptions;
  /** Limit of bytes per second; 0 is none. */
  bps: number;
  /** Limit of bytes read per second. */
  bps_rd: number;
  /** Limit of bytes written per second. */
  bps_wr: number;
  /** Limit of accesses per second. */
  iops: number;
  /** Limit of reads per second. */
  iops_rd: number;
  /** Limit of writes per second. */
  iops_wr: number;
  /** The image. */
  image: ImageInfo;
  /** How it is cached. */
  cache: BlockdevCacheInfo;
  /** The offset beyond which a write is reported; 0 is none. */
  write_threshold: number;
}

/** How a drive's last accesses ended. */
export type BlockDeviceIoStatus =
  /** Well. */
  | "ok"
  /** With an error. */
  | "failed"
  /** For lack of space. */
  | "nospace";

/** Counters of a drive. */
export interface BlockDeviceStats {
  /** Bytes read. */
  rd_bytes: number;
  /** Bytes written. */
  wr_bytes: number;
  /** Bytes discarded. */
  unmap_bytes: number;
  /** Bytes appended to zones. */
  zone_append_bytes: number;
  /** Reads. */
  rd_operations: number;
  /** Writes. */
  wr_operations: number;
  /** Flushes. */
  flush_operations: number;
  /** Discards. */
  unmap_operations: number;
  /** Appends to zones. */
  zone_append_operations: number;
  /** Time spent reading, in nanoseconds. */
  rd_total_time_ns: number;
  /** Time spent writing. */
  wr_total_time_ns: number;
  /** Time spent flushing. */
  flush_total_time_ns: number;
  /** Time spent discarding. */
  unmap_total_time_ns: number;
  /** Time spent appending to zones. */
  zone_append_total_time_ns: number;
  /** The offset after the last byte written. */
  wr_highest_offset: number;
  /** Reads that were merged. */
  rd_merged: number;
  /** Writes that were merged. */
  wr_merged: number;
  /** Discards that were merged. */
  unmap_merged: number;
  /** Appends to zones that were merged. */
  zone_append_merged: number;
  /** Time since the last access, in nanoseconds. */
  idle_time_ns?: number;
  /** Reads that failed. */
  failed_rd_operations: number;
  /** Writes that failed. */
  failed_wr_operations: number;
  /** Flushes that failed. */
  failed_flush_operations: number;
  /** Discards that failed. */
  failed_unmap_operations: number;
  /** Appends to zones that failed. */
  failed_zone_append_operations: number;
  /** Reads that made no sense. */
  invalid_rd_operations: number;
  /** Writes that made no sense. */
  invalid_wr_operations: number;
  /** Flushes that made no sense. */
  invalid_flush_operations: number;
  /** Discards that made no sense. */
  invalid_unmap_operations: number;
  /** Appends to zones that made no sense. */
  invalid_zone_append_operations: number;
  /** Whether accesses that made no sense are counted above. */
  account_invalid: boolean;
  /** Whether failed accesses are counted above. */
  account_failed: boolean;
  /** By intervals. */
  timed_stats: BlockDeviceTimedStats[];
}

/** Accesses in intervals of a certain length. */
export interface BlockDeviceTimedStats {
  /** The length, in seconds. */
  interval_length: number;
  /** The quickest read, in nanoseconds. */
  min_rd_latency_ns: number;
  /** The slowest read. */
  max_rd_latency_ns: number;
  /** A read on average. */
  avg_rd_latency_ns: number;
  /** The quickest write. */
  min_wr_latency_ns: number;
  /** The slowest write. */
  max_wr_latency_ns: number;
  /** A write on average. */
  avg_wr_latency_ns: number;
  /** The quickest flush. */
  min_flush_latency_ns: number;
  /** The slowest flush. */
  max_flush_latency_ns: number;
  /** A flush on average. */
  avg_flush_latency_ns: number;
  /** The quickest append to a zone. */
  min_zone_append_latency_ns: number;
  /** The slowest append to a zone. */
  max_zone_append_latency_ns: number;
  /** An append to a zone on average. */
  avg_zone_append_latency_ns: number;
  /** Reads at a time on average. */
  avg_rd_queue_depth: number;
  /** Writes at a time on average. */
  avg_wr_queue_depth: number;
  /** Appends to zones at a time on average. */
  avg_zone_append_queue_depth: number;
}

/** A drive that the guest sees. */
export interface BlockInfo {
  /** The drive's name; empty for one made with a node only. */
  device: string;
  /** The device's place among the machine's objects. */
  qdev?: string;
  /** A type; always `unknown`. */
  type: string;
  /** Whether the medium can be taken out. */
  removable: boolean;
  /** Whether the guest locked it. */
  locked: boolean;
  /** The medium. */
  inserted?: BlockDeviceInfo;
  /** Whether the tray is open. */
  tray_open?: boolean;
  /** How its last accesses ended. */
  "io-status"?: BlockDeviceIoStatus;
}

/** A drive or node with its counters. */
export interface BlockStats {
  /** The drive. */
  device?: string;
  /** The device's place among the machine's objects. */
  qdev?: string;
  /** The node. */
  "node-name"?: string;
  /** The counters. */
  stats: BlockDeviceStats;
  /** The node that holds the data. */
  parent?: BlockStats;
  /** The image below. */
  backing?: BlockStats;
}

/** How writes to an image are cached. */
export interface BlockdevCacheInfo {
  /** Whether the guest sees a write-back cache. */
  writeback: boolean;
  /** Whether the host's cache is bypassed. */
  direct: boolean;
  /** Whether flushes are ignored. */
  "no-flush": boolean;
}

/** Whether writes of zeros are turned into something cheaper. */
export type BlockdevDetectZeroesOptions =
  /** No. */
  | "off"
  /** Into writing zeros efficiently. */
  | "on"
  /** Into discarding where that is allowed. */
  | "unmap";

/** A back end to be made. */
export type ChardevBackend = {
  /** Its kind. */
  type: ChardevBackendKind;
} & (
  | {
      type: "file";
      /** The file. */
      data: ChardevFile;
    }
  | {
      type: "socket";
      /** The socket. */
      data: ChardevSocket;
    }
  | {
      type: "pty";
      /** Nothing in particular. */
      data: ChardevCommon;
    }
  | {
      type: "null";
      /** Nothing in particular. */
      data: ChardevCommon;
    }
  | {
      type: "stdio";
      /** The terminal. */
      data: ChardevStdio;
    }
  | {
      type: "ringbuf";
      /** The buffer. */
      data: ChardevRingbuf;
    }
  | {
      type: "memory";
      /** The buffer. */
      data: ChardevRingbuf;
    }
);

/** A kind of back end. */
export interface ChardevBackendInfo {
  /** Its name. */
  name: string;
}

/** Kinds of back ends that can be made. */
export type ChardevBackendKind =
  /** A file. */
  | "file"
  /** A socket. */
  | "socket"
  /** A pseudo terminal. */
  | "pty"
  /** Nothing. */
  | "null"
  /** The emulator's terminal. */
  | "stdio"
  /** A buffer of the latest bytes. */
  | "ringbuf"
  /** The same, by its old name. @deprecated */
  | "memory";

/** What all back ends have. */
export interface ChardevCommon {
  /** A file that gets what is written. */
  logfile?: string;
  /** Whether it is kept. */
  logappend?: boolean;
}

/** A file. */
export interface ChardevFile {
  /** A file that gets what is written. */
  logfile?: string;
  /** Whether it is kept. */
  logappend?: boolean;
  /** Where input comes from. */
  in?: string;
  /** Where output goes. */
  out: string;
  /** Whether the output file is kept. */
  append?: boolean;
}

/** A character device's back end. */
export interface ChardevInfo {
  /** Its id. */
  label: string;
  /** What it is connected to. */
  filename: string;
  /** Whether a device has it open. */
  "frontend-open": boolean;
}

/** A back end that was made. */
export interface ChardevReturn {
  /** The pseudo terminal's name. */
  pty?: string;
}

/** A ring buffer. */
export interface ChardevRingbuf {
  /** A file that gets what is written. */
  logfile?: string;
  /** Whether it is kept. */
  logappend?: boolean;
  /** How many bytes it keeps: a power of two. */
  size?: number;
}

/** A socket. */
export interface ChardevSocket {
  /** A file that gets what is written. */
  logfile?: string;
  /** Whether it is kept. */
  logappend?: boolean;
  /** Its address. */
  addr: SocketAddressLegacy;
  /** Credentials for TLS. */
  "tls-creds"?: string;
  /** Who is allowed by TLS. */
  "tls-authz"?: string;
  /** Whether it listens. */
  server?: boolean;
  /** Whether to wait for a client. */
  wait?: boolean;
  /** Whether small pieces are sent at once. */
  nodelay?: boolean;
  /** Whether it speaks telnet. */
  telnet?: boolean;
  /** Whether it speaks tn3270. */
  tn3270?: boolean;
  /** Whether it speaks WebSocket. */
  websocket?: boolean;
  /** After how many seconds it connects again. */
  reconnect?: number;
}

/** The emulator's terminal. */
export interface ChardevStdio {
  /** A file that gets what is written. */
  logfile?: string;
  /** Whether it is kept. */
  logappend?: boolean;
  /** Whether keys cause signals. */
  signal?: boolean;
}

/** A command. */
export interface CommandInfo {
  /** Its name. */
  name: string;
}

/** A command-line option. */
export interface CommandLineOptionInfo {
  /** Its name. */
  option: string;
  /** Its parameters. */
  parameters: CommandLineParameterInfo[];
}

/** A parameter of a command-line option. */
export interface CommandLineParameterInfo {
  /** Its name. */
  name: string;
  /** What it takes. */
  type: CommandLineParameterType;
  /** What it does. */
  help?: string;
  /** Its value when it is absent. */
  default?: string;
}

/** What a command-line parameter takes. */
export type CommandLineParameterType =
  /** A text. */
  | "string"
  /** `on` or `off`. */
  | "boolean"
  /** A number. */
  | "number"
  /** A size, which may have a suffix. */
  | "size";

/** A model of processor. */
export interface CpuDefinitionInfo {
  /** What `-cpu` takes. */
  name: string;
  /** Whether a guest may move between hosts with it. */
  "migration-safe"?: boolean;
  /** Whether it never changes between versions. */
  static: boolean;
  /** What keeps it from being used. */
  "unavailable-features"?: string[];
  /** Its type. */
  typename: string;
  /** The model that this is another name for. */
  "alias-of"?: string;
  /** Whether it is going to be removed. */
  deprecated: boolean;
}

/** A processor, as old clients know it. */
export interface CpuInfo {
  /** Its number. */
  CPU: number;
  /** Whether this monitor's commands speak of it. */
  current: boolean;
  /** Whether it waits for an interrupt or has no power. */
  halted: boolean;
  /** Its place among the machine's objects. */
  qom_path: string;
  /** The host thread that runs it. */
  thread_id: number;
  /** Where it sits. */
  props?: CpuInstanceProperties;
  /** Its architecture, as old clients know it. */
  arch: string;
  /** Its program counter. */
  pc?: number;
}

/** A processor. */
export interface CpuInfoFast {
  /** Its number. */
  "cpu-index": number;
  /** Its place among the machine's objects. */
  "qom-path": string;
  /** The host thread that runs it. */
  "thread-id": number;
  /** Where it sits. */
  props?: CpuInstanceProperties;
  /** Its architecture. */
  target: SysEmuTarget;
}

/** Where a processor sits. */
export interface CpuInstanceProperties {
  /** NUMA node. */
  "node-id"?: number;
  /** Socket. */
  "socket-id"?: number;
  /** Die in the socket. */
  "die-id"?: number;
  /** Cluster in the socket or die. */
  "cluster-id"?: number;
  /** Core in the cluster. */
  "core-id"?: number;
  /** Thread in the core. */
  "thread-id"?: number;
}

/** An expanded model. */
export interface CpuModelExpansionInfo {
  /** The model. */
  model: CpuModelInfo;
}

/** How a model is expanded. */
export type CpuModelExpansionType =
  /** To a static model. */
  | "static"
  /** To all properties. */
  | "full";

/** A model of processor with its properties. */
export interface CpuModelInfo {
  /** The model. */
  name: string;
  /** Its properties. */
  props?: unknown;
}

/** What is known of the running machine. */
export interface CurrentMachineParams {
  /** Whether it can sleep and be woken. */
  "wakeup-suspend-support": boolean;
}

/** How bytes are written in JSON. */
export type DataFormat =
  /** As text in UTF-8. */
  | "utf8"
  /** In base64. */
  | "base64";

/** How dumps can be written. */
export interface DumpGuestMemoryCapability {
  /** The formats. */
  formats: DumpGuestMemoryFormat[];
}

/** How a dump is written. */
export type DumpGuestMemoryFormat =
  /** As an ELF core file. */
  | "elf"
  /** As a compressed kdump file, by zlib. */
  | "kdump-zlib"
  /** By LZO. */
  | "kdump-lzo"
  /** By Snappy. */
  | "kdump-snappy"
  /** By zlib, without the flattened form. */
  | "kdump-raw-zlib"
  /** By LZO, without the flattened form. */
  | "kdump-raw-lzo"
  /** By Snappy, without the flattened form. */
  | "kdump-raw-snappy"
  /** As Windows does. */
  | "win-dmp";

/** A dump. */
export interface DumpQueryResult {
  /** How far it is. */
  status: DumpStatus;
  /** Bytes of guest memory that are written. */
  completed: number;
  /** Bytes of guest memory in all. */
  total: number;
}

/** How far a dump is. */
export type DumpStatus =
  /** There was none. */
  | "none"
  /** It is being written. */
  | "active"
  /** It is written. */
  | "completed"
  /** It failed. */
  | "failed";

/** An event. */
export interface EventInfo {
  /** Its name. */
  name: string;
}

/** A file descriptor by its name or number. */
export interface FdSocketAddress {
  /** The name that `getfd` gave, or a number. */
  str: string;
}

/** A file descriptor in a set. */
export interface FdsetFdInfo {
  /** Its number in the emulator. */
  fd: number;
  /** The text that is kept with it. */
  opaque?: string;
}

/** A set of file descriptors. */
export interface FdsetInfo {
  /** Its number. */
  "fdset-id": number;
  /** What is in it. */
  fds: FdsetFdInfo[];
}

/** A version of Arm's interrupt controller. */
export interface GICCapability {
  /** Which version. */
  version: number;
  /** Whether it is emulated. */
  emulated: boolean;
  /** Whether the host's virtualisation has it. */
  kernel: boolean;
}

/** What is done when the guest crashes. */
export type GuestPanicAction =
  /** Stop the guest. */
  | "pause"
  /** Power off. */
  | "poweroff"
  /** Let it run on. */
  | "run";

/** What is known of a crash. */
export type GuestPanicInformation = {
  /** Who describes it. */
  type: GuestPanicInformationType;
} & (
  | {
      type: "hyper-v";
      /** The first parameter of the crash. */
      arg1: number;
      /** The second. */
      arg2: number;
      /** The third. */
      arg3: number;
      /** The fourth. */
      arg4: number;
      /** The fifth. */
      arg5: number;
    }
  | {
      type: "s390";
      /** The processor. */
      core: number;
      /** The mask of its program status word. */
      "psw-mask": number;
      /** The address in it. */
      "psw-addr": number;
      /** Why. */
      reason: S390CrashReason;
    }
);

/** Who describes a crash. */
export type GuestPanicInformationType =
  /** Hyper-V's registers. */
  | "hyper-v"
  /** An s390 processor. */
  | "s390";

/** How memory is spread over the host's nodes. */
export type HostMemPolicy =
  /** As the host likes. */
  | "default"
  /** From these nodes rather than others. */
  | "preferred"
  /** From these nodes only. */
  | "bind"
  /** In turns. */
  | "interleave";

/** A processor that is there or could be. */
export interface HotpluggableCPU {
  /** What `device_add` takes. */
  type: string;
  /** How many processors it adds. */
  "vcpus-count": number;
  /** Where it sits. */
  props: CpuInstanceProperties;
  /** Its place among the machine's objects, if it is there. */
  "qom-path"?: string;
}

/** A text for people. */
export interface HumanReadableText {
  /** The text. */
  "human-readable-text": string;
}

/** A thread for devices' work. */
export interface IOThreadInfo {
  /** Its id. */
  id: string;
  /** The host's number for it. */
  "thread-id": number;
  /** How long it polls before it sleeps, in nanoseconds. */
  "poll-max-ns": number;
  /** By which factor that grows; 0 is the default. */
  "poll-grow": number;
  /** By which factor that shrinks; 0 is the default. */
  "poll-shrink": number;
  /** How many requests it submits at once; 0 is the default. */
  "aio-max-batch": number;
}

/** What is known of an image. */
export interface ImageInfo {
  /** Where it is. */
  filename: string;
  /** Its format. */
  format: string;
  /** Bytes that the guest sees. */
  "virtual-size": number;
  /** Bytes that it takes on the host. */
  "actual-size"?: number;
  /** Bytes in a cluster. */
  "cluster-size"?: number;
  /** Whether it is encrypted. */
  encrypted?: boolean;
  /** Whether it is compressed. */
  compressed?: boolean;
  /** The image below it, as written in its header. */
  "backing-filename"?: string;
  /** The image below it, resolved. */
  "full-backing-filename"?: string;
  /** The format of the image below it. */
  "backing-filename-format"?: string;
  /** Whether it was not closed properly. */
  "dirty-flag"?: boolean;
  /** The image below it. */
  "backing-image"?: ImageInfo;
}

/** A TCP address. */
export interface InetSocketAddress {
  /** The host. */
  host: string;
  /** The port. */
  port: string;
  /** Whether the host is an address rather than a name. */
  numeric?: boolean;
  /** The last port to try. */
  to?: number;
  /** Whether IPv4 may be used. */
  ipv4?: boolean;
  /** Whether IPv6 may be used. */
  ipv6?: boolean;
  /** Whether the connection is probed. */
  "keep-alive"?: boolean;
  /** Whether several paths may be used. */
  mptcp?: boolean;
}

/** JSON's types. */
export type JSONType =
  /** A string. */
  | "string"
  /** A number. */
  | "number"
  /** A number without fraction. */
  | "int"
  /** True or false. */
  | "boolean"
  /** Null. */
  | "null"
  /** An object. */
  | "object"
  /** An array. */
  | "array"
  /** Any of them. */
  | "value";

/** A job. */
export interface JobInfo {
  /** Its id. */
  id: string;
  /** What it does. */
  type: JobType;
  /** Where it is in its life. */
  status: JobStatus;
  /** How much is done. */
  "current-progress": number;
  /** How much there is to do, as far as that is known. */
  "total-progress": number;
  /** Why it failed. */
  error?: string;
}

/** Where a job is in its life. */
export type JobStatus =
  /** Nowhere yet. */
  | "undefined"
  /** Made, not started. */
  | "created"
  /** At work. */
  | "running"
  /** Paused. */
  | "paused"
  /** In step: it can be completed. */
  | "ready"
  /** In step, and paused. */
  | "standby"
  /** It waits for others of its transaction. */
  | "waiting"
  /** It waits to be finalized. */
  | "pending"
  /** It gives up. */
  | "aborting"
  /** It is done and waits to be dismissed. */
  | "concluded"
  /** It is gone. */
  | "null";

/** What a job does. */
export type JobType =
  /** Writes an image's changes into the one below it. */
  | "commit"
  /** Copies what an image has from below into it. */
  | "stream"
  /** Copies an image and keeps the copy in step. */
  | "mirror"
  /** Copies an image as it is now. */
  | "backup"
  /** Makes an image. */
  | "create"
  /** Changes an image's options. */
  | "amend"
  /** Loads a snapshot. */
  | "snapshot-load"
  /** Saves a snapshot. */
  | "snapshot-save"
  /** Deletes a snapshot. */
  | "snapshot-delete";

/** Whether the host's virtualisation is used. */
export interface KvmInfo {
  /** Whether it is in use. */
  enabled: boolean;
  /** Whether it is built in. */
  present: boolean;
}

/** A machine type. */
export interface MachineInfo {
  /** What `-machine` takes. */
  name: string;
  /** Another name for it. */
  alias?: string;
  /** Whether it is used when none is named. */
  "is-default"?: boolean;
  /** How many processors it can have. */
  "cpu-max": number;
  /** Whether processors can be added while it runs. */
  "hotpluggable-cpus": boolean;
  /** Whether memory of NUMA nodes may be given by size. */
  "numa-mem-supported": boolean;
  /** Whether it is going to be removed. */
  deprecated: boolean;
  /** Its processor when none is named. */
  "default-cpu-type"?: string;
  /** The name of its main memory. */
  "default-ram-id"?: string;
  /** Whether it can describe itself to the guest by ACPI. */
  acpi: boolean;
}

/** A piece of guest memory. */
export interface Memdev {
  /** Its id. */
  id?: string;
  /** How many bytes. */
  size: number;
  /** Whether equal pages may be merged. */
  merge: boolean;
  /** Whether dumps have it. */
  dump: boolean;
  /** Whether it was taken at once. */
  prealloc: boolean;
  /** Whether other processes see changes. */
  share: boolean;
  /** Whether swap space is reserved for it. */
  reserve?: boolean;
  /** The host's nodes that it is from. */
  "host-nodes": number[];
  /** How it is spread over them. */
  policy: HostMemPolicy;
}

/** What all guest memory has. */
export interface MemoryBackendProperties {
  /** Whether dumps have it. */
  dump?: boolean;
  /** The host's nodes to take it from. */
  "host-nodes"?: number[];
  /** Whether equal pages may be merged. */
  merge?: boolean;
  /** How it is spread over them. */
  policy?: HostMemPolicy;
  /** Whether it is taken at once. */
  prealloc?: boolean;
  /** How many threads do that. */
  "prealloc-threads"?: number;
  /** Whether other processes see changes. */
  share?: boolean;
  /** Whether swap space is reserved for it. */
  reserve?: boolean;
  /** How many bytes. */
  size: number;
  /** Whether its block is named by its whole path. */
  "x-use-canonical-path-for-ramblock-id"?: boolean;
}

/** A memory device. */
export type MemoryDeviceInfo = {
  /** Its kind. */
  type: MemoryDeviceInfoKind;
} & (
  | {
      type: "dimm";
      /** The module. */
      data: PCDIMMDeviceInfo;
    }
  | {
      type: "nvdimm";
      /** The module. */
      data: PCDIMMDeviceInfo;
    }
  | {
      type: "virtio-pmem";
      /** The device. */
      data: VirtioPMEMDeviceInfo;
    }
  | {
      type: "virtio-mem";
      /** The device. */
      data: VirtioMEMDeviceInfo;
    }
  | {
      type: "sgx-epc";
      /** The device. */
      data: SgxEPCDeviceInfo;
    }
);

/** Kinds of memory devices. */
export type MemoryDeviceInfoKind =
  /** A memory module. */
  | "dimm"
  /** A persistent one. */
  | "nvdimm"
  /** Persistent memory on virtio. */
  | "virtio-pmem"
  /** Memory on virtio. */
  | "virtio-mem"
  /** Memory of an enclave. */
  | "sgx-epc";

/** How much memory the machine has. */
export interface MemoryInfo {
  /** Bytes from the start. */
  "base-memory": number;
  /** Bytes that were plugged. */
  "plugged-memory"?: number;
}

/** What a migration may do beside the ordinary. */
export type MigrationCapability =
  /** Send changes of pages that were sent before. */
  | "xbzrle"
  /** Slow the guest down when it changes memory too fast. */
  | "auto-converge"
  /** Tell of its status by events. */
  | "events"
  /** Let the guest run at the other side before all of its memory is there. */
  | "postcopy-ram"
  /** Replicate the guest. (unstable) */
  | "x-colo"
  /** Give memory up that was sent. */
  | "release-ram"
  /** Let the other side answer. */
  | "return-path"
  /** Wait before the guest runs at the other side. */
  | "pause-before-switchover"
  /** Use several connections. */
  | "multifd"
  /** Send dirty bitmaps. */
  | "dirty-bitmaps"
  /** Leave shared memory out. (unstable) */
  | "x-ignore-shared"
  /** Compare the machines' UUIDs. */
  | "validate-uuid"
  /** Keep the guest running while a snapshot is written. */
  | "background-snapshot";

/** Whether a migration may do something. */
export interface MigrationCapabilityStatus {
  /** What. */
  capability: MigrationCapability;
  /** Whether it may. */
  state: boolean;
}

/** A migration. */
export interface MigrationInfo {
  /** How far it is; absent when there was none. */
  status?: MigrationStatus;
  /** Why it failed. */
  "error-desc"?: string;
  /** Why it is not possible. */
  "blocked-reasons"?: string[];
}

/** How far a migration is. */
export type MigrationStatus =
  /** There was none. */
  | "none"
  /** It begins. */
  | "setup"
  /** It is being cancelled. */
  | "cancelling"
  /** It was cancelled. */
  | "cancelled"
  /** Memory is being sent. */
  | "active"
  /** The guest runs at the other side already. */
  | "postcopy-active"
  /** That is interrupted. */
  | "postcopy-paused"
  /** That is being resumed: the connection is set up. */
  | "postcopy-recover-setup"
  /** That is being resumed. */
  | "postcopy-recover"
  /** It has succeeded. */
  | "completed"
  /** It has failed. */
  | "failed"
  /** Replication is under way. */
  | "colo"
  /** It waits to be let go on. */
  | "pre-switchover"
  /** Devices are being sent. */
  | "device"
  /** It waits for the guest to release a device. */
  | "wait-unplug";

/** A pointing device. */
export interface MouseInfo {
  /** Its name. */
  name: string;
  /** Its number. */
  index: number;
  /** Whether it is the one in use. */
  current: boolean;
  /** Whether it tells positions rather than movements. */
  absolute: boolean;
}

/** The machine's name. */
export interface NameInfo {
  /** The name, if it has one. */
  name?: string;
}

/** Kinds of network. */
export type NetClientDriver =
  /** One inside the emulator, which leads outside as its user may. */
  | "user";

/** A text. */
export interface NetText {
  /** The text. */
  str: string;
}

/** A network. */
export type Netdev = {
  /** Its id. */
  id: string;
  /** Its kind. */
  type: NetClientDriver;
} & (
  | {
      type: "user";
      /** Whether the guest reaches nothing outside. */
      restrict?: boolean;
      /** Ports of the host that lead into the guest. */
      hostfwd?: NetText[];
    }
);

/** An object to be made. */
export type ObjectOptions = {
  /** Its type. */
  "qom-type": ObjectType;
  /** Its id. */
  id: string;
} & (
  | {
      "qom-type": "iothread";
      /** How long it polls before it sleeps, in nanoseconds. */
      "poll-max-ns"?: number;
      /** By which factor that grows. */
      "poll-grow"?: number;
      /** By which factor that shrinks. */
      "poll-shrink"?: number;
      /** How many requests it submits at once. */
      "aio-max-batch"?: number;
      /** How many threads its pool keeps. */
      "thread-pool-min"?: number;
      /** How many threads its pool has at most. */
      "thread-pool-max"?: number;
    }
  | {
      "qom-type": "memory-backend-file";
      /** Whether dumps have it. */
      dump?: boolean;
      /** The host's nodes to take it from. */
      "host-nodes"?: number[];
      /** Whether equal pages may be merged. */
      merge?: boolean;
      /** How it is spread over them. */
      policy?: HostMemPolicy;
      /** Whether it is taken at once. */
      prealloc?: boolean;
      /** How many threads do that. */
      "prealloc-threads"?: number;
      /** Whether other processes see changes. */
      share?: boolean;
      /** Whether swap space is reserved for it. */
      reserve?: boolean;
      /** How many bytes. */
      size: number;
      /** Whether its block is named by its whole path. */
      "x-use-canonical-path-for-ramblock-id"?: boolean;
      /** The alignment of the mapping. */
      align?: number;
      /** Whether the file's content may be lost at the end. */
      "discard-data"?: boolean;
      /** The file, or a folder to make it in. */
      "mem-path": string;
      /** Whether the file is persistent memory. */
      pmem?: boolean;
      /** Whether it cannot be written. */
      readonly?: boolean;
    }
  | {
      "qom-type": "memory-backend-ram";
      /** Whether dumps have it. */
      dump?: boolean;
      /** The host's nodes to take it from. */
      "host-nodes"?: number[];
      /** Whether equal pages may be merged. */
      merge?: boolean;
      /** How it is spread over them. */
      policy?: HostMemPolicy;
      /** Whether it is taken at once. */
      prealloc?: boolean;
      /** How many threads do that. */
      "prealloc-threads"?: number;
      /** Whether other processes see changes. */
      share?: boolean;
      /** Whether swap space is reserved for it. */
      reserve?: boolean;
      /** How many bytes. */
      size: number;
      /** Whether its block is named by its whole path. */
      "x-use-canonical-path-for-ramblock-id"?: boolean;
    }
  | {
      "qom-type": "rng-builtin";
    }
  | {
      "qom-type": "rng-random";
      /** The device. */
      filename?: string;
    }
  | {
      "qom-type": "secret";
      /** How it is written. */
      format?: QCryptoSecretFormat;
      /** The secret that it is encrypted with. */
      keyid?: string;
      /** The initial value of that encryption. */
      iv?: string;
      /** The secret. */
      data?: string;
      /** A file that holds it. */
      file?: string;
    }
  | {
      "qom-type": "tls-creds-x509";
      /** Whether clients need a certificate of the authorities. */
      "verify-peer"?: boolean;
      /** The folder that holds the certificates. */
      dir?: string;
      /** Which end they are for. */
      endpoint?: QCryptoTLSCredsEndpoint;
    }
);

/** A property of an object. */
export interface ObjectPropertyInfo {
  /** Its name. */
  name: string;
  /** The type of its values; `child<T>` for an object below, `link<T>` for a reference. */
  type: string;
  /** What it is for. */
  description?: string;
  /** Its value unless it is set. */
  "default-value"?: unknown;
}

/** Types of objects that users make. */
export type ObjectType =
  /** A thread for devices' work. */
  | "iothread"
  /** Guest memory in a file. */
  | "memory-backend-file"
  /** Guest memory. */
  | "memory-backend-ram"
  /** Random numbers of the host. */
  | "rng-builtin"
  /** Random numbers of a device of the host. */
  | "rng-random"
  /** A secret. */
  | "secret"
  /** Certificates for TLS. */
  | "tls-creds-x509";

/** A type of objects. */
export interface ObjectTypeInfo {
  /** Its name. */
  name: string;
  /** Whether there are no objects of exactly this type. */
  abstract?: boolean;
  /** The type that it refines. */
  parent?: string;
}

/** A memory module. */
export interface PCDIMMDeviceInfo {
  /** Its id. */
  id?: string;
  /** Its address. */
  addr: number;
  /** How many bytes. */
  size: number;
  /** Its slot. */
  slot: number;
  /** Its NUMA node. */
  node: number;
  /** The memory in it. */
  memdev: string;
  /** Whether it was plugged later. */
  hotplugged: boolean;
  /** Whether it can be plugged. */
  hotpluggable: boolean;
}

/** What is done when the guest crashes, as one chooses it. */
export type PanicAction =
  /** Stop the guest. */
  | "pause"
  /** Power off. */
  | "shutdown"
  /** End the emulator with a failure. */
  | "exit-failure"
  /** Let it run on. */
  | "none";

/** A bridge. */
export interface PciBridgeInfo {
  /** Its buses and spans. */
  bus: PciBusInfo;
  /** What is below it. */
  devices?: PciDeviceInfo[];
}

/** The buses and spans of a bridge. */
export interface PciBusInfo {
  /** The bus that it is on. */
  number: number;
  /** The bus below it. */
  secondary: number;
  /** The last bus below that. */
  subordinate: number;
  /** Its I/O window. */
  io_range: PciMemoryRange;
  /** Its memory window. */
  memory_range: PciMemoryRange;
  /** Its prefetchable memory window. */
  prefetchable_range: PciMemoryRange;
}

/** A class of devices. */
export interface PciDeviceClass {
  /** In words. */
  desc?: string;
  /** Its number. */
  class: number;
}

/** Which device it is. */
export interface PciDeviceId {
  /** Device ID. */
  device: number;
  /** Vendor ID. */
  vendor: number;
  /** Subsystem ID. */
  subsystem?: number;
  /** Subsystem vendor ID. */
  "subsystem-vendor"?: number;
}

/** A PCI function. */
export interface PciDeviceInfo {
  /** Its bus's number. */
  bus: number;
  /** Its slot. */
  slot: number;
  /** Its number in the slot. */
  function: number;
  /** Its class. */
  class_info: PciDeviceClass;
  /** Its IDs. */
  id: PciDeviceId;
  /** The interrupt line that firmware noted. */
  irq?: number;
  /** Its interrupt pin; 0 for none. */
  irq_pin: number;
  /** The name that the user gave it. */
  qdev_id: string;
  /** What it is as a bridge. */
  pci_bridge?: PciBridgeInfo;
  /** What its base address registers map. */
  regions: PciMemoryRegion[];
}

/** A root bus. */
export interface PciInfo {
  /** Its number. */
  bus: number;
  /** What is on it. */
  devices: PciDeviceInfo[];
}

/** A span of bus addresses. */
export interface PciMemoryRange {
  /** The first. */
  base: number;
  /** The last. */
  limit: number;
}

/** What a base address register maps. */
export interface PciMemoryRegion {
  /** Its number. */
  bar: number;
  /** `io` or `memory`. */
  type: string;
  /** Where. */
  address: number;
  /** How many bytes. */
  size: number;
  /** Whether reads have no side effects. */
  prefetch?: boolean;
  /** Whether it takes two registers. */
  mem_type_64?: boolean;
}

/** How a secret is written. */
export type QCryptoSecretFormat =
  /** As it is. */
  | "raw"
  /** In base64. */
  | "base64";

/** Which end of a connection. */
export type QCryptoTLSCredsEndpoint =
  /** The one that connects. */
  | "client"
  /** The one that listens. */
  | "server";

/** What a client may enable when it negotiates. */
export type QMPCapability =
  /** Out-of-band execution of commands. */
  | "oob";

/** How an error is classified. */
export type QapiErrorClass =
  /** Anything without a class of its own. */
  | "GenericError"
  /** The command does not exist or may not be used now. */
  | "CommandNotFound"
  /** The device is not active. */
  | "DeviceNotActive"
  /** The device does not exist. */
  | "DeviceNotFound"
  /** The host's virtualisation lacks something. */
  | "KVMMissingCap";

/** What is done when the guest resets the machine. */
export type RebootAction =
  /** Reset it. */
  | "reset"
  /** Power off. */
  | "shutdown";

/** What is recorded or replayed. */
export interface ReplayInfo {
  /** Whether it is. */
  mode: ReplayMode;
  /** The file. */
  filename?: string;
  /** Instructions executed so far. */
  icount: number;
}

/** Whether execution is recorded. */
export type ReplayMode =
  /** No. */
  | "none"
  /** It is recorded. */
  | "record"
  /** It is replayed. */
  | "play";

/** What the machine is doing. */
export type RunState =
  /** Stopped by a debugger. */
  | "debug"
  /** Waiting for an incoming migration. */
  | "inmigrate"
  /** Stopped by an error inside the emulator. */
  | "internal-error"
  /** Stopped by a failed disk access. */
  | "io-error"
  /** Stopped by an operator. */
  | "paused"
  /** Stopped at the end of a migration. */
  | "postmigrate"
  /** Not yet started. */
  | "prelaunch"
  /** Stopped while the last part of a migration is sent. */
  | "finish-migrate"
  /** Stopped while saved state is loaded. */
  | "restore-vm"
  /** The guest is running. */
  | "running"
  /** Stopped while state is saved. */
  | "save-vm"
  /** Powered off; the emulator stays. */
  | "shutdown"
  /** The guest sleeps. */
  | "suspended"
  /** Stopped by a watchdog. */
  | "watchdog"
  /** The guest reported that it crashed. */
  | "guest-panicked"
  /** Stopped while replication is under way. */
  | "colo";

/** What a network card lets through to its guest. */
export interface RxFilterInfo {
  /** The card. */
  name: string;
  /** Whether everything passes, whatever else is set. */
  promiscuous: boolean;
  /** Frames to groups. */
  multicast: RxState;
  /** Frames to one address. */
  unicast: RxState;
  /** Tagged frames. */
  vlan: RxState;
  /** Whether broadcasts pass. */
  "broadcast-allowed": boolean;
  /** Whether the driver asked for more groups than there is room for. */
  "multicast-overflow": boolean;
  /** Whether the driver asked for more addresses than there is room for. */
  "unicast-overflow": boolean;
  /** The card's own address. */
  "main-mac": string;
  /** VLANs that pass. */
  "vlan-table": number[];
  /** Addresses that pass beside the card's own. */
  "unicast-table": string[];
  /** Groups that pass. */
  "multicast-table": string[];
}

/** How frames of a kind are let through. */
export type RxState =
  /** Those of the table. */
  | "normal"
  /** None. */
  | "none"
  /** All. */
  | "all";

/** How an s390 processor came to its end. */
export type S390CrashReason =
  /** Unknown. */
  | "unknown"
  /** A disabled wait state. */
  | "disabled-wait"
  /** A loop of external interrupts. */
  | "extint-loop"
  /** A loop of program interrupts. */
  | "pgmint-loop"
  /** A loop of operation exceptions. */
  | "opint-loop";

/** An entity of the schema. */
export type SchemaInfo = {
  /** Its kind. */
  "meta-type": SchemaMetaType;
  /** Its name. */
  name: string;
  /** Its features. */
  features?: string[];
} & (
  | {
      "meta-type": "builtin";
      /** How it looks in JSON. */
      "json-type": JSONType;
    }
  | {
      "meta-type": "enum";
      /** Its values with their features. */
      members: SchemaInfoEnumMember[];
      /** Its values. @deprecated */
      values: string[];
    }
  | {
      "meta-type": "array";
      /** What it is a list of. */
      "element-type": string;
    }
  | {
      "meta-type": "object";
      /** Its members. */
      members: SchemaInfoObjectMember[];
      /** The member that selects a variant. */
      tag?: string;
      /** The variants. */
      variants?: SchemaInfoObjectVariant[];
    }
  | {
      "meta-type": "alternate";
      /** The types that it may be. */
      members: SchemaInfoAlternateMember[];
    }
  | {
      "meta-type": "command";
      /** An object type with its arguments. */
      "arg-type": string;
      /** The type of its answer. */
      "ret-type": string;
      /** Whether it may run out of band. */
      "allow-oob"?: boolean;
    }
  | {
      "meta-type": "event";
      /** An object type with its data. */
      "arg-type": string;
    }
);

/** A type of an alternate. */
export interface SchemaInfoAlternateMember {
  /** The type. */
  type: string;
}

/** A value of an enumeration. */
export interface SchemaInfoEnumMember {
  /** The value. */
  name: string;
  /** Its features. */
  features?: string[];
}

/** A member of an object. */
export interface SchemaInfoObjectMember {
  /** Its name. */
  name: string;
  /** Its type. */
  type: string;
  /** There (and null) when the member may be left out. */
  default?: unknown;
  /** Its features. */
  features?: string[];
}

/** The members that a value of the tag adds. */
export interface SchemaInfoObjectVariant {
  /** The value. */
  case: string;
  /** The type that holds them. */
  type: string;
}

/** Kinds of entities in the schema. */
export type SchemaMetaType =
  /** A type of the protocol itself. */
  | "builtin"
  /** A fixed set of strings. */
  | "enum"
  /** A list. */
  | "array"
  /** Named members. */
  | "object"
  /** One of several types, told apart by their JSON type. */
  | "alternate"
  /** A command. */
  | "command"
  /** An event. */
  | "event";

/** Memory of an enclave. */
export interface SgxEPCDeviceInfo {
  /** Its id. */
  id?: string;
  /** Its address. */
  memaddr: number;
  /** How many bytes. */
  size: number;
  /** Its NUMA node. */
  node: number;
  /** The memory in it. */
  memdev: string;
}

/** What is done when the guest powers off. */
export type ShutdownAction =
  /** End the emulator. */
  | "poweroff"
  /** Stop the machine and keep it. */
  | "pause";

/** Why the machine was powered off or reset. */
export type ShutdownCause =
  /** Unknown. */
  | "none"
  /** An error of the host. */
  | "host-error"
  /** The command `quit`. */
  | "host-qmp-quit"
  /** The command `system_reset`. */
  | "host-qmp-system-reset"
  /** A signal to the emulator. */
  | "host-signal"
  /** The user closed the display. */
  | "host-ui"
  /** The guest powered off. */
  | "guest-shutdown"
  /** The guest reset the machine. */
  | "guest-reset"
  /** The guest crashed and was set to end then. */
  | "guest-panic"
  /** A part of the machine was reset. */
  | "subsystem-reset"
  /** A saved state is being loaded. */
  | "snapshot-load";

/** A socket's address. */
export type SocketAddressLegacy = {
  /** Its kind. */
  type: SocketAddressType;
} & (
  | {
      type: "inet";
      /** The address. */
      data: InetSocketAddress;
    }
  | {
      type: "unix";
      /** The address. */
      data: UnixSocketAddress;
    }
  | {
      type: "vsock";
      /** The address. */
      data: VsockSocketAddress;
    }
  | {
      type: "fd";
      /** The file descriptor. */
      data: FdSocketAddress;
    }
);

/** Kinds of socket addresses. */
export type SocketAddressType =
  /** TCP. */
  | "inet"
  /** A path. */
  | "unix"
  /** A machine's monitor. */
  | "vsock"
  /** A file descriptor. */
  | "fd";

/** The machine's run state. */
export interface StatusInfo {
  /** Whether the guest executes. */
  running: boolean;
  /** The state in detail. */
  status: RunState;
}

/** The kinds of guest processor. */
export type SysEmuTarget =
  /** 64-bit Arm. */
  | "aarch64"
  /** Others, which no build of this emulator has yet. */
  | "alpha"
  | "arm"
  | "avr"
  | "hppa"
  | "i386"
  | "loongarch64"
  | "m68k"
  | "microblaze"
  | "microblazeel"
  | "mips"
  | "mips64"
  | "mips64el"
  | "mipsel"
  | "or1k"
  | "ppc"
  | "ppc64"
  | "riscv32"
  | "riscv64"
  | "rx"
  | "s390x"
  | "sh4"
  | "sh4eb"
  | "sparc"
  | "sparc64"
  | "tricore"
  | "x86_64"
  | "xtensa"
  | "xtensaeb";

/** What is emulated. */
export interface TargetInfo {
  /** The processor's architecture. */
  arch: SysEmuTarget;
}

/** Models of trusted platform modules. */
export type TpmModel =
  /** TIS. */
  | "tpm-tis"
  /** CRB. */
  | "tpm-crb"
  /** PAPR. */
  | "tpm-spapr";

/** What does a trusted platform module's work. */
export type TpmType =
  /** One of the host. */
  | "passthrough"
  /** A program. */
  | "emulator";

/** A trace point. */
export interface TraceEventInfo {
  /** Its name. */
  name: string;
  /** Whether it tells. */
  state: TraceEventState;
  /** Whether it belongs to a processor. @deprecated */
  vcpu: boolean;
}

/** Whether a trace point tells. */
export type TraceEventState =
  /** It is not built in. */
  | "unavailable"
  /** No. */
  | "disabled"
  /** Yes. */
  | "enabled";

/** A socket's path. */
export interface UnixSocketAddress {
  /** The path. */
  path: string;
  /** Whether it is no file. */
  abstract?: boolean;
  /** Whether the name ends with its text. */
  tight?: boolean;
}

/** The machine's UUID. */
export interface UuidInfo {
  /** In the form of RFC 9562; zeros when none was given. */
  UUID: string;
}

/** The version of the emulator. */
export interface VersionInfo {
  /** The version of QEMU whose protocol is spoken. */
  qemu: VersionTriple;
  /** The emulator itself and its version. */
  package: string;
}

/** A version number in three parts. */
export interface VersionTriple {
  /** Major part. */
  major: number;
  /** Minor part. */
  minor: number;
  /** Micro part. */
  micro: number;
}

/** Memory on virtio. */
export interface VirtioMEMDeviceInfo {
  /** Its id. */
  id?: string;
  /** Its address. */
  memaddr: number;
  /** How many bytes are asked for. */
  "requested-size": number;
  /** How many bytes are there. */
  size: number;
  /** How many bytes it has at most. */
  "max-size": number;
  /** Bytes in a block. */
  "block-size": number;
  /** Its NUMA node. */
  node: number;
  /** The memory in it. */
  memdev: string;
}

/** Persistent memory on virtio. */
export interface VirtioPMEMDeviceInfo {
  /** Its id. */
  id?: string;
  /** Its address. */
  memaddr: number;
  /** How many bytes. */
  size: number;
  /** The memory in it. */
  memdev: string;
}

/** An address at a machine's monitor. */
export interface VsockSocketAddress {
  /** The machine. */
  cid: string;
  /** The port. */
  port: string;
}

/** What is done when the guest does something to the whole machine. */
export type WatchdogAction =
  /** Reset the machine. */
  | "reset"
  /** Ask the guest to power off. */
  | "shutdown"
  /** End at once. */
  | "poweroff"
  /** Stop the guest. */
  | "pause"
  /** Tell the monitors only. */
  | "debug"
  /** Nothing. */
  | "none"
  /** Interrupt the guest. */
  | "inject-nmi";

/** A connection that can be cut. */
export type YankInstance = {
  /** Its kind. */
  type: YankInstanceType;
} & (
  | {
      type: "block-node";
      /** The node's name. */
      "node-name": string;
    }
  | {
      type: "chardev";
      /** The character device's id. */
      id: string;
    }
  | {
      type: "migration";
    }
);

/** Kinds of connections that can be cut. */
export type YankInstanceType =
  /** A block node's connection to a server. */
  | "block-node"
  /** A character device's socket. */
  | "chardev"
  /** A migration's stream. */
  | "migration";

/** Commands by name: what they take and what they return. */
export interface Commands {
  /** Adds a file descriptor that came along with the command (SCM_RIGHTS) to a set. */
  "add-fd": {
    arguments: {
      /** The set; a new one when absent. */
      "fdset-id"?: number;
      /** A text that is kept with it. */
      opaque?: string;
    };
    returns: AddfdInfo;
  };
  /** Asks the guest to give memory up or take it back. */
  balloon: {
    arguments: {
      /** How many bytes to leave to it. */
      value: number;
    };
    returns: Nothing;
  };
  /** Makes a back end. */
  "chardev-add": {
    arguments: {
      /** Its id. */
      id: string;
      /** What it is. */
      backend: ChardevBackend;
    };
    returns: ChardevReturn;
  };
  /** Replaces a back end, under whatever uses it. */
  "chardev-change": {
    arguments: {
      /** Its id. */
      id: string;
      /** What it is from now on. */
      backend: ChardevBackend;
    };
    returns: ChardevReturn;
  };
  /** Deletes a back end that nothing uses. */
  "chardev-remove": {
    arguments: {
      /** Its id. */
      id: string;
    };
    returns: Nothing;
  };
  /** Sends a break over a serial line. */
  "chardev-send-break": {
    arguments: {
      /** The back end's id. */
      id: string;
    };
    returns: Nothing;
  };
  /** Closes a named file descriptor. */
  closefd: {
    arguments: {
      /** Its name. */
      fdname: string;
    };
    returns: Nothing;
  };
  /** Starts the guest, or lets it go on. */
  cont: {
    arguments: Nothing;
    returns: Nothing;
  };
  /** Makes a processor the one that this monitor's later commands speak of. @deprecated */
  cpu: {
    arguments: {
      /** The processor's number. */
      index: number;
    };
    returns: Nothing;
  };
  /** Lists what `device_add` takes for a type of device. */
  "device-list-properties": {
    arguments: {
      /** The type. */
      typename: string;
    };
    returns: ObjectPropertyInfo[];
  };
  /** Adds a device to the machine; its properties are further arguments. (json-cli) (json-cli-hotplug) */
  device_add: {
    arguments: {
      /** What it is. */
      driver: string;
      /** Where it goes; without it the first free place. */
      bus?: string;
      /** Its name. */
      id?: string;
      [member: string]: unknown;
    };
    returns: Nothing;
  };
  /** Asks the guest to give a device up. DEVICE_DELETED tells when it has. */
  device_del: {
    arguments: {
      /** Its id, or its path among the machine's objects. */
      id: string;
    };
    returns: Nothing;
  };
  /** Writes the guest's memory and its processors' registers to a file, while the guest stands still. */
  "dump-guest-memory": {
    arguments: {
      /** Whether to write the guest's mappings, too. */
      paging: boolean;
      /** Where to: `file:PATH` or `fd:NAME`. */
      protocol: string;
      /** Whether to answer at once rather than at the end. */
      detach?: boolean;
      /** The first physical address; with `length` only. */
      begin?: number;
      /** How many bytes; with `begin` only. */
      length?: number;
      /** How it is written; as an ELF core file when absent. */
      format?: DumpGuestMemoryFormat;
    };
    returns: Nothing;
  };
  /** Writes the machine's device tree to a file. */
  dumpdtb: {
    arguments: {
      /** The file, which is created or emptied. */
      filename: string;
    };
    returns: Nothing;
  };
  /** Names a file descriptor that came along with the command (SCM_RIGHTS). */
  getfd: {
    arguments: {
      /** Its name; one that has it already is closed. */
      fdname: string;
    };
    returns: Nothing;
  };
  /** Runs a command of the human monitor and returns what it prints. */
  "human-monitor-command": {
    arguments: {
      /** The command and its arguments. */
      "command-line": string;
      /** The processor that it speaks of; the monitor's own when absent. */
      "cpu-index"?: number;
    };
    returns: string;
  };
  /** Sends a non-maskable interrupt to the guest. */
  "inject-nmi": {
    arguments: Nothing;
    returns: Nothing;
  };
  /** Gives a job up. */
  "job-cancel": {
    arguments: {
      /** The job. */
      id: string;
    };
    returns: Nothing;
  };
  /** Asks a job that is in step to end. */
  "job-complete": {
    arguments: {
      /** The job. */
      id: string;
    };
    returns: Nothing;
  };
  /** Forgets a job that is done. */
  "job-dismiss": {
    arguments: {
      /** The job. */
      id: string;
    };
    returns: Nothing;
  };
  /** Lets a job and its transaction take effect. */
  "job-finalize": {
    arguments: {
      /** The job. */
      id: string;
    };
    returns: Nothing;
  };
  /** Pauses a job. */
  "job-pause": {
    arguments: {
      /** The job. */
      id: string;
    };
    returns: Nothing;
  };
  /** Lets a paused job go on. */
  "job-resume": {
    arguments: {
      /** The job. */
      id: string;
    };
    returns: Nothing;
  };
  /** Writes guest-virtual memory to a file. */
  memsave: {
    arguments: {
      /** First address. */
      val: number;
      /** How many bytes. */
      size: number;
      /** The file, which is created or emptied. */
      filename: string;
      /** Whose address space; the monitor's processor when absent. */
      "cpu-index"?: number;
    };
    returns: Nothing;
  };
  /** Makes a network. */
  netdev_add: {
    arguments: Netdev;
    returns: Nothing;
  };
  /** Takes a network away. */
  netdev_del: {
    arguments: {
      /** Its id. */
      id: string;
    };
    returns: Nothing;
  };
  /** Makes an object. */
  "object-add": {
    arguments: ObjectOptions;
    returns: Nothing;
  };
  /** Deletes an object that was made by `object-add`. */
  "object-del": {
    arguments: {
      /** Its id. */
      id: string;
    };
    returns: Nothing;
  };
  /** Writes guest-physical memory to a file. */
  pmemsave: {
    arguments: {
      /** First address. */
      val: number;
      /** How many bytes. */
      size: number;
      /** The file, which is created or emptied. */
      filename: string;
    };
    returns: Nothing;
  };
  /** Ends the negotiation: from here on every other command is accepted. */
  qmp_capabilities: {
    arguments: {
      /** The capabilities that the client wants. */
      enable?: QMPCapability[];
    };
    returns: Nothing;
  };
  /** Reads a property. */
  "qom-get": {
    arguments: {
      /** The object's path. */
      path: string;
      /** The property's name. */
      property: string;
    };
    returns: unknown;
  };
  /** Lists the properties of an object. */
  "qom-list": {
    arguments: {
      /** Its path. */
      path: string;
    };
    returns: ObjectPropertyInfo[];
  };
  /** Lists the properties of objects of a type. */
  "qom-list-properties": {
    arguments: {
      /** The type. */
      typename: string;
    };
    returns: ObjectPropertyInfo[];
  };
  /** Lists types. */
  "qom-list-types": {
    arguments: {
      /** Only those that are of this type. */
      implements?: string;
      /** Whether to list abstract types, too. */
      abstract?: boolean;
    };
    returns: ObjectTypeInfo[];
  };
  /** Sets a property. */
  "qom-set": {
    arguments: {
      /** The object's path. */
      path: string;
      /** The property's name. */
      property: string;
      /** The value. */
      value: unknown;
    };
    returns: Nothing;
  };
  /** Tells how guest code is run. */
  "query-accelerators": {
    arguments: Nothing;
    returns: AcceleratorInfo;
  };
  /** Lists what the guest reported of slots for hotplug. */
  "query-acpi-ospm-status": {
    arguments: Nothing;
    returns: ACPIOSTInfo[];
  };
  /** Tells how much memory the balloon leaves to the guest. */
  "query-balloon": {
    arguments: Nothing;
    returns: BalloonInfo;
  };
  /** Lists the drives. */
  "query-block": {
    arguments: Nothing;
    returns: BlockInfo[];
  };
  /** Tells counters of drives. */
  "query-blockstats": {
    arguments: {
      /** Whether to tell of nodes rather than drives. */
      "query-nodes"?: boolean;
    };
    returns: BlockStats[];
  };
  /** Lists the character devices. */
  "query-chardev": {
    arguments: Nothing;
    returns: ChardevInfo[];
  };
  /** Lists the kinds of back ends. */
  "query-chardev-backends": {
    arguments: Nothing;
    returns: ChardevBackendInfo[];
  };
  /** Describes command-line options. */
  "query-command-line-options": {
    arguments: {
      /** The option; all when absent. */
      option?: string;
    };
    returns: CommandLineOptionInfo[];
  };
  /** Lists the commands that are available. */
  "query-commands": {
    arguments: Nothing;
    returns: CommandInfo[];
  };
  /** Lists the models of processors. */
  "query-cpu-definitions": {
    arguments: Nothing;
    returns: CpuDefinitionInfo[];
  };
  /** Tells a model's properties. */
  "query-cpu-model-expansion": {
    arguments: {
      /** How. */
      type: CpuModelExpansionType;
      /** The model, and properties to set. */
      model: CpuModelInfo;
    };
    returns: CpuModelExpansionInfo;
  };
  /** Lists the processors, looking into each. @deprecated */
  "query-cpus": {
    arguments: Nothing;
    returns: CpuInfo[];
  };
  /** Lists the processors. */
  "query-cpus-fast": {
    arguments: Nothing;
    returns: CpuInfoFast[];
  };
  /** Tells of the running machine. */
  "query-current-machine": {
    arguments: Nothing;
    returns: CurrentMachineParams;
  };
  /** Tells of the current or last dump. */
  "query-dump": {
    arguments: Nothing;
    returns: DumpQueryResult;
  };
  /** Tells how dumps can be written. */
  "query-dump-guest-memory-capability": {
    arguments: Nothing;
    returns: DumpGuestMemoryCapability;
  };
  /** Lists the events that can be sent. @deprecated */
  "query-events": {
    arguments: Nothing;
    returns: EventInfo[];
  };
  /** Lists the sets of file descriptors. */
  "query-fdsets": {
    arguments: Nothing;
    returns: FdsetInfo[];
  };
  /** Lists the versions of Arm's interrupt controller that a machine can have. */
  "query-gic-capabilities": {
    arguments: Nothing;
    returns: GICCapability[];
  };
  /** Lists the processors that are there or could be, the last first. */
  "query-hotpluggable-cpus": {
    arguments: Nothing;
    returns: HotpluggableCPU[];
  };
  /** Lists the threads for devices' work. */
  "query-iothreads": {
    arguments: Nothing;
    returns: IOThreadInfo[];
  };
  /** Lists the jobs. */
  "query-jobs": {
    arguments: Nothing;
    returns: JobInfo[];
  };
  /** Tells whether KVM is used. */
  "query-kvm": {
    arguments: Nothing;
    returns: KvmInfo;
  };
  /** Lists the machine types. */
  "query-machines": {
    arguments: Nothing;
    returns: MachineInfo[];
  };
  /** Lists the pieces of guest memory. */
  "query-memdev": {
    arguments: Nothing;
    returns: Memdev[];
  };
  /** Lists the memory devices. */
  "query-memory-devices": {
    arguments: Nothing;
    returns: MemoryDeviceInfo[];
  };
  /** Tells how much memory the machine has. */
  "query-memory-size-summary": {
    arguments: Nothing;
    returns: MemoryInfo;
  };
  /** Lists the pointing devices. */
  "query-mice": {
    arguments: Nothing;
    returns: MouseInfo[];
  };
  /** Tells of the current or last migration. There is none yet. */
  "query-migrate": {
    arguments: Nothing;
    returns: MigrationInfo;
  };
  /** Lists what migrations may do: nothing yet. */
  "query-migrate-capabilities": {
    arguments: Nothing;
    returns: MigrationCapabilityStatus[];
  };
  /** Tells the machine's name. */
  "query-name": {
    arguments: Nothing;
    returns: NameInfo;
  };
  /** A medium's node. */
  "query-named-block-nodes": {
    arguments: {
      /** Whether to leave out what is below. */
      flat?: boolean;
    };
    returns: BlockDeviceInfo[];
  };
  /** Lists PCI buses and what is on them. */
  "query-pci": {
    arguments: Nothing;
    returns: PciInfo[];
  };
  /** Describes every command and event and the types that they use. */
  "query-qmp-schema": {
    arguments: Nothing;
    returns: SchemaInfo[];
  };
  /** Tells whether execution is recorded or replayed. */
  "query-replay": {
    arguments: Nothing;
    returns: ReplayInfo;
  };
  /** What network cards let through. From then on the next change is told by NIC_RX_FILTER_CHANGED. */
  "query-rx-filter": {
    arguments: {
      /** One card; absent for all that tell. */
      name?: string;
    };
    returns: RxFilterInfo[];
  };
  /** Tells whether the guest runs. */
  "query-status": {
    arguments: Nothing;
    returns: StatusInfo;
  };
  /** Tells the architecture of the guest. */
  "query-target": {
    arguments: Nothing;
    returns: TargetInfo;
  };
  /** Lists the models of trusted platform modules that there are. */
  "query-tpm-models": {
    arguments: Nothing;
    returns: TpmModel[];
  };
  /** Lists what can do their work. */
  "query-tpm-types": {
    arguments: Nothing;
    returns: TpmType[];
  };
  /** Tells the machine's UUID. */
  "query-uuid": {
    arguments: Nothing;
    returns: UuidInfo;
  };
  /** Tells which version answers. */
  "query-version": {
    arguments: Nothing;
    returns: VersionInfo;
  };
  /** Lists the connections that can be cut. */
  "query-yank": {
    arguments: Nothing;
    returns: YankInstance[];
  };
  /** Ends the emulator. */
  quit: {
    arguments: Nothing;
    returns: Nothing;
  };
  /** Removes file descriptors from a set. */
  "remove-fd": {
    arguments: {
      /** The set. */
      "fdset-id": number;
      /** The descriptor's number; all of the set's when absent. */
      fd?: number;
    };
    returns: Nothing;
  };
  /** Takes what is in a ring buffer, oldest first. */
  "ringbuf-read": {
    arguments: {
      /** The ring buffer's id. */
      device: string;
      /** How many bytes at most. */
      size: number;
      /** How the answer is written; text when absent. */
      format?: DataFormat;
    };
    returns: string;
  };
  /** Writes to a ring buffer. */
  "ringbuf-write": {
    arguments: {
      /** The ring buffer's id. */
      device: string;
      /** What to write. */
      data: string;
      /** How the data is written; text when absent. */
      format?: DataFormat;
    };
    returns: Nothing;
  };
  /** Chooses what is done at events that concern the whole machine; what is absent stays as it is. */
  "set-action": {
    arguments: {
      /** When the guest resets the machine. */
      reboot?: RebootAction;
      /** When the guest powers off. */
      shutdown?: ShutdownAction;
      /** When the guest crashes. */
      panic?: PanicAction;
      /** When a watchdog runs out. */
      watchdog?: WatchdogAction;
    };
    returns: Nothing;
  };
  /** Puts the cable of a network card or of a network in or out. */
  set_link: {
    arguments: {
      /** The card or the network. */
      name: string;
      /** Whether it is in. */
      up: boolean;
    };
    returns: Nothing;
  };
  /** Stops the guest. */
  stop: {
    arguments: Nothing;
    returns: Nothing;
  };
  /** Asks the guest to power off, as a power button does. */
  system_powerdown: {
    arguments: Nothing;
    returns: Nothing;
  };
  /** Resets the machine. */
  system_reset: {
    arguments: Nothing;
    returns: Nothing;
  };
  /** Wakes the guest from sleep. */
  system_wakeup: {
    arguments: Nothing;
    returns: Nothing;
  };
  /** Lists trace points. */
  "trace-event-get-state": {
    arguments: {
      /** A name, in which `*` stands for anything. */
      name: string;
      /** A processor, for trace points that belong to one. @deprecated */
      vcpu?: number;
    };
    returns: TraceEventInfo[];
  };
  /** Lets trace points tell, or not. */
  "trace-event-set-state": {
    arguments: {
      /** A name, in which `*` stands for anything. */
      name: string;
      /** Whether they are to tell. */
      enable: boolean;
      /** Whether trace points that are not built in are passed over. */
      "ignore-unavailable"?: boolean;
      /** A processor, for trace points that belong to one. @deprecated */
      vcpu?: number;
    };
    returns: Nothing;
  };
  /** Chooses what is done when a watchdog runs out. */
  "watchdog-set-action": {
    arguments: {
      /** What. */
      action: WatchdogAction;
    };
    returns: Nothing;
  };
  /** Makes the machine, after `-preconfig`. (unstable) */
  "x-exit-preconfig": {
    arguments: Nothing;
    returns: Nothing;
  };
  /** Tells how guest code is translated, as the human monitor's `info jit` does. (unstable) */
  "x-query-jit": {
    arguments: Nothing;
    returns: HumanReadableText;
  };
  /** Tells what is at fixed places of memory at reset, as the human monitor's `info roms` does. (unstable) */
  "x-query-roms": {
    arguments: Nothing;
    returns: HumanReadableText;
  };
  /** Cuts connections that hang, without waiting for anything. */
  yank: {
    arguments: {
      /** Which. */
      instances: YankInstance[];
    };
    returns: Nothing;
  };
}

/** Events by name: their data, if they have any. */
export interface Events {
  /** A guest opened or closed a virtio-serial port. */
  VSERPORT_CHANGE: {
    /** The port's id. */
    id: string;
    /** Whether it is open now. */
    open: boolean;
  };
  /** A dump is done. */
  DUMP_COMPLETED: {
    /** How it ended. */
    result: DumpQueryResult;
    /** Why it failed. */
    error?: string;
  };
  /** A job changed its status. */
  JOB_STATUS_CHANGE: {
    /** The job. */
    id: string;
    /** Its status now. */
    status: JobStatus;
  };
  /** The guest changed how much memory it has. */
  BALLOON_CHANGE: {
    /** How many bytes. */
    actual: number;
  };
  /** The guest changed what one of its network cards lets through: told once, until query-rx-filter asks for the new state. */
  NIC_RX_FILTER_CHANGED: {
    /** The card's id, if it has one. */
    name?: string;
    /** The card's place in the object tree. */
    path: string;
  };
  /** A device is gone. */
  DEVICE_DELETED: {
    /** Its id. */
    device?: string;
    /** Its path. */
    path: string;
  };
  /** The guest did not give a device up. */
  DEVICE_UNPLUG_GUEST_ERROR: {
    /** Its id. */
    device?: string;
    /** Its path. */
    path: string;
  };
  /** The machine was powered off, or the emulator ends. */
  SHUTDOWN: {
    /** Whether the guest asked for it. */
    guest: boolean;
    /** Why. */
    reason: ShutdownCause;
  };
  /** The power button was pressed. */
  POWERDOWN: undefined;
  /** The machine was reset. */
  RESET: {
    /** Whether the guest asked for it. */
    guest: boolean;
    /** Why. */
    reason: ShutdownCause;
  };
  /** The guest was stopped. */
  STOP: undefined;
  /** The guest was started or went on. */
  RESUME: undefined;
  /** The guest went to sleep. */
  SUSPEND: undefined;
  /** The guest was woken. */
  WAKEUP: undefined;
  /** A watchdog timer ran out. */
  WATCHDOG: {
    /** What was done. */
    action: WatchdogAction;
  };
  /** The guest reported that it crashed. */
  GUEST_PANICKED: {
    /** What was done. */
    action: GuestPanicAction;
    /** What is known of it. */
    info?: GuestPanicInformation;
  };
  /** The guest reported that it crashed and runs its crash kernel. */
  GUEST_CRASHLOADED: {
    /** What was done. */
    action: GuestPanicAction;
    /** What is known of it. */
    info?: GuestPanicInformation;
  };
}
