//! Account numbers: IBANs, by ISO 13616.

/// Which countries have them, and how long they are there.
const COUNTRIES: &str = "\
    AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18 FO18 FR27 \
     GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 \
     MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SE24 SI19 SK24 SM27 ST25 SV28 TL23 \
     TN24 TR26 UA29 VA22 VG24 XK20";

/// How long the account numbers of a country are; none where it has none.
pub fn length(country: &str) -> Option<usize> {
    let known = COUNTRIES.split_whitespace().filter_map(|known| known.split_at_checked(2));
    known.filter(|(code, _)| *code == country).find_map(|(_, length)| length.parse().ok())
}

/// Whether a text holds an account number, alone or in groups with single spaces between them, of a country that counts.
pub fn holds_account(text: &str, counts: impl Fn(&str) -> bool) -> bool {
    let starts = text.char_indices().filter(|(_, character)| character.is_ascii_uppercase());
    let mut rests = starts.filter_map(|(start, _)| {
        let before = text.get(..start)?.chars().next_back();
        (!before.is_some_and(|character| character.is_ascii_alphanumeric())).then(|| text.get(start..))?
    });
    rests.any(|rest| rest.get(..2).filter(|country| counts(country)).and_then(length).is_some_and(|length| begins_with_account(rest, length)))
}

fn begins_with_account(text: &str, length: usize) -> bool {
    let mut number = String::with_capacity(length);
    let mut characters = text.chars().peekable();
    while number.len() < length {
        match characters.next() {
            Some(character) if character.is_ascii_uppercase() || character.is_ascii_digit() => number.push(character),
            Some(' ') if characters.peek().is_some_and(|next| *next != ' ') => {}
            _ => return false,
        }
    }
    !characters.peek().is_some_and(char::is_ascii_alphanumeric) && checks(&number)
}

/// The two check digits: the country and they go to the end, letters become numbers from 10 on, and the whole leaves 1 when it is divided by 97.
fn checks(number: &str) -> bool {
    let Some((head, tail)) = number.split_at_checked(4) else { return false };
    let is_digit = |index: usize| head.as_bytes().get(index).is_some_and(u8::is_ascii_digit);
    let digits = tail.chars().chain(head.chars()).filter_map(|character| character.to_digit(36));
    let rest = digits.fold(0, |rest, digit| (if digit < 10 { rest * 10 } else { rest * 100 } + digit) % 97);
    is_digit(2) && is_digit(3) && rest == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found() {
        // The examples of the IBAN registry.
        for number in ["DE89370400440532013000", "GB29 NWBK 6016 1331 9268 19", "NO9386011117947", "MT84MALT011000012345MTLCAST001S"] {
            assert!(holds_account(&format!("pay it to {number}, please"), |_| true), "{number}");
            assert!(holds_account(number, |_| true), "{number}");
        }
    }

    #[test]
    fn what_looks_like_one() {
        for other in [
            "DE88370400440532013000",
            "DE8937040044053201300",
            "DE893704004405320130000",
            "XDE89370400440532013000",
            "DE89370400440532013000x",
            "DE89  370400440532013000",
            "de89370400440532013000",
            "XX89370400440532013000",
            "DEÄ9370400440532013000",
            "DE",
            "",
        ] {
            assert!(!holds_account(other, |_| true), "{other}");
        }
        assert!(!holds_account("DE89370400440532013000", |country| country == "FR"));
    }
}
