//! What the engine must keep to.
