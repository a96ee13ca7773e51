//! Errors as clients see them.

use serde_json::{Value, json};

use crate::schema::QapiErrorClass;

/// A command's failure: a class that programs may test and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// The class.
    pub class: QapiErrorClass,
    /// The sentence.
    pub message: String,
}

impl Error {
    /// An error without a class of its own.
    pub fn generic(message: impl Into<String>) -> Self {
        Self {
            class: QapiErrorClass::GenericError,
            message: message.into(),
        }
    }

    /// A command that does not exist.
    #[must_use]
    pub fn command_not_found(name: &str) -> Self {
        Self {
            class: QapiErrorClass::CommandNotFound,
            message: format!("The command {name} has not been found"),
        }
    }

    /// A device (of the class `DeviceNotFound`) or another named thing that does not exist.
    pub fn device_not_found(message: impl Into<String>) -> Self {
        Self {
            class: QapiErrorClass::DeviceNotFound,
            message: message.into(),
        }
    }

    /// The machine cannot do this.
    #[must_use]
    pub fn unsupported() -> Self {
        Self::generic("this feature or command is not currently supported")
    }

    /// The machine has no balloon.
    #[must_use]
    pub fn no_balloon() -> Self {
        Self {
            class: QapiErrorClass::DeviceNotActive,
            message: "No balloon device has been activated".into(),
        }
    }

    /// The processor does not exist.
    #[must_use]
    pub fn no_such_cpu(parameter: &str) -> Self {
        Self::generic(format!("Parameter '{parameter}' expects a CPU number"))
    }

    /// The value of the member `error` in the answer.
    #[must_use]
    pub fn to_value(&self) -> Value {
        json!({"class": self.class.as_str(), "desc": self.message})
    }
}
