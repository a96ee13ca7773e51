//! Properties of a CPU, as users of QEMU give them after the model: `-cpu max,pmu=off`.

use super::Model;
use crate::features::Features;

/// What a property can be here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    /// Either, by features.
    Either(Features),
    /// On only.
    On,
    /// Off only: it is not implemented.
    Off,
}

struct Row {
    /// Its name; lengths in bits follow it for vector lengths.
    name: &'static str,
    /// Whether it is of the model `max` alone.
    max_only: bool,
    /// Whether `query-cpu-model-expansion` tells of it.
    told: bool,
    choice: Choice,
}

const fn row(name: &'static str, max_only: bool, told: bool, choice: Choice) -> Row {
    Row {
        name,
        max_only,
        told,
        choice,
    }
}

const ROWS: &[Row] = &[
    row("aarch64", false, true, Choice::On),
    row("pmu", false, true, Choice::Either(Features::PMU)),
    row("neon", false, false, Choice::On),
    row("vfp", false, false, Choice::On),
    row("cfgend", false, false, Choice::Off),
    row("has_el2", false, false, Choice::Off),
    row("has_el3", false, false, Choice::Off),
    row("sve", true, true, Choice::Off),
    row("sme", true, false, Choice::Off),
    row("sme_fa64", true, false, Choice::Off),
    row("pauth", true, true, Choice::Off),
    row("pauth-impdef", true, true, Choice::Off),
    row("pauth-qarma3", true, false, Choice::Off),
    row("lpa2", true, false, Choice::Off),
];

/// Vector lengths of SVE, in bits: multiples of 128 up to 2048.
fn is_vector_length(name: &str) -> bool {
    let length = ["sve", "sme"].iter().find_map(|p| name.strip_prefix(p));
    let length: Option<u32> = length.and_then(|length| length.parse().ok());
    length.is_some_and(|bits| bits.is_multiple_of(128) && (128..=2048).contains(&bits))
}

/// A property that cannot be as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PropertyError {
    /// The model has no such property.
    #[error("Property '{model}-arm-cpu.{name}' not found")]
    Unknown {
        /// The model.
        model: &'static str,
        /// The property.
        name: String,
    },
    /// It cannot be off.
    #[error("'{0}' feature cannot be disabled")]
    Needed(String),
    /// It cannot be on.
    #[error("'{0}' feature is not implemented and cannot be enabled")]
    Missing(String),
}

fn choice(model: &'static Model, name: &str) -> Result<Choice, PropertyError> {
    let of_model = |max_only: bool| !max_only || model.name == "max";
    let mut rows = ROWS.iter();
    if let Some(row) = rows.find(|row| row.name == name && of_model(row.max_only)) {
        return Ok(row.choice);
    }
    if of_model(true) && is_vector_length(name) {
        return Ok(Choice::Off);
    }
    Err(PropertyError::Unknown {
        model: model.name,
        name: name.to_owned(),
    })
}

impl Model {
    /// Whether management tools may ask any model for a property.
    #[must_use]
    pub fn tells_of(name: &str) -> bool {
        ROWS.iter().any(|row| row.told && row.name == name)
    }

    /// The model's features with properties as given, the last of a name counting.
    ///
    /// # Errors
    /// A property that the model has not, or that cannot be as it was given.
    pub fn with_properties<'p>(
        &'static self,
        given: impl IntoIterator<Item = (&'p str, bool)>,
    ) -> Result<Features, PropertyError> {
        let mut features = self.features;
        for (name, on) in given {
            match (choice(self, name)?, on) {
                (Choice::Either(of), _) => features.set(of, on && self.features.contains(of)),
                (Choice::On, true) | (Choice::Off, false) => {}
                (Choice::On, false) => return Err(PropertyError::Needed(name.to_owned())),
                (Choice::Off, true) => return Err(PropertyError::Missing(name.to_owned())),
            }
        }
        Ok(features)
    }

    /// The properties that management tools are told of, with their values where the features are
    /// these.
    pub fn told_properties(
        &self,
        features: Features,
    ) -> impl Iterator<Item = (&'static str, bool)> + use<> {
        let max = self.name == "max";
        let rows = ROWS
            .iter()
            .filter(move |row| row.told && (max || !row.max_only));
        rows.map(move |row| {
            let on = match row.choice {
                Choice::Either(of) => features.contains(of),
                Choice::On => true,
                Choice::Off => false,
            };
            (row.name, on)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(model: &str, name: &str, on: bool) -> Result<Features, String> {
        let model = Model::find(model).unwrap();
        let features = model.with_properties([(name, on)]);
        features.map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_absent_can_be_turned_off_only() {
        let max = Model::find("max").unwrap().features;
        for name in [
            "sve", "sve256", "sme512", "pauth", "lpa2", "has_el3", "cfgend",
        ] {
            assert_eq!(set("max", name, false), Ok(max), "{name}");
            let words = format!("'{name}' feature is not implemented and cannot be enabled");
            assert_eq!(set("max", name, true), Err(words));
        }
        for name in ["aarch64", "neon"] {
            assert_eq!(set("max", name, true), Ok(max));
            let words = format!("'{name}' feature cannot be disabled");
            assert_eq!(set("max", name, false), Err(words));
        }
    }

    #[test]
    fn models_have_their_own() {
        for name in ["sve", "sve128", "pauth", "nonsense"] {
            let words = format!("Property 'cortex-a57-arm-cpu.{name}' not found");
            assert_eq!(set("cortex-a57", name, false), Err(words));
        }
        for name in ["sve100", "sve0", "sve4096", "sve-1"] {
            assert!(set("max", name, false).is_err(), "{name}");
        }
    }

    #[test]
    fn the_performance_monitor_is_a_choice() {
        let a57 = Model::find("cortex-a57").unwrap();
        assert!(
            !set("cortex-a57", "pmu", false)
                .unwrap()
                .contains(Features::PMU)
        );
        assert_eq!(set("cortex-a57", "pmu", true), Ok(a57.features));
        let last = a57.with_properties([("pmu", false), ("pmu", true)]);
        assert_eq!(last, Ok(a57.features));
        let told: Vec<_> = a57.told_properties(Features::empty()).collect();
        assert_eq!(told, [("aarch64", true), ("pmu", false)]);
    }
}
