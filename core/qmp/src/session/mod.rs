//! One client's conversation, without any transport.
//!
//! ```text
//! bytes -> input -> queue -> take_request -> Request::execute(vm) -> complete -> output -> lines
//!                       \-> answered here: errors, negotiation        events -> output
//! ```
//!
//! The session never waits and never touches the machine, so a transport may hold it behind a lock
//! while the machine executes a request of it. Its memory is bounded: input is offered only while
//! [`Session::wants_input`], requests are taken only while the client reads its answers.

mod output;
mod request;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};

use crate::commands::version;
use crate::error::Error;
use crate::events::EventSink;
use crate::hmp::DumpFormat;
use crate::json::{Item, Limits, Parser, write_line};
use crate::schema::{self, QMPCapability, QapiErrorClass, check};
use output::Output;
use request::{Message, Rejected};
pub use request::{Request, Response};

/// Requests that wait at most once out-of-band execution is enabled; one otherwise.
pub const QUEUE_LEN: usize = 8;

/// What a monitor remembers between commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Monitor {
    /// The processor that its commands speak of.
    pub cpu: usize,
    /// How it last showed memory.
    pub dump: DumpFormat,
}

/// How far the negotiation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Only `qmp_capabilities` is accepted.
    Negotiating,
    /// All commands are; whether out-of-band execution is enabled.
    Commands { oob: bool },
}

/// A client's conversation.
#[derive(Debug)]
pub struct Session {
    parser: Parser,
    /// Input that is not parsed yet, from `parsed` on.
    input: Vec<u8>,
    parsed: usize,
    mode: Mode,
    queue: VecDeque<Result<Message, Rejected>>,
    oob: VecDeque<Request>,
    /// Whether a request of the queue is being executed.
    running: bool,
    monitor: Monitor,
    output: Output,
}

impl Default for Session {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Session {
    /// A conversation with a client that has just connected; the greeting is in the output.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let mut output = Output::default();
        let greeting = json!({"QMP": {"version": version(), "capabilities": ["oob"]}});
        output.answer(write_line(&greeting));
        Self {
            parser: Parser::new(limits),
            input: Vec::new(),
            parsed: 0,
            mode: Mode::Negotiating,
            queue: VecDeque::new(),
            oob: VecDeque::new(),
            running: false,
            monitor: Monitor::default(),
            output,
        }
    }

