//! The board as the CPUs see it: accesses to what is at an address, the counter, the interrupt
//! controller's registers, and calls to firmware.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ferrite_aarch64::platform::{
    AfterCall, BusError, Conduit, FirmwareResult, InterruptLines, Maintenance, PhysPage, Platform,
};
use ferrite_devices::gic::Frame;
use ferrite_machine::RegionKind;
use ferrite_machine::trace::Point;
use ferrite_ram::{GuestPhys, GuestRam};

use super::super::tracing::Access;
use super::{Board, COUNTER_FREQUENCY, GIC, frame, page_of, time_to_counter};

impl Board {
    /// The region and offset that an access of `bytes` bytes at `at` goes to.
    pub(super) fn target(&self, at: GuestPhys, bytes: u64) -> Result<(RegionKind, u64), BusError> {
        let map = self.map.read().unwrap_or_else(|poison| poison.into_inner());
        let (region, offset) = map.find(at).ok_or(BusError)?;
        if bytes > region.len - offset {
            return Err(BusError);
        }
        Ok((region.kind, offset))
    }

    fn read_target(&mut self, cpu: usize, at: GuestPhys, bytes: u64) -> Result<u64, BusError> {
        match self.target(at, bytes)? {
            (RegionKind::Device(GIC, frame), offset) => self
                .gic_frame_read(cpu, frame, offset, bytes)
                .map_err(|_| BusError),
            (RegionKind::Device(id, region), offset) => self
                .with_device(id, |device, cx| device.read(cx, region, offset, bytes))
                .unwrap_or(Err(ferrite_machine::BusError))
                .map_err(|_| BusError),
            (RegionKind::Ram(base) | RegionKind::Rom(base, _), offset) => {
                let mut data = [0; 8];
                let data_len = data.len().min(bytes as usize);
                self.ram
                    .read_bytes(base.offset(offset), &mut data[..data_len])
                    .ok_or(BusError)?;
                Ok(u64::from_le_bytes(data))
            }
        }
    }

    fn write_target(
        &mut self,
        cpu: usize,
        at: GuestPhys,
        bytes: u64,
        value: u64,
    ) -> Result<(), BusError> {
        match self.target(at, bytes)? {
            (RegionKind::Device(GIC, frame), offset) => self
                .gic_frame_write(cpu, frame, offset, bytes, value)
                .map_err(|_| BusError),
            (RegionKind::Device(id, region) | RegionKind::Rom(_, Some((id, region))), offset) => {
                self.with_device(id, |device, cx| {
                    device.write(cx, region, offset, bytes, value)
                })
                .unwrap_or(Err(ferrite_machine::BusError))
                .map_err(|_| BusError)
            }
            (RegionKind::Rom(..), _) => Ok(()),
            (RegionKind::Ram(base), offset) => {
                let data = value.to_le_bytes();
                let data = data.get(..bytes as usize).ok_or(BusError)?;
                self.ram
                    .write_bytes(base.offset(offset), data)
                    .ok_or(BusError)
            }
        }
    }

    fn gic_frame_read(
        &mut self,
        cpu: usize,
        number: usize,
        offset: u64,
        bytes: u64,
    ) -> Result<u64, ferrite_machine::BusError> {
        match number {
            frame::DISTRIBUTOR => self.gic.read(cpu, Frame::Distributor, offset, bytes),
            frame::CPU_INTERFACE => self.gic.read(cpu, Frame::CpuInterface, offset, bytes),
            frame::REDISTRIBUTORS => self.gic.read(cpu, Frame::Redistributors, offset, bytes),
            frame::ITS => self.its.read(offset, bytes),
            _ => self.v2m.read(offset, bytes),
        }
    }

    fn gic_frame_write(
        &mut self,
        cpu: usize,
        number: usize,
        offset: u64,
        bytes: u64,
        value: u64,
    ) -> Result<(), ferrite_machine::BusError> {
        match number {
            frame::DISTRIBUTOR => self
                .gic
                .write(cpu, Frame::Distributor, offset, bytes, value),
            frame::CPU_INTERFACE => self
                .gic
                .write(cpu, Frame::CpuInterface, offset, bytes, value),
            frame::REDISTRIBUTORS => {
                self.gic
                    .write(cpu, Frame::Redistributors, offset, bytes, value)
            }
            frame::ITS => {
                let written = self.with_its(|its, cx| its.write(cx, offset, bytes, value));
                written.unwrap_or(Err(ferrite_machine::BusError))
            }
            _ => {
                if let Some(spi) = self.v2m.write(offset, bytes, value)? {
                    self.gic.pulse_spi(spi);
                }
                Ok(())
            }
        }
    }
}

impl Platform for Board {
    fn ram(&self) -> &Arc<GuestRam> {
        &self.ram
    }

    fn page(&self, at: GuestPhys) -> PhysPage {
        let map = self.map.read().unwrap_or_else(|poison| poison.into_inner());
        page_of(&map, at)
    }

    fn map_generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn read(&mut self, cpu: usize, at: GuestPhys, bytes: u64) -> Result<u64, BusError> {
        let result = self.read_target(cpu, at, bytes);
        if self.trace.any() {
            self.trace_access(Access {
                cpu,
                at,
                bytes,
                value: result.unwrap_or_default(),
                write: false,
            });
        }
        result
    }

    fn write(&mut self, cpu: usize, at: GuestPhys, bytes: u64, value: u64) -> Result<(), BusError> {
        if self.trace.any() {
            self.trace_access(Access {
                cpu,
                at,
                bytes,
                value,
                write: true,
            });
        }
        self.write_target(cpu, at, bytes, value)
    }

    fn counter(&self) -> u64 {
        time_to_counter(self.clock.now())
    }

    fn counter_frequency(&self) -> u64 {
        COUNTER_FREQUENCY
    }

    fn gic_read(&mut self, cpu: usize, register: u32) -> Option<u64> {
        self.gic.sysreg_read(cpu, register)
    }

    fn gic_write(&mut self, cpu: usize, register: u32, value: u64) -> Option<()> {
        self.gic.sysreg_write(cpu, register, value)
    }

    fn has_gic_registers(&self) -> bool {
        self.gic.has_system_registers()
    }

    fn interrupts(&self, cpu: usize) -> Option<InterruptLines> {
        Some(self.lines(cpu))
    }

    fn firmware_call(
        &mut self,
        cpu: usize,
        conduit: Conduit,
        arguments: [u64; 4],
    ) -> Option<FirmwareResult> {
        if conduit != Conduit::Hvc {
            return None;
        }
        self.trace.tell(Point::PsciCall, || {
            format!("cpu {cpu} arguments {arguments:x?}")
        });
        let Some(answer) = self.psci.call(cpu, arguments) else {
            // Unknown services answer "not supported" by the SMC calling convention.
            return Some(FirmwareResult {
                x0: u64::MAX,
                then: AfterCall::Continue,
            });
        };
        self.requests.extend(answer.request);
        self.owner_due |= !self.requests.is_empty();
        Some(answer.result)
    }

    fn send_event(&mut self, _cpu: usize) {
        self.events = true;
    }

    fn broadcast(&mut self, cpu: usize, maintenance: Maintenance) {
        self.trace.tell(Point::TlbMaintenance, || {
            format!("cpu {cpu} {maintenance:?}")
        });
        self.maintenance.push((cpu, maintenance));
    }
}
