//! Texts as the host wants and treats them.

/// Every character in the case that stands for all of it: Unicode's simple case folding, which the host's keyword matching uses too, so that "ignore case"
/// means the same in every module. One character folds to one: "ß" and "ss" stay different.
pub fn fold_case(text: &str) -> String {
    text.chars().map(fold_character).collect()
}

fn fold_character(character: char) -> char {
    if character.is_ascii() {
        return character.to_ascii_lowercase();
    }
    match character {
        // Its capital letter is another letter's.
        'ı' => character,
        _ => single(single(character, char::to_uppercase), char::to_lowercase),
    }
}

/// The mapping where it is one character.
fn single<I: Iterator<Item = char>>(character: char, mapping: impl Fn(char) -> I) -> char {
    let mut mapped = mapping(character);
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => character,
    }
}

/// What the host takes in a group's title or label, in bytes.
const MOST_TITLE_BYTES: usize = 1 << 10;
/// What the host takes in a group's key, in bytes.
const MOST_KEY_BYTES: usize = 256;

/// A text from a platform as a group's title or label: control characters (a line break in a chat's name, say) become spaces, and what is too long is cut.
pub fn one_line(text: &str) -> String {
    let visible = |character: char| if character.is_control() { ' ' } else { character };
    let line: String = text.chars().map(visible).collect();
    let mut line = line.trim().to_owned();
    cut(&mut line, MOST_TITLE_BYTES);
    line
}

/// A platform's id as a group's key: the id itself, unless it is so long or odd that the host would refuse it. Then what is readable of it, with a hash
/// of all of it, so that it stays the same from run to run and different ids stay different.
pub fn group_key(id: &str) -> String {
    if !id.is_empty() && id.len() <= MOST_KEY_BYTES && !id.contains(char::is_control) {
        return id.to_owned();
    }
    let hash = format!("~{:032x}", fnv1a(id.as_bytes()));
    let mut key = one_line(id);
    cut(&mut key, MOST_KEY_BYTES - hash.len());
    key + &hash
}

fn cut(text: &mut String, most_bytes: usize) {
    text.truncate(text.floor_char_boundary(most_bytes));
}

/// FNV-1a of 128 bits. Two ids made to collide would be two groups of one key, which the host refuses.
fn fnv1a(bytes: &[u8]) -> u128 {
    let step = |hash: u128, byte: &u8| (hash ^ u128::from(*byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b);
    bytes.iter().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_folded_character_by_character() {
        assert_eq!(fold_case("ΟΔΟΣ"), fold_case("οδος"));
        assert_eq!(fold_case("LIBOR\u{212A}"), "libork");
        assert_ne!(fold_case("STRASSE"), fold_case("straße"));
        assert_eq!(fold_case("Straẞe"), fold_case("straße"));
        assert_eq!(fold_case("ıİ"), "ıİ");
    }

    #[test]
    fn lines_are_lines() {
        assert_eq!(one_line(" a\r\nb\u{85}c\t"), "a  b c");
        assert_eq!(one_line(&"日".repeat(400)).len(), 1023);
    }

    #[test]
    fn keys_stay_ids_where_they_can() {
        assert_eq!(group_key("U1"), "U1");
        assert_eq!(group_key(&"x".repeat(256)), "x".repeat(256));
        let odd: Vec<String> = ["a\nb", "a b\r", "a b\n", ""].map(group_key).into();
        assert!(odd.iter().all(|key| !key.contains(char::is_control) && key.len() > 32));
        assert!(odd[0].starts_with("a b~"));
        assert_ne!(odd[1], odd[2]);
        let long = [group_key(&"日".repeat(100)), group_key(&"日".repeat(101))];
        assert!(long.iter().all(|key| key.len() <= 256));
        assert_ne!(long[0], long[1]);
    }

    #[test]
    fn the_hash_is_fnv1a() {
        // From the test vectors of draft-eastlake-fnv.
        assert_eq!(fnv1a(b""), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(fnv1a(b"a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
    }
}
