//! The SCSI host device (the spec, section 5.6): carries commands to the units of a bus.
//!
//! As with disks, a command's data is moved in pieces of at most [`CHUNK`] bytes, one at a time.

mod job;
pub mod spec;

#[cfg(test)]
mod tests;

use ferrite_machine::trace::Point;
use std::collections::BTreeMap;

use self::job::Job;
use self::spec::{
    CDB_BYTES, CONFIG_SIZES, EVENT_BYTES, HEADER_BYTES, RESPONSE_BYTES, SENSE_BYTES, control,
    event, feature, queue, response, task,
};
use super::device::{VirtioCx, VirtioDevice};
use super::queue::Chain;
use super::spec::{MAX_QUEUE_SIZE, device_type};
use crate::scsi::bus::{MAX_LUN, MAX_TARGET, Units};
use crate::scsi::disk::execute_absent;
use crate::scsi::spec::{CHECK_CONDITION, GOOD, Sense};
use crate::scsi::{BusEvent, Outcome, ScsiBus, ScsiDisk, UnitAddress};

/// Most bytes of one command at the backend at a time.
pub const CHUNK: u64 = 1 << 20;
/// Bytes at backends from which on no new command is started.
const MAX_BYTES_IN_FLIGHT: u64 = 32 << 20;
/// Most commands or pieces of them handled in one call.
const MAX_STEPS: usize = 128;
/// Most control requests handled in one call.
const MAX_CONTROL: usize = 32;
/// Most bytes of parameters that a command takes.
const MAX_PARAMETERS: usize = 8 << 10;
/// Entries of each queue.
const QUEUE: u16 = 256;

/// `virtio-scsi`.
pub struct VirtioScsi {
    // Wiring.
    bus: ScsiBus,
    // Guest-visible.
    cdb_bytes: u32,
    sense_bytes: u32,
    // Commands at backends, by tag. Tags are never used twice.
    jobs: BTreeMap<u64, Job>,
    next_tag: u64,
    bytes_in_flight: u64,
}

/// How a command ends.
struct End {
    response: u8,
    status: u8,
    sense: Option<Sense>,
    /// Bytes of data that were not moved.
    residual: u64,
}

impl End {
    fn refused(response: u8) -> Self {
        Self {
            response,
            status: GOOD,
            sense: None,
            residual: 0,
        }
    }

    fn check(sense: Sense, residual: u64) -> Self {
        Self {
            response: response::OK,
            status: CHECK_CONDITION,
            sense: Some(sense),
            residual,
        }
    }

    fn good(residual: u64) -> Self {
        Self {
            residual,
            ..Self::refused(response::OK)
        }
    }
}

/// The unit that eight bytes name, by the single-level structure of the spec.
fn address(lun: [u8; 8]) -> Option<UnitAddress> {
    let [1, target, high, low, ..] = lun else {
        return None;
    };
    let number = u16::from_be_bytes([high, low]);
    match high >> 6 {
        0 if high == 0 => Some(UnitAddress {
            target,
            lun: number,
        }),
        1 => Some(UnitAddress {
            target,
            lun: number & MAX_LUN,
        }),
        _ => None,
    }
}

/// How an event names a unit: as REPORT LUNS does, which is what Linux compares it with.
fn lun_bytes(unit: UnitAddress) -> [u8; 8] {
    let [high, low] = unit.lun.to_be_bytes();
    let method = if unit.lun < 256 { 0 } else { 0x40 };
    [1, unit.target, high | method, low, 0, 0, 0, 0]
}

impl VirtioScsi {
    /// An adapter for the units of `bus`.
    #[must_use]
    pub fn new(bus: ScsiBus) -> Self {
        Self {
            bus,
            cdb_bytes: CDB_BYTES,
            sense_bytes: SENSE_BYTES,
            jobs: BTreeMap::new(),
            next_tag: 0,
            bytes_in_flight: 0,
        }
    }

    /// Where data begins among the bytes that the device writes.
    fn answer_len(&self) -> u64 {
        RESPONSE_BYTES + u64::from(self.sense_bytes)
    }

    /// Where data begins among the bytes that it reads.
    fn command_len(&self) -> u64 {
        HEADER_BYTES + u64::from(self.cdb_bytes)
    }

