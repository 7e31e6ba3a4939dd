/// Leaves out what bots wrote.
#[consign_filter::criteria(name = "acme/no-bots", leave_out = "bot: a bot wrote it")]
fn no_bots(author: &str) -> bool {
    author != "bot"
}

fn main() {}
