//! What wasmtime keeps for each instance beside its memories and tables: a word or some for each function, global and segment.
//!
//! The limiter does not see it. Declarations take a byte or two in the file and up to 32 in an instance, and a component may make many instances of
//! one core module; so a component is refused when it is loaded if any of its core modules would take much. The sum is taken upwards: which functions
//! need a word of their own is known only after compiling.

use wasmparser::{ElementItems, ElementKind, Encoding, Parser, Payload};

use crate::LoadError;

/// Of an import, a function, a table, a memory or a tag.
const BYTES: usize = 32;
/// Of a global; a vector takes all of it.
const BYTES_OF_GLOBAL: usize = 16;
/// Of an element of a segment that is copied into tables later.
const BYTES_OF_ELEMENT: usize = 16;
/// Of a data segment: where it is, and its length.
const BYTES_OF_DATA: usize = 16;
/// Of a function that a component lends to a core module or takes from it.
const BYTES_OF_CANONICAL: usize = 64;

/// Refuses a component whose instances would take more than `limit` each, or its own functions in all.
pub fn check(component: &[u8], limit: usize) -> Result<(), LoadError> {
    // Core modules hold no others, so what comes after one's beginning is its own.
    let mut module = 0_usize;
    let mut canonical = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        let invalid = |error: wasmparser::BinaryReaderError| LoadError::Invalid(error.to_string());
        let times = |count: u32, bytes: usize| (count as usize).saturating_mul(bytes);
        match payload.map_err(invalid)? {
            Payload::Version { encoding: Encoding::Module, .. } => module = 0,
            Payload::ImportSection(section) => module = module.saturating_add(times(section.count(), BYTES)),
            Payload::FunctionSection(section) => module = module.saturating_add(times(section.count(), BYTES)),
            Payload::TableSection(section) => module = module.saturating_add(times(section.count(), BYTES)),
            Payload::MemorySection(section) => module = module.saturating_add(times(section.count(), BYTES)),
            Payload::TagSection(section) => module = module.saturating_add(times(section.count(), BYTES)),
            Payload::GlobalSection(section) => module = module.saturating_add(times(section.count(), BYTES_OF_GLOBAL)),
            Payload::DataSection(section) => module = module.saturating_add(times(section.count(), BYTES_OF_DATA)),
            Payload::ElementSection(section) => {
                for element in section {
                    let element = element.map_err(invalid)?;
                    let items = match element.items {
                        ElementItems::Functions(items) => items.count(),
                        ElementItems::Expressions(_, items) => items.count(),
                    };
                    let each = if matches!(element.kind, ElementKind::Passive) { BYTES_OF_ELEMENT } else { 0 };
                    module = module.saturating_add(times(items, each)).saturating_add(BYTES);
                }
            }
            Payload::ComponentCanonicalSection(section) => canonical = canonical.saturating_add(times(section.count(), BYTES_OF_CANONICAL)),
            _ => {}
        }
        let bytes = module.max(canonical);
        if bytes > limit {
            return Err(LoadError::LargeInstances { bytes, limit });
        }
    }
    Ok(())
}
