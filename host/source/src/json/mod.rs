//! JSON of which nobody promised anything: lists read element by element, and objects field by field.

pub mod fields;
pub mod list;
