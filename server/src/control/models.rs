//! Models of processors, as clients ask for them.

use ferrite_aarch64::model::{MODELS, Model};
use ferrite_qmp::error::Error;
use ferrite_qmp::schema::{CpuDefinitionInfo, CpuModelExpansionInfo, CpuModelInfo};
use serde_json::{Map, Value};

/// Properties that every model has and none can do without.
const PROPERTIES: &[&str] = &["aarch64", "pmu"];

/// `query-cpu-definitions`
pub(super) fn definitions() -> Vec<CpuDefinitionInfo> {
    let definition = |model: &Model| CpuDefinitionInfo {
        name: model.name.into(),
        migration_safe: None,
        r#static: false,
        unavailable_features: None,
        typename: format!("{}-arm-cpu", model.name),
        alias_of: None,
        deprecated: false,
    };
    MODELS.iter().map(definition).collect()
}

/// `query-cpu-model-expansion`
pub(super) fn expand(model: CpuModelInfo) -> Result<CpuModelExpansionInfo, Error> {
    if Model::find(&model.name).is_none() {
        return Err(Error::generic(format!(
            "The CPU type '{}' is not a recognized ARM CPU type",
            model.name
        )));
    }
    match model.props {
        None => {}
        Some(Value::Object(given)) => set(&given)?,
        Some(_) => {
            return Err(Error::generic(
                "Invalid parameter type for 'model.props', expected: object",
            ));
        }
    }
    let properties: Map<String, Value> = PROPERTIES
        .iter()
        .map(|&name| (name.to_owned(), Value::Bool(true)))
        .collect();
    Ok(CpuModelExpansionInfo {
        model: CpuModelInfo {
            name: model.name,
            props: Some(properties.into()),
        },
    })
}

/// Properties may be given as they are.
fn set(given: &Map<String, Value>) -> Result<(), Error> {
    for (name, value) in given {
        if !PROPERTIES.contains(&name.as_str()) {
            return Err(Error::generic(format!("Parameter '{name}' is unexpected")));
        }
        match value {
            Value::Bool(true) => {}
            Value::Bool(false) => {
                return Err(Error::generic(format!(
                    "'{name}' feature cannot be disabled"
                )));
            }
            _ => {
                return Err(Error::generic(format!(
                    "Invalid parameter type for '{name}', expected: boolean"
                )));
            }
        }
    }
    Ok(())
}
