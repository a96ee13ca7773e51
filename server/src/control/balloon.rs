//! The memory balloon: what monitors ask of it and hear of it.

use ferrite_devices::virtio::balloon::BalloonControl;
use ferrite_devices::virtio::balloon::spec::STATS;
use ferrite_qmp::error::Error;
use ferrite_qmp::schema::BalloonInfo;
use ferrite_qmp::{Event, Events, VmControl};
use ferrite_vm::Vm;
use serde_json::{Map, Value, json};

use super::{Control, Facts};
use ferrite_monitor::memory::ram_ranges;

/// The property that says how often the guest is asked for statistics.
pub(super) const INTERVAL: &str = "guest-stats-polling-interval";

fn bytes(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn total(vm: &Vm) -> u64 {
    ram_ranges(vm).iter().map(|(_, len)| len).sum()
}

/// Tells monitors of memory that the guest gave up or took back.
pub(super) fn announce(vm: &Vm, facts: &Facts, events: &Events) {
    if let Some((_, balloon)) = &facts.backends.balloon
        && let Some(given_up) = balloon.take_change()
    {
        events.emit(&Event::BalloonChange {
            actual: bytes(total(vm).saturating_sub(given_up)),
        });
    }
}

fn hand<'a>(control: &'a Control<'_>) -> Result<&'a BalloonControl, Error> {
    let balloon = control.facts.backends.balloon.as_ref();
    balloon
        .map(|(_, balloon)| balloon)
        .ok_or_else(Error::no_balloon)
}

/// How much memory the guest has.
pub(super) fn info(control: &Control<'_>) -> Result<BalloonInfo, Error> {
    let given_up = hand(control)?.given_up();
    Ok(BalloonInfo {
        actual: bytes(control.base_memory().saturating_sub(given_up)),
    })
}

/// Asks the guest to keep so many bytes.
pub(super) fn set_target(control: &mut Control<'_>, keep: i64) -> Result<(), Error> {
    let balloon = hand(control)?;
    let keep = u64::try_from(keep)
        .ok()
        .filter(|keep| *keep > 0)
        .ok_or_else(|| Error::generic("Parameter 'target' expects a size"))?;
    balloon.set_target(control.base_memory().saturating_sub(keep));
    control.vm.poll_devices();
    Ok(())
}

/// What the guest told of its memory, as the property `guest-stats`.
pub(super) fn stats(balloon: &BalloonControl) -> Value {
    let told = balloon.stats();
    let values = STATS.iter().zip(told.values);
    let values: Map<String, Value> = values
        .map(|(name, value)| ((*name).to_owned(), value.into()))
        .collect();
    json!({ "last-update": told.last_update, "stats": values })
}

/// Sets how often the guest is asked for statistics.
pub(super) fn set_interval(control: &mut Control<'_>, value: &Value) -> Result<(), Error> {
    let balloon = hand(control)?;
    let seconds = value.as_i64().ok_or_else(|| {
        Error::generic(format!(
            "Invalid parameter type for '{INTERVAL}', expected: integer"
        ))
    })?;
    if seconds < 0 {
        return Err(Error::generic("timer value must be greater than zero"));
    }
    let seconds = u32::try_from(seconds).map_err(|_| Error::generic("timer value is too big"))?;
    balloon.set_polling_interval(seconds);
    control.vm.poll_devices();
    Ok(())
}
