//! Figures, for a person.

/// `1 234 567`: readable in any language.
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// `12.3 MB`.
pub fn bytes(value: u64) -> String {
    let units = [(1_000_000_000_u64, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match units.iter().find(|(factor, _)| value >= *factor) {
        Some((factor, unit)) => format!("{}.{} {unit}", value / factor, value % factor * 10 / factor),
        None => format!("{value} B"),
    }
}
