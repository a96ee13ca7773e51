//! The tree of objects, and their types.

use serde_json::Value;

use super::Context;
use crate::error::Error;
use crate::qom::{Lost, Object, Type, implements};
use crate::schema::{
    DeviceListPropertiesArguments, ObjectPropertyInfo, ObjectTypeInfo, QomCommands,
    QomGetArguments, QomListArguments, QomListPropertiesArguments, QomListTypesArguments,
    QomSetArguments,
};

/// The object at a path.
fn find<'a>(tree: &'a Object, path: &str) -> Result<&'a Object, Error> {
    tree.find(path).map_err(|lost| match lost {
        Lost::Nothing => Error::device_not_found(format!("Device '{path}' not found")),
        Lost::Ambiguous => Error::generic(format!(
            "Path '{path}' does not uniquely identify an object"
        )),
    })
}

/// Whether an object was made by `object-add` or `-object`.
fn is_made(tree: &Object, object: &Object) -> bool {
    tree.find("/objects").is_ok_and(|made| {
        made.children
            .iter()
            .any(|child| std::ptr::eq(child, object))
    })
}

fn info(name: &str, kind: impl Into<String>) -> ObjectPropertyInfo {
    ObjectPropertyInfo {
        name: name.to_owned(),
        r#type: kind.into(),
        description: None,
        default_value: None,
    }
}

fn of_type(row: &Type) -> Vec<ObjectPropertyInfo> {
    let info = |(name, kind, default): &(&str, &str, Value)| ObjectPropertyInfo {
        default_value: (!default.is_null()).then(|| default.clone()),
        ..info(name, *kind)
    };
    row.properties.iter().map(info).collect()
}

impl QomCommands for Context<'_> {
    fn qom_list(&mut self, arguments: QomListArguments) -> Result<Vec<ObjectPropertyInfo>, Error> {
        let tree = self.devices()?.objects();
        let object = find(&tree, &arguments.path)?;
        let mut list = vec![info("type", "string")];
        list.extend(object.properties.iter().map(|p| info(&p.name, p.kind)));
        let child = |c: &Object| info(&c.name, format!("child<{}>", c.kind));
        list.extend(object.children.iter().map(child));
        Ok(list)
    }

    fn qom_get(&mut self, arguments: QomGetArguments) -> Result<Value, Error> {
        let QomGetArguments { path, property } = arguments;
        let tree = self.devices()?.objects();
        let object = find(&tree, &path)?;
        if property == "type" {
            return Ok(object.kind.clone().into());
        }
        if let Some(found) = object.properties.iter().find(|p| p.name == property) {
            return Ok(found.value.clone());
        }
        match object.children.iter().any(|child| child.name == property) {
            true => Ok(format!("{}/{property}", path.trim_end_matches('/')).into()),
            false => Err(no_property(object, &property)),
        }
    }

    fn qom_set(&mut self, arguments: QomSetArguments) -> Result<(), Error> {
        let tree = self.devices()?.objects();
        let object = find(&tree, &arguments.path)?;
        let property = &arguments.property;
        let found = object.properties.iter().find(|p| p.name == *property);
        let is_child = object.children.iter().any(|child| child.name == *property);
        if found.is_none() && !is_child && property != "type" {
            return Err(no_property(object, property));
        }
        let Some(found) = found.filter(|_| is_made(&tree, object)) else {
            let kind = object.kind.clone();
            let devices = self.devices()?;
            let set = devices.set_property(&arguments.path, property, &arguments.value);
            // Most of the machine is for inspection: what can be changed has a command of its own.
            return set.unwrap_or_else(|| {
                Err(Error::generic(format!(
                    "Property '{kind}.{property}' is not writable"
                )))
            });
        };
        let (expected, fits) = match &found.value {
            Value::Bool(_) => ("boolean", arguments.value.is_boolean()),
            Value::Number(_) => (
                "integer",
                arguments.value.is_i64() || arguments.value.is_u64(),
            ),
            _ => ("string", arguments.value.is_string()),
        };
        if !fits {
            return Err(Error::generic(format!(
                "Invalid parameter type for '{property}', expected: {expected}"
            )));
        }
        let id = object.name.clone();
        self.host()?.object_set(&id, property, arguments.value)
    }

    fn qom_list_types(
        &mut self,
        arguments: QomListTypesArguments,
    ) -> Result<Vec<ObjectTypeInfo>, Error> {
        let devices = self.vm.devices();
        let types = devices.map(|devices| devices.types()).unwrap_or_default();
        let with_abstract = arguments.r#abstract.unwrap_or(false);
        let wanted = arguments.implements.as_deref();
        let listed = types.iter().filter(|row| {
            (with_abstract || !row.is_abstract)
                && wanted.is_none_or(|wanted| implements(&types, row.name, wanted))
        });
        let info = |row: &Type| ObjectTypeInfo {
            name: row.name.to_owned(),
            r#abstract: row.is_abstract.then_some(true),
            parent: (!row.parent.is_empty()).then(|| row.parent.to_owned()),
        };
        Ok(listed.map(info).collect())
    }

    fn qom_list_properties(
        &mut self,
        arguments: QomListPropertiesArguments,
    ) -> Result<Vec<ObjectPropertyInfo>, Error> {
        let name = arguments.typename;
        let types = self.devices()?.types();
        let row = types.iter().find(|row| row.name == name);
        let row =
            row.ok_or_else(|| Error::device_not_found(format!("Class '{name}' not found")))?;
        let mut list = vec![info("type", "string")];
        list.extend(of_type(row));
        Ok(list)
    }

    fn device_list_properties(
        &mut self,
        arguments: DeviceListPropertiesArguments,
    ) -> Result<Vec<ObjectPropertyInfo>, Error> {
        let name = arguments.typename;
        let types = self.devices()?.types();
        let row = types.iter().find(|row| row.name == name);
        let row =
            row.ok_or_else(|| Error::device_not_found(format!("Device '{name}' not found")))?;
        if row.is_abstract || !implements(&types, &name, "device") {
            return Err(Error::generic(
                "Parameter 'typename' expects a non-abstract device type",
            ));
        }
        Ok(of_type(row))
    }
}

fn no_property(object: &Object, property: &str) -> Error {
    Error::generic(format!("Property '{}.{property}' not found", object.kind))
}