    /// Writes a command's response and hands it back.
    fn complete(&self, cx: &mut VirtioCx<'_>, chain: Chain, end: End) {
        let mut bytes = vec![0; self.answer_len() as usize];
        let sense = end.sense.map(Sense::fixed);
        let sense = sense.as_ref().map_or(&[][..], |sense| &sense[..]);
        let sense = &sense[..sense.len().min(self.sense_bytes as usize)];
        bytes[..4].copy_from_slice(&(sense.len() as u32).to_le_bytes());
        let residual = u32::try_from(end.residual).unwrap_or(u32::MAX);
        bytes[4..8].copy_from_slice(&residual.to_le_bytes());
        (bytes[10], bytes[11]) = (end.status, end.response);
        bytes[RESPONSE_BYTES as usize..][..sense.len()].copy_from_slice(sense);
        let data = chain.writable_len() - self.answer_len();
        if cx.write(&chain, 0, &bytes).is_some() {
            cx.push(
                queue::REQUEST,
                chain,
                self.answer_len() + data.saturating_sub(end.residual),
            );
        }
    }

    /// Takes a command from its queue.
    fn start(&mut self, cx: &mut VirtioCx<'_>, units: &mut Units, chain: Chain) {
        let (command_len, answer_len) = (self.command_len(), self.answer_len());
        if chain.readable_len() < command_len || chain.writable_len() < answer_len {
            cx.bad_request("a SCSI request is too short");
            return;
        }
        let Some(header) = cx.read_vec(&chain, 0, command_len as usize) else {
            return;
        };
        let mut cdb = [0; CDB_BYTES as usize];
        let told = header.get(HEADER_BYTES as usize..).unwrap_or_default();
        for (to, from) in cdb.iter_mut().zip(told) {
            *to = *from;
        }
        let lun = header.first_chunk().copied().and_then(address);
        let Some(unit) = lun.filter(|unit| !units.luns(unit.target).is_empty()) else {
            self.complete(cx, chain, End::refused(response::BAD_TARGET));
            return;
        };
        cx.dma.trace().tell(Point::ScsiCommand, || {
            let (target, lun) = (unit.target, unit.lun);
            format!("target {target} lun {lun} command {:#04x}", cdb[0])
        });
        let id = header.get(8..16).and_then(|id| id.try_into().ok());
        let id = id.map_or(0, u64::from_le_bytes);
        let (sent, room) = (
            chain.readable_len() - command_len,
            chain.writable_len() - answer_len,
        );
        let parameters = if ScsiDisk::takes_parameters(&cdb) {
            cx.read_vec(&chain, command_len, MAX_PARAMETERS)
        } else {
            Some(Vec::new())
        };
        let Some(parameters) = parameters else { return };
        let luns = units.luns(unit.target);
        let outcome = match units.units.get_mut(&unit) {
            Some(disk) => disk.execute(&cdb, &parameters, &luns),
            None => execute_absent(&cdb, unit.lun, &luns),
        };
        let end = match outcome {
            Outcome::Done(data) => {
                let len = (data.len() as u64).min(room);
                if cx
                    .write(&chain, answer_len, &data[..len as usize])
                    .is_none()
                {
                    return;
                }
                if data.len() as u64 > room {
                    End::refused(response::OVERRUN)
                } else {
                    End::good(room - len)
                }
            }
            Outcome::Check(sense) => End::check(sense, sent.max(room)),
            Outcome::Work(work) => {
                let job = Job::new(chain, unit, id, work);
                if !job.has_room(sent, room) {
                    let end = End::refused(response::OVERRUN);
                    self.complete(cx, job.chain, end);
                } else {
                    self.go_on(cx, units, job);
                }
                return;
            }
        };
        self.complete(cx, chain, end);
    }

    /// Hands the next piece of a command to its unit's backend, or ends it.
    fn go_on(&mut self, cx: &mut VirtioCx<'_>, units: &mut Units, mut job: Job) {
        let backend = units.units.get_mut(&job.unit).and_then(ScsiDisk::backend);
        let Some(backend) = backend else {
            self.complete(cx, job.chain, End::refused(response::BAD_TARGET));
            return;
        };
        let sent = (self.command_len(), self.answer_len());
        let Some(request) = job.next(cx, sent.0) else {
            let moved = job.moved();
            let data = (job.chain.readable_len() - sent.0).max(job.chain.writable_len() - sent.1);
            self.complete(cx, job.chain, End::good(data.saturating_sub(moved)));
            return;
        };
        let Some(request) = cx.check(request) else {
            return;
        };
        self.bytes_in_flight += job.memory();
        let tag = self.next_tag;
        self.next_tag += 1;
        self.jobs.insert(tag, job);
        backend.submit(tag, request);
    }