    /// Whether the transport should read on. It should not while bytes wait to be parsed: then the
    /// queue is full, or the client has to read its answers first.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        self.input.is_empty()
    }

    /// Whether nothing is left to do: all that came in is parsed, executed, answered and taken.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.input.is_empty()
            && self.queue.is_empty()
            && self.oob.is_empty()
            && !self.running
            && self.output.is_empty()
    }

    /// Takes bytes from the client, cut anywhere. To be called while [`Self::wants_input`]: then
    /// what is kept is no more than one transport's chunk.
    pub fn input(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        self.advance();
    }

    /// Answers with an error in its turn, for what a transport could not take as input.
    pub fn refuse(&mut self, why: &str) {
        self.queue.push_back(Err(Rejected {
            id: None,
            error: Error::generic(why),
            oob: false,
        }));
        self.advance();
    }

    /// The next line for the client, if there is one.
    pub fn output(&mut self) -> Option<Arc<str>> {
        let line = self.output.take()?;
        self.advance();
        Some(line)
    }

    /// Whether there is output.
    #[must_use]
    pub fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Whether the client read its events so slowly that some are lost. It should be disconnected.
    #[must_use]
    pub fn overrun(&self) -> bool {
        self.output.overrun()
    }

    /// Whether [`Self::take_request`] has one.
    #[must_use]
    pub fn has_request(&self) -> bool {
        !self.oob.is_empty() || (!self.running && !self.queue.is_empty() && !self.output.full())
    }

    /// Takes the next request to execute: an out-of-band one, or the first of the queue when none
    /// of it is being executed. Each one taken is answered by [`Self::complete`].
    pub fn take_request(&mut self) -> Option<Request> {
        if let Some(mut request) = self.oob.pop_front() {
            request.monitor = self.monitor;
            return Some(request);
        }
        if self.running || self.output.full() {
            return None;
        }
        while let Some(next) = self.queue.pop_front() {
            match next.and_then(|message| self.resolve(message, false)) {
                Ok(Some(request)) => {
                    self.running = true;
                    // The queue has room again.
                    self.advance();
                    return Some(request);
                }
                Ok(None) => {}
                Err(rejected) => self.reject(rejected),
            }
        }
        None
    }

    /// Answers a request that was taken.
    pub fn complete(&mut self, response: Response) {
        self.monitor = response.monitor;
        if !response.oob {
            self.running = false;
        }
        self.answer(response.id, response.result);
        self.advance();
    }

    /// Tells the client of an event, if it has negotiated.
    pub fn event(&mut self, line: &Arc<str>) {
        if self.mode != Mode::Negotiating {
            self.output.event(line);
        }
    }

    fn oob_enabled(&self) -> bool {
        self.mode == Mode::Commands { oob: true }
    }

    /// Whether another message may be parsed.
    fn accepts(&self) -> bool {
        let room = if self.oob_enabled() {
            self.queue.len() < QUEUE_LEN
        } else {
            self.queue.is_empty() && !self.running
        };
        room && self.oob.len() < QUEUE_LEN && !self.output.full() && !self.output.overrun()
    }

    /// Parses as much as the queue takes, and answers what needs no machine.
    fn advance(&mut self) {
        loop {
            self.settle();
            if self.parsed == self.input.len() {
                self.input.clear();
                self.parsed = 0;
                return;
            }
            if !self.accepts() {
                return;
            }
            let mut rest = &self.input[self.parsed..];
            let item = self.parser.next(&mut rest);
            self.parsed = self.input.len() - rest.len();
            match item {
                Some(Item::Value(value)) => self.receive(value),
                Some(Item::Error(text)) => self.queue.push_back(Err(Rejected {
                    id: None,
                    error: Error::generic(text),
                    oob: false,
                })),
                None => {}
            }
        }
    }

    /// Queues a message, or runs it now if it is out of band.
    fn receive(&mut self, value: Value) {
        let message = request::parse(value, self.oob_enabled());
        match message {
            Ok(message) if message.oob => match self.resolve(message, true) {
                Ok(Some(request)) => self.oob.push_back(request),
                Ok(None) => {}
                Err(rejected) => self.reject(rejected),
            },
            Err(rejected) if rejected.oob => self.reject(rejected),
            other => self.queue.push_back(other),
        }
    }

    /// Answers the front of the queue as far as that needs no machine.
    fn settle(&mut self) {
        while !self.running && !self.output.full() {
            let local = match self.queue.front() {
                Some(Ok(message)) => {
                    self.mode == Mode::Negotiating || message.command == CAPABILITIES
                }
                Some(Err(_)) => true,
                None => false,
            };
            if !local {
                return;
            }
            match self.queue.pop_front() {
                Some(Ok(message)) => {
                    // With the negotiation's commands alone there is never a request.
                    if let Err(rejected) = self.resolve(message, false) {
                        self.reject(rejected);
                    }
                }
                Some(Err(rejected)) => self.reject(rejected),
                None => {}
            }
        }
    }

    /// Finds the message's command and checks its arguments. The negotiation is answered here.
    fn resolve(&mut self, mut message: Message, oob: bool) -> Result<Option<Request>, Rejected> {
        schema::old_forms(&message.command, &mut message.arguments);
        let result = self.admit(&message, oob);
        let Message { id, arguments, .. } = message;
        match result {
            Ok(Some(definition)) => Ok(Some(Request {
                id,
                definition,
                arguments: arguments.into(),
                monitor: self.monitor,
                oob,
            })),
            Ok(None) => {
                self.answer(id, Ok(Value::Object(Map::new())));
                Ok(None)
            }
            Err(error) => Err(Rejected { id, error, oob }),
        }
    }

    fn admit(
        &mut self,
        message: &Message,
        oob: bool,
    ) -> Result<Option<&'static crate::schema::CommandDefinition>, Error> {
        let refused = |text: &str| Error {
            class: QapiErrorClass::CommandNotFound,
            message: text.into(),
        };
        let capabilities = message.command == CAPABILITIES;
        match self.mode {
            Mode::Negotiating if !capabilities => {
                return Err(refused(
                    "Expecting capabilities negotiation with 'qmp_capabilities'",
                ));
            }
            Mode::Commands { .. } if capabilities => {
                return Err(refused(
                    "Capabilities negotiation is already complete, command ignored",
                ));
            }
            _ => {}
        }
        let definition = crate::schema::command(&message.command)
            .ok_or_else(|| Error::command_not_found(&message.command))?;
        if oob && !definition.oob {
            return Err(Error::generic(format!(
                "The command {} does not support OOB",
                definition.name
            )));
        }
        check(definition, &message.arguments)?;
        if !capabilities {
            return Ok(Some(definition));
        }
        let enable = message.arguments.get("enable").and_then(Value::as_array);
        let oob = enable.is_some_and(|list| list.iter().any(|c| c == QMPCapability::Oob.as_str()));
        self.mode = Mode::Commands { oob };
        Ok(None)
    }

    fn reject(&mut self, rejected: Rejected) {
        self.answer(rejected.id, Err(rejected.error));
    }

    fn answer(&mut self, id: Option<Value>, result: Result<Value, Error>) {
        let mut message = Map::new();
        match result {
            Ok(value) => message.insert("return".into(), value),
            Err(error) => message.insert("error".into(), error.to_value()),
        };
        if let Some(id) = id {
            message.insert("id".into(), id);
        }
        self.output.answer(write_line(&message.into()));
    }
}

/// The command that ends the negotiation.
const CAPABILITIES: &str = "qmp_capabilities";

/// A session by itself as a subscriber, for hosts that look for output anyway.
impl EventSink for Mutex<Session> {
    fn deliver(&self, line: &Arc<str>) {
        self.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .event(line);
    }
}
