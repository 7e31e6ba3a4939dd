/// Without a rule.
#[consign_filter::criteria(name = "acme/a")]
fn a(text: &str) -> bool {
    text.is_empty()
}

/// Without a summary of the rule.
#[consign_filter::criteria(name = "acme/b", leave_out = "bot")]
fn b(text: &str) -> bool {
    text.is_empty()
}

/// With a code that is none.
#[consign_filter::criteria(name = "acme/c", leave_out = "A bot: a bot wrote it")]
fn c(text: &str) -> bool {
    text.is_empty()
}

/// With an answer that is none.
#[consign_filter::criteria(name = "acme/d", leave_out = "bot: a bot wrote it")]
fn d(text: &str) -> usize {
    text.len()
}

/// An Option without a rule.
#[consign_filter::grouping(name = "acme/e")]
fn e(id: &str) -> Option<String> {
    Some(id.to_owned())
}

/// A rule without an Option.
#[consign_filter::grouping(name = "acme/f", leave_out = "bot: a bot wrote it")]
fn f(id: &str) -> String {
    id.to_owned()
}

fn main() {}
