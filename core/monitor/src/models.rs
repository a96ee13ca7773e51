//! Models of processors, as clients ask for them.

use ferrite_aarch64::model::{MODELS, Model};
use ferrite_qmp::error::Error;
use ferrite_qmp::schema::{CpuDefinitionInfo, CpuModelExpansionInfo, CpuModelInfo};
use serde_json::{Map, Value};

/// `query-cpu-definitions`
#[must_use]
pub fn definitions() -> Vec<CpuDefinitionInfo> {
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
///
/// # Errors
/// A model that is not there, or a property that it has not or that cannot be so.
pub fn expand(model: CpuModelInfo) -> Result<CpuModelExpansionInfo, Error> {
    let Some(found) = Model::find(&model.name) else {
        return Err(Error::generic(format!(
            "The CPU type '{}' is not a recognized ARM CPU type",
            model.name
        )));
    };
    let given = match &model.props {
        None => Vec::new(),
        Some(Value::Object(given)) => told(given)?,
        Some(_) => {
            return Err(Error::generic(
                "Invalid parameter type for 'model.props', expected: object",
            ));
        }
    };
    let features = found
        .with_properties(given)
        .map_err(|error| Error::generic(error.to_string()))?;
    let properties: Map<String, Value> = found
        .told_properties(features)
        .map(|(name, on)| (name.to_owned(), Value::Bool(on)))
        .collect();
    Ok(CpuModelExpansionInfo {
        model: CpuModelInfo {
            name: model.name,
            props: Some(properties.into()),
        },
    })
}

/// The given properties, all of which are among those that are told.
fn told<'g>(given: &'g Map<String, Value>) -> Result<Vec<(&'g str, bool)>, Error> {
    let property = |(name, value): (&'g String, &Value)| {
        if !Model::tells_of(name) {
            return Err(Error::generic(format!("Parameter '{name}' is unexpected")));
        }
        value
            .as_bool()
            .map(|on| (name.as_str(), on))
            .ok_or_else(|| {
                Error::generic(format!(
                    "Invalid parameter type for '{name}', expected: boolean"
                ))
            })
    };
    given.iter().map(property).collect()
}
