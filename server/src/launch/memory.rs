//! How much memory the machine has: by `-m`, or by the object that `-machine memory-backend=` names.

use super::LaunchError;
use crate::cli::CommandLine;
use crate::cli::keyval::parse_size;

/// Bytes of memory.
pub(super) fn size(line: &CommandLine) -> Result<u64, LaunchError> {
    let Some(id) = &line.machine.memory_backend else {
        return Ok(line.machine.ram);
    };
    let conflict = |text: String| LaunchError::Conflict(text).given(line.last_given("machine"));
    let object = line.objects.iter().find(|object| object.id == *id);
    let object = object.ok_or_else(|| LaunchError::Reference {
        what: "memory backend",
        id: id.clone(),
        problem: "not found",
    })?;
    if object.kind != "memory-backend-ram" {
        return Err(conflict(format!(
            "memory-backend={id}: a {} cannot be the machine's memory, which is the process's own",
            object.kind
        )));
    }
    let size = object.properties.iter().find(|(name, _)| name == "size");
    // Without one the object could not be made.
    let size = size.and_then(|(_, text)| parse_size(text, 'b'));
    let size = size.ok_or_else(|| conflict(format!("memory-backend={id}: it has no size")))?;
    if line.machine.ram_given && size != line.machine.ram {
        return Err(conflict("Machine memory size mismatch".to_owned()));
    }
    Ok(size)
}
