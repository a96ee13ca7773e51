//! File descriptors that clients sent along (SCM_RIGHTS): by name, and in sets.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, OwnedFd};

use ferrite_qmp::control::Attachment;
use ferrite_qmp::error::Error;
use ferrite_qmp::schema::{AddfdInfo, FdsetFdInfo, FdsetInfo};

/// Descriptors that names and sets hold at most.
const MOST: usize = 1024;

struct Member {
    fd: OwnedFd,
    opaque: Option<String>,
}

/// All that were sent and kept.
#[derive(Default)]
pub struct Descriptors {
    attached: Option<OwnedFd>,
    named: BTreeMap<String, OwnedFd>,
    sets: BTreeMap<i64, Vec<Member>>,
}

fn not_found(name: &str) -> Error {
    Error::generic(format!("File descriptor named '{name}' not found"))
}

impl Descriptors {
    /// What came along with the next command.
    pub fn attach(&mut self, attachment: Option<Attachment>) {
        let fd = attachment.and_then(|attachment| attachment.downcast::<OwnedFd>().ok());
        self.attached = fd.map(|fd| *fd);
    }

    fn room(&self) -> Result<(), Error> {
        let held = self.named.len() + self.sets.values().map(Vec::len).sum::<usize>();
        match held < MOST {
            true => Ok(()),
            false => Err(Error::generic("Too many file descriptors are held")),
        }
    }

    /// Puts a descriptor into a set.
    pub fn keep(&mut self, set: i64, fd: OwnedFd, opaque: Option<String>) -> Result<(), Error> {
        self.room()?;
        self.sets
            .entry(set)
            .or_default()
            .push(Member { fd, opaque });
        Ok(())
    }

    fn attached(&mut self) -> Result<OwnedFd, Error> {
        self.room()?;
        self.attached
            .take()
            .ok_or_else(|| Error::generic("No file descriptor supplied via SCM_RIGHTS"))
    }

    /// `getfd`
    pub fn name(&mut self, name: &str) -> Result<(), Error> {
        let fd = self.attached()?;
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(Error::generic(
                "Parameter 'fdname' expects a name not starting with a digit",
            ));
        }
        self.named.insert(name.to_owned(), fd);
        Ok(())
    }

    /// `closefd`
    pub fn close(&mut self, name: &str) -> Result<(), Error> {
        self.named
            .remove(name)
            .map(drop)
            .ok_or_else(|| not_found(name))
    }

    /// Takes the descriptor of this name for use.
    pub fn take(&mut self, name: &str) -> Result<OwnedFd, Error> {
        self.named.remove(name).ok_or_else(|| {
            Error::generic(format!("File descriptor named '{name}' has not been found"))
        })
    }

    /// `add-fd`
    pub fn add(&mut self, set: Option<i64>, opaque: Option<String>) -> Result<AddfdInfo, Error> {
        let fd = self.attached()?;
        let set = match set {
            Some(set) if set < 0 => {
                return Err(Error::generic(
                    "Parameter 'fdset-id' expects a non-negative value",
                ));
            }
            Some(set) => set,
            // The first number that is free.
            None => (0..)
                .find(|set| !self.sets.contains_key(set))
                .unwrap_or_default(),
        };
        let number = i64::from(fd.as_raw_fd());
        self.sets
            .entry(set)
            .or_default()
            .push(Member { fd, opaque });
        Ok(AddfdInfo {
            fdset_id: set,
            fd: number,
        })
    }

    /// `remove-fd`
    pub fn remove(&mut self, set: i64, fd: Option<i64>) -> Result<(), Error> {
        let name = match fd {
            Some(fd) => format!("fdset-id:{set}, fd:{fd}"),
            None => format!("fdset-id:{set}"),
        };
        let members = self.sets.get_mut(&set).ok_or_else(|| not_found(&name))?;
        let before = members.len();
        members.retain(|member| fd.is_some_and(|fd| i64::from(member.fd.as_raw_fd()) != fd));
        if members.len() == before {
            return Err(not_found(&name));
        }
        if members.is_empty() {
            self.sets.remove(&set);
        }
        Ok(())
    }

    /// `query-fdsets`
    pub fn sets(&self) -> Vec<FdsetInfo> {
        let info = |member: &Member| FdsetFdInfo {
            fd: i64::from(member.fd.as_raw_fd()),
            opaque: member.opaque.clone(),
        };
        let sets = self.sets.iter().map(|(&fdset_id, members)| FdsetInfo {
            fdset_id,
            fds: members.iter().map(info).collect(),
        });
        sets.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attach(descriptors: &mut Descriptors) {
        let fd: OwnedFd = std::fs::File::open("/dev/null").unwrap().into();
        descriptors.attach(Some(Box::new(fd)));
    }

    #[test]
    fn names_and_sets() {
        let mut all = Descriptors::default();
        assert!(all.name("a").is_err());
        attach(&mut all);
        all.name("a").unwrap();
        assert!(all.name("b").is_err(), "a descriptor is used once");
        all.close("a").unwrap();
        assert_eq!(
            all.close("a").unwrap_err().message,
            "File descriptor named 'a' not found"
        );
        attach(&mut all);
        let first = all.add(None, Some("text".into())).unwrap();
        assert_eq!(first.fdset_id, 0);
        attach(&mut all);
        assert_eq!(all.add(None, None).unwrap().fdset_id, 1);
        attach(&mut all);
        let third = all.add(Some(0), None).unwrap();
        assert_eq!(all.sets()[0].fds.len(), 2);
        all.remove(0, Some(first.fd)).unwrap();
        assert_eq!(all.sets()[0].fds[0].fd, third.fd);
        all.remove(0, None).unwrap();
        assert_eq!(
            all.remove(0, None).unwrap_err().message,
            "File descriptor named 'fdset-id:0' not found"
        );
    }
}
