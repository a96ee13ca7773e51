//! `-object`: objects of any type, as text that the host reads against the schema.

use super::CliError;
use super::keyval::KeyVal;

/// An object, before it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectSpec {
    /// Its type.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// Its properties, as they were written.
    pub properties: Vec<(String, String)>,
}

impl ObjectSpec {
    /// `-object`.
    pub fn parse(text: &str) -> Result<Self, CliError> {
        let mut kv = KeyVal::parse("object", text, "qom-type")?;
        Ok(Self {
            kind: kv.require("qom-type")?,
            id: kv.require("id")?,
            properties: kv.rest(),
        })
    }
}
