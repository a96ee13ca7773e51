//! The host's side of what monitors ask for: descriptors, objects, character back ends.

mod chardevs;
pub mod credentials;
mod fds;
mod object_properties;
mod object_text;
mod objects;
mod options;

use std::io;

use ferrite_cli::CommandLine;
use ferrite_qmp::HostControl;
use ferrite_qmp::control::Attachment;
use ferrite_qmp::dump::DumpState;
use ferrite_qmp::error::Error;
use ferrite_qmp::jobs::Jobs;
use ferrite_qmp::qom::Property;
use ferrite_qmp::schema::{
    AddfdInfo, ChardevBackend, ChardevBackendKind, ChardevInfo, ChardevReturn,
    CommandLineOptionInfo, FdsetInfo, IOThreadInfo, Memdev, ObjectOptions, ObjectType,
};

use serde_json::Value;

use crate::chardev::inherited;
use crate::chardev::ringbuf::RingBuf;
use crate::launch::{CharFacts, Characters};
use fds::Descriptors;
use objects::Objects;

/// What belongs to the process rather than to the machine.
pub struct HostSide {
    /// Character back ends.
    pub characters: Characters,
    descriptors: Descriptors,
    objects: Objects,
    dump: DumpState,
    jobs: Jobs,
}

impl HostSide {
    /// With these back ends, and nothing else yet.
    #[must_use]
    pub fn new(characters: Characters) -> Self {
        let credentials = characters.credentials().clone();
        Self {
            characters,
            descriptors: Descriptors::default(),
            objects: Objects::new(credentials),
            dump: DumpState::default(),
            jobs: Jobs::default(),
        }
    }

    /// Makes the objects of the command line, and keeps its descriptors.
    pub fn make_objects(&mut self, line: &CommandLine) -> Result<(), String> {
        for (n, spec) in line.descriptors.iter().enumerate() {
            let given = || line.nth_given(&["add-fd"], n);
            let fd = inherited::descriptor(spec.fd).map_err(|e| format!("{}: {e}", given()))?;
            let kept = self.descriptors.keep(spec.set, fd, spec.opaque.clone());
            kept.map_err(|error| format!("{}: {error}", given()))?;
        }
        for (n, spec) in line.objects.iter().enumerate() {
            object_text::options(spec)
                .and_then(|options| self.objects.add(options))
                .map_err(|error| format!("{}: {error}", line.nth_given(&["object"], n)))?;
        }
        Ok(())
    }

    /// The machine uses this object: it cannot be deleted.
    pub fn hold_object(&mut self, id: &str) {
        self.objects.hold(id);
    }

    /// `query-chardev`
    #[must_use]
    pub fn chardevs(&self) -> Vec<ChardevInfo> {
        let info = |facts: &CharFacts| ChardevInfo {
            label: facts.label.clone(),
            filename: facts.filename(),
            frontend_open: facts.frontend_open,
        };
        self.characters.facts().iter().map(info).collect()
    }

    /// The ring buffer of this name.
    pub fn ring(&self, id: &str) -> Result<&RingBuf, Error> {
        self.characters
            .ring(id)
            .ok_or_else(|| match self.characters.exists(id) {
                true => Error::generic(format!("{id} is not a ringbuf device")),
                false => Error::generic(format!("Device '{id}' not found")),
            })
    }

    /// Memory that objects hold.
    #[must_use]
    pub fn memdevs(&self) -> Vec<Memdev> {
        self.objects.memdevs()
    }
}

impl HostControl for HostSide {
    fn attach(&mut self, attachment: Option<Attachment>) {
        self.descriptors.attach(attachment);
    }

    fn getfd(&mut self, name: &str) -> Result<(), Error> {
        self.descriptors.name(name)
    }

    fn closefd(&mut self, name: &str) -> Result<(), Error> {
        self.descriptors.close(name)
    }

    fn add_fd(&mut self, set: Option<i64>, opaque: Option<String>) -> Result<AddfdInfo, Error> {
        self.descriptors.add(set, opaque)
    }

    fn remove_fd(&mut self, set: i64, fd: Option<i64>) -> Result<(), Error> {
        self.descriptors.remove(set, fd)
    }

    fn fdsets(&self) -> Vec<FdsetInfo> {
        self.descriptors.sets()
    }

    fn take_fd(&mut self, name: &str) -> Result<Box<dyn io::Write>, Error> {
        let fd = self.descriptors.take(name)?;
        Ok(Box::new(std::fs::File::from(fd)))
    }

    fn chardev_backends(&self) -> Vec<ChardevBackendKind> {
        chardevs::KINDS.to_vec()
    }

    fn chardev_add(&mut self, id: &str, backend: ChardevBackend) -> Result<ChardevReturn, Error> {
        chardevs::add(&mut self.characters, id, backend)
    }

    fn chardev_change(
        &mut self,
        id: &str,
        backend: ChardevBackend,
    ) -> Result<ChardevReturn, Error> {
        chardevs::change(&mut self.characters, id, backend)
    }

    fn chardev_remove(&mut self, id: &str) -> Result<(), Error> {
        self.characters.remove(id)
    }

    fn chardev_send_break(&mut self, id: &str) -> Result<(), Error> {
        match self.characters.exists(id) {
            // None of the devices here tells its guest of a break.
            true => Ok(()),
            false => Err(Error::generic(format!("Chardev '{id}' not found"))),
        }
    }

    fn yankable(&self) -> Vec<String> {
        self.characters.sockets().map(|(id, _)| id).collect()
    }

    fn yank(&mut self, id: &str) {
        let mut sockets = self.characters.sockets();
        if let Some((_, connection)) = sockets.find(|(name, _)| name == id) {
            connection.cut();
        }
    }

    fn object_add(&mut self, options: ObjectOptions) -> Result<(), Error> {
        self.objects.add(options)
    }

    fn object_del(&mut self, id: &str) -> Result<(), Error> {
        self.objects.delete(id)
    }

    fn objects(&self) -> Vec<(String, ObjectType)> {
        self.objects.list()
    }

    fn object_properties(&self, id: &str) -> Vec<Property> {
        self.objects.properties(id)
    }

    fn object_set(&mut self, id: &str, property: &str, value: Value) -> Result<(), Error> {
        self.objects.set(id, property, &value)
    }

    fn iothreads(&self) -> Vec<IOThreadInfo> {
        self.objects.iothreads()
    }

    fn command_line_options(&self) -> Vec<CommandLineOptionInfo> {
        options::list()
    }

    fn dump(&mut self) -> &mut DumpState {
        &mut self.dump
    }

    fn jobs(&mut self) -> &mut Jobs {
        &mut self.jobs
    }
}
