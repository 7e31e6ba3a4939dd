//! What stands in an attribute's brackets.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{Error, Expr, ExprLit, Ident, Lit, LitStr, Path, Result, Token, Visibility};

/// The arguments of `criteria` and `grouping`.
#[derive(Default)]
pub struct Arguments {
    name: Option<LitStr>,
    version: Option<LitStr>,
    summary: Option<LitStr>,
    /// The one rule of a function that answers yes or no.
    pub leave_out: Option<Rule>,
    /// A function that looks at the configuration.
    pub check: Option<Path>,
    /// In which `local` is.
    pub time_zone: Option<Expr>,
}

/// `"code: summary"`.
pub struct Rule {
    pub code: String,
    pub summary: String,
    pub span: Span,
}

impl Rule {
    /// The type of a module's only rule, and what makes it: its one variant is `LeftOut`.
    pub fn of(self, module: &Ident, visibility: &Visibility) -> (Ident, TokenStream) {
        let Self { code, summary, span } = self;
        let name = format_ident!("{module}Rule");
        let (code, summary) = (LitStr::new(&code, span), LitStr::new(&summary, span));
        let text = format!("Why [`{module}`] leaves an event out.");
        let made = quote! { ::consign_filter::rules! { #[doc = #text] #visibility enum #name { LeftOut = #code: #summary } } };
        (name, made)
    }
}

const KNOWN: &str = "name, version, summary, leave_out, check, time_zone";

struct Argument {
    key: Ident,
    value: Expr,
}

impl Parse for Argument {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let key = input.parse()?;
        input.parse::<Token![=]>()?;
        Ok(Self { key, value: input.parse()? })
    }
}

impl Arguments {
    pub fn parse(tokens: TokenStream) -> Result<Self> {
        let mut arguments = Self::default();
        let list = Punctuated::<Argument, Token![,]>::parse_terminated.parse2(tokens)?;
        for Argument { key, value } in list {
            match key.to_string().as_str() {
                "name" => once(&mut arguments.name, &key, checked(text(&value)?, name_fault)?)?,
                "version" => once(&mut arguments.version, &key, checked(text(&value)?, version_fault)?)?,
                "summary" => once(&mut arguments.summary, &key, checked(text(&value)?, summary_fault)?)?,
                "leave_out" => once(&mut arguments.leave_out, &key, Rule::parse(&text(&value)?)?)?,
                "check" => once(&mut arguments.check, &key, path(value)?)?,
                "time_zone" => once(&mut arguments.time_zone, &key, value)?,
                other => return Err(Error::new(key.span(), format!("`{other}` is no argument of this attribute. There are: {KNOWN}"))),
            }
        }
        Ok(arguments)
    }

    /// Name, version and summary of the manifest: what is given, else what Cargo and the function's documentation say.
    pub fn manifest(&self, function: &Ident, documentation: &str) -> Result<TokenStream> {
        let name = if let Some(name) = &self.name {
            quote! { #name }
        } else {
            let package = std::env::var("CARGO_PKG_NAME").unwrap_or_default();
            if let Some(fault) = name_fault(&package) {
                let text = format!("the package's name, {package:?}, is no module's name: {fault}. Give one: name = \"acme/no-bots\"");
                return Err(Error::new(function.span(), text));
            }
            quote! { ::core::env!("CARGO_PKG_NAME") }
        };
        let version = self.version.as_ref().map_or_else(|| quote! { ::core::env!("CARGO_PKG_VERSION") }, |version| quote! { #version });
        let summary = match &self.summary {
            Some(summary) => summary.clone(),
            None if documentation.is_empty() => {
                let text = "say in a doc comment above the function what the module does, in one sentence: people pick it by that";
                return Err(Error::new(function.span(), text));
            }
            None => checked(LitStr::new(documentation, function.span()), summary_fault)?,
        };
        Ok(quote! { name: #name, version: #version, summary: #summary })
    }
}

fn once<T>(place: &mut Option<T>, key: &Ident, value: T) -> Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::new(key.span(), format!("`{key}` is given twice"))),
    }
}

fn text(value: &Expr) -> Result<LitStr> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(text.clone()),
        other => Err(Error::new(other.span(), "a text is wanted here, such as \"acme/no-bots\"")),
    }
}

fn path(value: Expr) -> Result<Path> {
    match value {
        Expr::Path(path) => Ok(path.path),
        other => Err(Error::new(other.span(), "the name of a function is wanted here: fn check(config: &Config) -> Result<(), Vec<ConfigError>>")),
    }
}

impl Rule {
    fn parse(text: &LitStr) -> Result<Self> {
        let value = text.value();
        let wrong = |fault: &str| Error::new(text.span(), format!("{fault}. Write the rule as \"code: summary\", such as \"bot: a bot wrote it\""));
        let (code, summary) = value.split_once(':').ok_or_else(|| wrong("a colon is missing"))?;
        let (code, summary) = (code.trim(), summary.trim());
        let is_code = code.len() <= 64
            && code.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
            && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !is_code {
            return Err(wrong(&format!("{code:?} is no code: it has to be 1 to 64 of a-z, 0-9 and '-', beginning with a letter")));
        }
        if summary.is_empty() {
            return Err(wrong("the summary is missing"));
        }
        match summary_fault(summary) {
            None => Ok(Self { code: code.to_owned(), summary: summary.to_owned(), span: text.span() }),
            Some(fault) => Err(wrong(&fault)),
        }
    }
}

fn checked(text: LitStr, fault: fn(&str) -> Option<String>) -> Result<LitStr> {
    match fault(&text.value()) {
        None => Ok(text),
        Some(fault) => Err(Error::new(text.span(), fault)),
    }
}

// The three that follow are the host's rules, told where they can still be mended.

fn name_fault(name: &str) -> Option<String> {
    let part = |part: &str| {
        part.bytes().next().is_some_and(|first| first.is_ascii_lowercase() || first.is_ascii_digit())
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-'))
    };
    let fault = "a module's name has 1 to 128 of a-z, 0-9, '.', '_' and '-', with '/' between parts, such as acme/no-bots";
    (name.len() > 128 || !name.split('/').all(part)).then(|| fault.to_owned())
}

fn version_fault(version: &str) -> Option<String> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+');
    let fault = "a version has 1 to 64 letters, digits, '.', '-' and '+', such as 1.2.0";
    (version.is_empty() || version.len() > 64 || !version.bytes().all(known)).then(|| fault.to_owned())
}

fn summary_fault(summary: &str) -> Option<String> {
    let fault = "a summary is one line of at most 1,024 bytes";
    (summary.len() > 1024 || summary.chars().any(char::is_control)).then(|| fault.to_owned())
}
