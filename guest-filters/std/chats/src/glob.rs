//! Patterns of whole titles: `*` for any number of characters, `?` for one, `\` before one that stands for itself. No classes and no braces: titles hold
//! brackets more often than people look for them. A pattern is matched by going back to the last `*` only, so a hostile one costs title times
//! pattern at most.

/// A pattern.
#[derive(Debug)]
pub struct Glob(Vec<Part>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Any,
    One,
    This(char),
}

impl Glob {
    /// Every text is a pattern; a backslash at the end stands for itself.
    pub fn new(pattern: &str) -> Self {
        let mut characters = pattern.chars();
        let mut parts = Vec::new();
        while let Some(character) = characters.next() {
            parts.push(match character {
                '*' => Part::Any,
                '?' => Part::One,
                '\\' => Part::This(characters.next().unwrap_or('\\')),
                other => Part::This(other),
            });
        }
        Self(parts)
    }

    /// Whether the pattern covers the whole text.
    pub fn fits(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut part, mut at) = (0, 0);
        // Where to go on if the last `*` has to take one more.
        let mut retry: Option<(usize, usize)> = None;
        while let Some(&character) = text.get(at) {
            match self.0.get(part) {
                Some(Part::Any) => {
                    retry = Some((part + 1, at));
                    part += 1;
                    continue;
                }
                Some(Part::One) => {
                    part += 1;
                    at += 1;
                    continue;
                }
                Some(Part::This(wanted)) if *wanted == character => {
                    part += 1;
                    at += 1;
                    continue;
                }
                _ => {}
            }
            let Some((after, taken)) = retry else {
                return false;
            };
            retry = Some((after, taken + 1));
            (part, at) = (after, taken + 1);
        }
        self.0.iter().skip(part).all(|rest| *rest == Part::Any)
    }
}
