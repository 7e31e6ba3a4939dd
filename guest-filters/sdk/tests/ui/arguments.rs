/// With an argument that there is not.
#[consign_filter::criteria(name = "acme/a", rule = "bot: a bot wrote it")]
fn a(text: &str) -> bool {
    text.is_empty()
}

/// With a name that is none.
#[consign_filter::criteria(name = "Acme No Bots", leave_out = "bot: a bot wrote it")]
fn b(text: &str) -> bool {
    text.is_empty()
}

#[consign_filter::criteria(name = "acme/c", leave_out = "bot: a bot wrote it")]
fn c(text: &str) -> bool {
    text.is_empty()
}

/// Local times without a zone.
#[consign_filter::criteria(name = "acme/d", leave_out = "night: at night")]
fn d(local: consign_filter::time::Local) -> bool {
    local.minute_of_day() > 480
}

/// A configuration by value.
#[consign_filter::criteria(name = "acme/e", leave_out = "bot: a bot wrote it")]
fn e(text: &str, config: Config) -> bool {
    text == config.text
}

/// The package of these tests has a name that would do, so this one lacks nothing.
#[consign_filter::criteria(leave_out = "bot: a bot wrote it")]
async fn f(text: &str) -> bool {
    text.is_empty()
}

#[consign_filter::config(default = {})]
struct Config {
    text: String,
}

#[consign_filter::config]
struct Marks {
    #[keywords(fold_case)]
    words: Vec<String>,
}

fn main() {}
