//! What can be seen of a component without running it: what made it, what it imports, how large it is.
//!
//! The producers section is the component's own word. It decides only how large the file may be and which hint an error carries, so a lie gains a
//! module nothing but bytes on our disk.

use std::collections::BTreeSet;

use consign_model::module::{ModuleFacts, Producer, Tier};
use wasmparser::{Encoding, KnownCustom, Parser, Payload};

use crate::LoadError;
use crate::logs::one_line;

/// Of a producer's name and version; more is cut.
const TEXT_BYTES: usize = 100;
/// Producers that are kept. A component that nests many modules repeats itself.
const MOST_PRODUCERS: usize = 32;
/// Imports that are kept.
const MOST_IMPORTS: usize = 256;

/// Reads them. Linear in the component's size.
pub fn read(component: &[u8]) -> Result<ModuleFacts, LoadError> {
    let invalid = |error: wasmparser::BinaryReaderError| LoadError::Invalid(error.to_string());
    let mut producers = BTreeSet::new();
    let mut imports = Vec::new();
    // Of the parts that are open, outermost first: only the component's own imports are what it asks the host for.
    let mut nested: Vec<Encoding> = Vec::new();
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(invalid)? {
            Payload::Version { encoding, .. } => nested.push(encoding),
            Payload::End(_) => drop(nested.pop()),
            Payload::ComponentImportSection(section) if nested.len() == 1 => {
                for import in section {
                    let name = import.map_err(invalid)?.name.name;
                    if imports.len() < MOST_IMPORTS {
                        imports.push(one_line(name, TEXT_BYTES));
                    }
                }
            }
            Payload::CustomSection(section) => {
                // A section that is no list of producers says nothing, and does no harm.
                let KnownCustom::Producers(fields) = section.as_known() else { continue };
                for field in fields.into_iter().flatten() {
                    for value in field.values.into_iter().flatten() {
                        if producers.len() < MOST_PRODUCERS {
                            let cut = |text: &str| one_line(text, TEXT_BYTES);
                            producers.insert(Producer { field: cut(field.name), name: cut(value.name), version: cut(value.version) });
                        }
                    }
                }
            }
            _ => {}
        }
    }
    let producers: Vec<Producer> = producers.into_iter().collect();
    Ok(ModuleFacts { tier: tier(&producers), producers, imports, bytes: component.len() as u64 })
}

fn tier(producers: &[Producer]) -> Tier {
    let made_by = |words: &[&str]| {
        producers.iter().any(|producer| {
            let name = producer.name.to_ascii_lowercase();
            words.iter().any(|word| name == *word)
        })
    };
    // componentize-py 0.25 leaves no other mark than the program by which it takes its snapshot.
    if made_by(&["python", "componentize-py", "component-init-transform"]) {
        Tier::Python
    } else if made_by(&["javascript", "typescript", "componentizejs", "componentize-js", "jco", "starlingmonkey"]) {
        Tier::JavaScript
    } else {
        Tier::Native
    }
}