    /// Takes one finished piece from the backends; false if there is none.
    fn finish_one(&mut self, cx: &mut VirtioCx<'_>, units: &mut Units) -> bool {
        let done = units
            .units
            .values_mut()
            .find_map(|unit| unit.backend()?.poll());
        let Some(done) = done else { return false };
        let Some(mut job) = self.jobs.remove(&done.tag) else {
            // What was given up.
            return true;
        };
        self.bytes_in_flight -= job.memory();
        match done.result {
            Ok(data) if job.takes(&data) => {
                // Only what was read has data, whose place is known.
                let place = |job: &Job| self.answer_len() + job.moved();
                if data.is_empty() || cx.write(&job.chain, place(&job), &data).is_some() {
                    job.piece_done();
                    self.go_on(cx, units, job);
                }
            }
            _ => {
                let sense = job.failure();
                self.complete(cx, job.chain, End::check(sense, 0));
            }
        }
        true
    }

    /// Gives commands up.
    fn abort(&mut self, cx: &mut VirtioCx<'_>, which: impl Fn(&Job) -> bool, why: u8) -> bool {
        let given_up: Vec<_> = self.jobs.extract_if(.., |_, job| which(job)).collect();
        let any = !given_up.is_empty();
        for (_, job) in given_up {
            self.bytes_in_flight -= job.memory();
            self.complete(cx, job.chain, End::refused(why));
        }
        any
    }

    fn take_commands(&mut self, cx: &mut VirtioCx<'_>, units: &mut Units) {
        self.abort(
            cx,
            |job| !units.units.contains_key(&job.unit),
            response::BAD_TARGET,
        );
        for _ in 0..MAX_STEPS {
            if self.finish_one(cx, units) {
                continue;
            }
            let room = self.bytes_in_flight < MAX_BYTES_IN_FLIGHT
                && self.jobs.len() < usize::from(MAX_QUEUE_SIZE);
            let Some(chain) = room.then(|| cx.pop(queue::REQUEST)).flatten() else {
                return;
            };
            self.start(cx, units, chain);
        }
        cx.again();
    }

    fn take_control(&mut self, cx: &mut VirtioCx<'_>, units: &mut Units) {
        for _ in 0..MAX_CONTROL {
            let Some(chain) = cx.pop(queue::CONTROL) else {
                return;
            };
            let Some(asked) = cx.read_vec(&chain, 0, 24) else {
                return;
            };
            let word = |at: usize| {
                let word = asked.get(at..at + 4).and_then(|word| word.try_into().ok());
                word.map(u32::from_le_bytes)
            };
            let answer = match (word(0), word(4), asked.get(8..24)) {
                (Some(control::TASK_MANAGEMENT), Some(function), Some(rest)) => {
                    vec![self.manage(cx, units, function, rest)]
                }
                // There are no notifications.
                (
                    Some(control::NOTIFICATION_QUERY | control::NOTIFICATION_SUBSCRIBE),
                    Some(_),
                    _,
                ) => vec![0, 0, 0, 0, response::OK],
                _ => {
                    cx.bad_request("a SCSI control request is unknown or too short");
                    return;
                }
            };
            let Some(written) = cx.write(&chain, 0, &answer) else {
                return;
            };
            cx.push(queue::CONTROL, chain, written as u64);
        }
        cx.again();
    }

    /// Task management; `rest` is the unit's address and the command's number.
    fn manage(
        &mut self,
        cx: &mut VirtioCx<'_>,
        units: &mut Units,
        function: u32,
        rest: &[u8],
    ) -> u8 {
        let (Some(lun), Some(id)) = (rest.first_chunk::<8>(), rest.last_chunk::<8>()) else {
            return response::FAILURE;
        };
        let id = u64::from_le_bytes(*id);
        let unit = address(*lun);
        let Some(unit) = unit.filter(|unit| !units.luns(unit.target).is_empty()) else {
            return response::BAD_TARGET;
        };
        if function != task::NEXUS_RESET && !units.units.contains_key(&unit) {
            return response::INCORRECT_LUN;
        }
        let of_unit = |job: &Job| job.unit == unit;
        let this = |job: &Job| job.unit == unit && job.id == id;
        let succeeded = |found: bool| match found {
            true => response::FUNCTION_SUCCEEDED,
            false => response::OK,
        };
        match function {
            task::ABORT => {
                self.abort(cx, this, response::RESET);
                response::OK
            }
            task::ABORT_SET | task::CLEAR_SET => {
                self.abort(cx, of_unit, response::RESET);
                response::OK
            }
            task::UNIT_RESET => {
                self.abort(cx, of_unit, response::RESET);
                if let Some(disk) = units.units.get_mut(&unit) {
                    disk.reset();
                }
                response::OK
            }
            task::NEXUS_RESET => {
                let same = |job: &Job| job.unit.target == unit.target;
                self.abort(cx, same, response::RESET);
                let all = units.units.iter_mut();
                for (_, disk) in all.filter(|(place, _)| place.target == unit.target) {
                    disk.reset();
                }
                response::OK
            }
            task::QUERY => succeeded(self.jobs.values().any(this)),
            task::QUERY_SET => succeeded(self.jobs.values().any(of_unit)),
            _ => response::FUNCTION_REJECTED,
        }
    }

