//! GS1 keys and Digital Link.
