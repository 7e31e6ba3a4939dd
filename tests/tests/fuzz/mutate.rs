//! Changes to components that keep their shape: sections within sections are taken apart, changed, and put together again with their lengths right, so that
//! most of what comes out gets past the first look.

use consign_tests::Random;

const PREAMBLE: usize = 8;
/// Of a component's sections: a core module and a component, which hold sections of their own.
const CORE_MODULE: u8 = 1;
const COMPONENT: u8 = 4;

/// A section: what it is, and its bytes without the length.
#[derive(Debug, Clone)]
pub struct Section {
    pub id: u8,
    pub bytes: Vec<u8>,
}

fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0_usize;
    for (at, byte) in bytes.iter().take(5).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}

/// A number as it stands in a binary.
pub fn leb(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        if value == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

/// A binary's sections; none where it is not one.
pub fn sections(binary: &[u8]) -> Option<Vec<Section>> {
    let mut sections = Vec::new();
    let mut rest = binary.get(PREAMBLE..)?;
    while let [id, after @ ..] = rest {
        let (bytes, taken) = length(after)?;
        let whole = after.get(taken..)?;
        sections.push(Section { id: *id, bytes: whole.get(..bytes)?.to_vec() });
        rest = whole.get(bytes..)?;
    }
    Some(sections)
}

/// A binary of these sections, with the beginning of another.
pub fn joined(like: &[u8], sections: &[Section]) -> Vec<u8> {
    let mut binary = like.get(..PREAMBLE).unwrap_or_default().to_vec();
    for section in sections {
        binary.push(section.id);
        binary.extend(leb(section.bytes.len()));
        binary.extend(&section.bytes);
    }
    binary
}

/// Numbers at which something begins or ends.
const ODD: [usize; 12] = [0, 1, 2, 0x3f, 0x40, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff];

fn bytes(bytes: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    match random.below(6) {
        0 | 1 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        2 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = u8::try_from(random.below(256)).unwrap();
            }
        }
        3 => {
            let end = (at + 1 + random.below(8)).min(bytes.len());
            bytes.drain(at..end);
        }
        4 => drop(bytes.splice(at..at, leb(*random.pick(&ODD))).collect::<Vec<u8>>()),
        // A number in place of another.
        _ => {
            let end = length(bytes.get(at..).unwrap_or_default()).map_or(at, |(_, taken)| at + taken);
            drop(bytes.splice(at..end, leb(*random.pick(&ODD))).collect::<Vec<u8>>());
        }
    }
}

/// Changes a binary in one place; `other` is where pieces come from.
pub fn mutate(binary: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let (Some(mut own), 1..) = (sections(binary), random.below(20)) else {
        let mut binary = binary.to_vec();
        bytes(&mut binary, random);
        return binary;
    };
    let at = random.below(own.len());
    match random.below(12) {
        0 if !own.is_empty() => drop(own.remove(at)),
        1 if !own.is_empty() => {
            let again = own[at].clone();
            own.insert(random.below(own.len() + 1), again);
        }
        2 if !own.is_empty() => {
            let to = random.below(own.len());
            own.swap(at, to);
        }
        3 => {
            if let Some(others) = sections(other).filter(|others| !others.is_empty()) {
                own.insert(random.below(own.len() + 1), others[random.below(others.len())].clone());
            }
        }
        4 if !own.is_empty() => own[at].id = u8::try_from(random.below(14)).unwrap(),
        _ => {
            if let Some(section) = own.get_mut(at) {
                let inner = matches!(section.id, CORE_MODULE | COMPONENT) && sections(&section.bytes).is_some_and(|inner| !inner.is_empty());
                if inner && !random.once_in(8) {
                    section.bytes = mutate(&section.bytes, other, random);
                } else {
                    bytes(&mut section.bytes, random);
                }
            }
        }
    }
    joined(binary, &own)
}

/// A component with a core module more, and an instance of that.
pub fn with_core(component: &[u8], core: &[u8]) -> Vec<u8> {
    const CORE_INSTANCE: u8 = 2;
    let mut all = sections(component).unwrap();
    let number = all.iter().filter(|section| section.id == CORE_MODULE).count();
    all.push(Section { id: CORE_MODULE, bytes: core.to_vec() });
    // One instance: of this module, with no arguments.
    all.push(Section { id: CORE_INSTANCE, bytes: [&[1, 0][..], &leb(number), &[0]].concat() });
    joined(component, &all)
}