    /// Tells the driver of units that came and went.
    fn tell_events(&self, cx: &mut VirtioCx<'_>, units: &mut Units) {
        if !cx.has(feature::HOTPLUG) {
            units.events.clear();
            units.missed = false;
            return;
        }
        while units.missed || !units.events.is_empty() {
            let Some(chain) = cx.pop(queue::EVENT) else {
                return;
            };
            let missed = if std::mem::take(&mut units.missed) {
                event::MISSED
            } else {
                0
            };
            let (kind, unit, reason) = match units.events.pop_front() {
                Some(BusEvent::Added(unit)) => (event::TRANSPORT_RESET, Some(unit), event::RESCAN),
                Some(BusEvent::Removed(unit)) => {
                    (event::TRANSPORT_RESET, Some(unit), event::REMOVED)
                }
                None => (event::NONE, None, 0),
            };
            let mut bytes = Vec::with_capacity(EVENT_BYTES);
            bytes.extend((kind | missed).to_le_bytes());
            bytes.extend(unit.map_or([0; 8], lun_bytes));
            bytes.extend(reason.to_le_bytes());
            let Some(written) = cx.write(&chain, 0, &bytes) else {
                return;
            };
            cx.push(queue::EVENT, chain, written as u64);
        }
    }

    fn work(&mut self, cx: &mut VirtioCx<'_>) {
        let bus = self.bus.clone();
        let mut units = bus.lock();
        self.take_control(cx, &mut units);
        self.take_commands(cx, &mut units);
        self.tell_events(cx, &mut units);
    }

    fn forget(&mut self) {
        self.jobs.clear();
        self.bytes_in_flight = 0;
    }
}

impl VirtioDevice for VirtioScsi {
    fn device_type(&self) -> u32 {
        device_type::SCSI
    }

    fn name(&self) -> &'static str {
        "virtio-scsi"
    }

    fn features(&self) -> u64 {
        feature::HOTPLUG | feature::CHANGE
    }

    fn queue_sizes(&self) -> Vec<u16> {
        vec![QUEUE; 3]
    }

    fn config(&self) -> Vec<u8> {
        let mut config = Vec::with_capacity(36);
        // One queue for commands; segments, sectors and commands at a time.
        for word in [1, u32::from(QUEUE) - 2, 0xffff, 128] {
            config.extend(word.to_le_bytes());
        }
        config.extend((EVENT_BYTES as u32).to_le_bytes());
        config.extend(self.sense_bytes.to_le_bytes());
        config.extend(self.cdb_bytes.to_le_bytes());
        // One channel.
        config.extend(0_u16.to_le_bytes());
        config.extend(u16::from(MAX_TARGET).to_le_bytes());
        config.extend(u32::from(MAX_LUN).to_le_bytes());
        config
    }

    fn write_config(&mut self, offset: usize, data: &[u8]) {
        let mut config = self.config();
        let end = CONFIG_SIZES + 8;
        if offset < CONFIG_SIZES || offset.saturating_add(data.len()) > end {
            return;
        }
        config[offset..offset + data.len()].copy_from_slice(data);
        let word = |at: usize| {
            let word = config.get(at..at + 4).and_then(|word| word.try_into().ok());
            word.map_or(0, u32::from_le_bytes)
        };
        // Sizes that are none, or beyond all reason, change nothing.
        let (sense, cdb) = (word(CONFIG_SIZES), word(CONFIG_SIZES + 4));
        if (1..=256).contains(&cdb) && sense <= 65_536 {
            (self.sense_bytes, self.cdb_bytes) = (sense, cdb);
        }
    }

    fn notify(&mut self, cx: &mut VirtioCx<'_>, _queue: usize) {
        self.work(cx);
    }

    fn poll(&mut self, cx: &mut VirtioCx<'_>) {
        self.work(cx);
    }

    fn reset(&mut self) {
        self.forget();
        (self.cdb_bytes, self.sense_bytes) = (CDB_BYTES, SENSE_BYTES);
        let bus = self.bus.clone();
        let mut units = bus.lock();
        units.events.clear();
        units.missed = false;
        for unit in units.units.values_mut() {
            unit.reset();
        }
    }

    fn reset_queue(&mut self, queue: usize) {
        if queue == queue::REQUEST {
            self.forget();
        }
    }
}
