use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{EventSink, Events};
use crate::fake::FakeClock;
use crate::schema::{Event, WatchdogAction};

#[derive(Default)]
struct Sink(Mutex<Vec<Value>>);

impl EventSink for Sink {
    fn deliver(&self, line: &Arc<str>) {
        let value = serde_json::from_str(line).unwrap();
        self.0.lock().unwrap().push(value);
    }
}

impl Sink {
    fn take(&self) -> Vec<Value> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn bus() -> (Events, Arc<FakeClock>, Arc<Sink>) {
    let clock = Arc::new(FakeClock::default());
    let events = Events::new(clock.clone());
    let sink = Arc::new(Sink::default());
    let weak: Arc<dyn EventSink> = sink.clone();
    events.subscribe(Arc::downgrade(&weak));
    (events, clock, sink)
}

const MS: u64 = 1_000_000;

fn port(id: &str, open: bool) -> Event {
    Event::VserportChange {
        id: id.into(),
        open,
    }
}

#[test]
fn events_carry_their_time() {
    let (events, clock, sink) = bus();
    clock.0.store(1_267_020_223_435_656_789, Ordering::SeqCst);
    events.emit(&Event::Powerdown);
    let expected = json!({"event": "POWERDOWN",
        "timestamp": {"seconds": 1_267_020_223, "microseconds": 435_656}});
    assert_eq!(sink.take(), [expected]);
}

#[test]
fn the_latest_of_a_second_is_kept() {
    let (events, clock, sink) = bus();
    let watchdog = |action| Event::Watchdog { action };
    events.emit(&watchdog(WatchdogAction::None));
    assert_eq!(events.next_due_ns(), None);
    clock.0.store(100 * MS, Ordering::SeqCst);
    events.emit(&watchdog(WatchdogAction::Pause));
    clock.0.store(200 * MS, Ordering::SeqCst);
    events.emit(&watchdog(WatchdogAction::Reset));
    events.poll();
    assert_eq!(sink.take().len(), 1);
    assert_eq!(events.next_due_ns(), Some(800 * MS));

    clock.0.store(1000 * MS, Ordering::SeqCst);
    events.poll();
    let late = sink.take();
    assert_eq!(late.len(), 1);
    assert_eq!(late[0]["data"]["action"], "reset");
    // Its time is when it happened.
    assert_eq!(late[0]["timestamp"]["microseconds"], 200_000);
    // Sending it began another second.
    clock.0.store(1500 * MS, Ordering::SeqCst);
    events.emit(&watchdog(WatchdogAction::Debug));
    assert!(sink.take().is_empty());
    clock.0.store(2000 * MS, Ordering::SeqCst);
    events.poll();
    assert_eq!(sink.take().len(), 1);
    // After a quiet second there is no limit.
    clock.0.store(3000 * MS, Ordering::SeqCst);
    events.poll();
    events.emit(&watchdog(WatchdogAction::None));
    assert_eq!(sink.take().len(), 1);
}

#[test]
fn keys_are_limited_apart() {
    let (events, clock, sink) = bus();
    for open in [true, false] {
        events.emit(&port("a", open));
        events.emit(&port("b", open));
    }
    assert_eq!(sink.take().len(), 2);
    clock.0.store(1000 * MS, Ordering::SeqCst);
    events.poll();
    let mut late: Vec<_> = sink.take().iter().map(|e| e["data"].to_string()).collect();
    late.sort();
    assert_eq!(
        late,
        [r#"{"id":"a","open":false}"#, r#"{"id":"b","open":false}"#]
    );
}

#[test]
fn unlimited_events_always_come_and_keys_do_not_pile_up() {
    let (events, _, sink) = bus();
    for i in 0..5000 {
        events.emit(&Event::Stop);
        events.emit(&port(&i.to_string(), true));
    }
    assert_eq!(sink.take().len(), 10_000);
}

#[test]
fn a_sink_that_is_gone_is_forgotten() {
    let (events, _, sink) = bus();
    drop(sink);
    events.emit(&Event::Stop);
}
