//! The names that a filter's parameters can have, and what each is: the one place that knows.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Error, Expr, FnArg, Ident, Pat, Result, Signature, Type};

/// What a parameter's value is taken from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// The configuration.
    Config,
    /// The chat: known before its events.
    Chat,
    /// Each event.
    Event,
}

/// A name that a parameter can have.
struct Known {
    name: &'static str,
    ty: &'static str,
    of: Of,
    needs: &'static [&'static str],
}

const fn known(name: &'static str, ty: &'static str, of: Of, needs: &'static [&'static str]) -> Known {
    Known { name, ty, of, needs }
}

/// In the order in which errors list them.
const KNOWN: [Known; 22] = [
    known("text", "&str", Of::Event, &["Text"]),
    known("kind", "EventKind", Of::Event, &["Kinds"]),
    known("flags", "EventFlags", Of::Event, &[]),
    known("at", "i64", Of::Event, &["Times"]),
    known("local", "Local", Of::Event, &["Times"]),
    known("sender", "Option<&Participant>", Of::Event, &["Participants", "Senders"]),
    known("id", "&str", Of::Event, &["Ids"]),
    known("thread", "Option<&str>", Of::Event, &["References"]),
    known("target", "Option<&str>", Of::Event, &["References"]),
    known("attachments", "&[Attachment]", Of::Event, &["Attachments"]),
    known("matches", "bool, or [bool; N] for N lists", Of::Event, &["Matching"]),
    known("match_counts", "u8, or [u8; N] for N lists", Of::Event, &["Matching"]),
    known("title", "Option<&str>", Of::Chat, &["Titles"]),
    known("labels", "&[(String, String)]", Of::Chat, &["Labels"]),
    known("participants", "&[Participant]", Of::Chat, &["Participants"]),
    known("chat_id", "&str", Of::Chat, &[]),
    known("chat_kind", "ChatKind", Of::Chat, &[]),
    known("source", "&str", Of::Chat, &[]),
    known("event_count", "u64", Of::Chat, &[]),
    known("window_start", "Option<i64>", Of::Chat, &[]),
    known("window_end", "i64", Of::Chat, &[]),
    known("config", "&Config", Of::Config, &[]),
];

/// A parameter as it was found.
pub struct Parameter {
    name: String,
    pub of: Of,
    ty: Type,
    needs: &'static [&'static str],
    span: Span,
}

/// All parameters of a function, in order.
pub struct Parameters(pub Vec<Parameter>);

impl Parameters {
    pub fn of(signature: &Signature) -> Result<Self> {
        signature.inputs.iter().map(parameter).collect::<Result<Vec<_>>>().map(Self)
    }

    pub fn any(&self, of: Of) -> bool {
        self.0.iter().any(|parameter| parameter.of == of)
    }

    fn uses(&self, name: &str) -> bool {
        self.0.iter().any(|parameter| parameter.name == name)
    }

    /// The configuration's type.
    pub fn config(&self) -> Result<TokenStream> {
        match self.0.iter().find(|parameter| parameter.name == "config").map(|parameter| &parameter.ty) {
            None => Ok(quote! { ::consign_filter::NoConfig }),
            Some(Type::Reference(reference)) if reference.mutability.is_none() => {
                let ty = &reference.elem;
                Ok(quote! { #ty })
            }
            Some(other) => Err(Error::new(other.span(), "the configuration comes by reference: config: &Config")),
        }
    }

    /// The needs, each once, in the contract's order.
    pub fn needs(&self) -> TokenStream {
        const ORDER: [&str; 11] =
            ["Titles", "Labels", "Participants", "Times", "Senders", "Kinds", "Ids", "References", "Matching", "Text", "Attachments"];
        let used = |need: &&str| self.0.iter().any(|parameter| parameter.needs.contains(need));
        let needs = ORDER.iter().filter(|need| used(need)).map(|need| format_ident!("{need}"));
        quote! { &[#(::consign_filter::Need::#needs),*] }
    }

    /// The fields of the chat that the module keeps: `(name, type, expression over chat)`.
    fn chat_fields(&self) -> Vec<(Ident, TokenStream, TokenStream)> {
        let participants = quote! { ::std::vec::Vec<::consign_filter::Participant> };
        let all: [(&str, TokenStream, TokenStream); 9] = [
            ("title", quote! { ::core::option::Option<::std::string::String> }, quote! { chat.title() }),
            ("labels", quote! { ::std::vec::Vec<(::std::string::String, ::std::string::String)> }, quote! { chat.labels() }),
            ("participants", participants, quote! { chat.participants() }),
            ("chat_id", quote! { ::std::string::String }, quote! { chat.id() }),
            ("chat_kind", quote! { ::core::option::Option<::consign_filter::ChatKind> }, quote! { ::core::option::Option::Some(chat.kind()) }),
            ("source", quote! { ::std::string::String }, quote! { chat.source() }),
            ("event_count", quote! { u64 }, quote! { chat.event_count() }),
            ("window_start", quote! { ::core::option::Option<i64> }, quote! { chat.window_start() }),
            ("window_end", quote! { i64 }, quote! { chat.window_end() }),
        ];
        let wanted = |name: &str| self.uses(name) || (name == "participants" && self.uses("sender"));
        all.into_iter().filter(|(name, ..)| wanted(name)).map(|(name, ty, value)| (format_ident!("{name}"), ty, value)).collect()
    }

    /// Declarations of what is kept of the chat.
    pub fn fields(&self) -> TokenStream {
        let fields = self.chat_fields().into_iter().map(|(name, ty, _)| quote! { #name: #ty, });
        quote! { #(#fields)* }
    }

    /// Before the chat is known.
    pub fn no_fields(&self) -> TokenStream {
        let fields = self.chat_fields().into_iter().map(|(name, ..)| quote! { #name: ::core::default::Default::default(), });
        quote! { #(#fields)* }
    }

    /// Reads what is kept of `chat` into `self`.
    pub fn read_chat(&self) -> TokenStream {
        let fields = self.chat_fields().into_iter().map(|(name, _, value)| quote! { self.#name = #value; });
        quote! { #(#fields)* }
    }

    /// Reads the columns of `events` into variables.
    pub fn read_columns(&self, zone: Option<&Expr>) -> Result<TokenStream> {
        let mut columns = TokenStream::new();
        for parameter in &self.0 {
            let ty = &parameter.ty;
            let column = match parameter.name.as_str() {
                "text" => quote! { events.texts() },
                "kind" => quote! { events.kinds() },
                "flags" => quote! { events.event_flags() },
                "at" => quote! { events.times() },
                "local" => {
                    let Some(zone) = zone else {
                        let text = "`local` needs to know where: time_zone = \"Europe/Berlin\", or time_zone = config.time_zone";
                        return Err(Error::new(parameter.span, text));
                    };
                    quote! {{
                        let config = &self.config;
                        let _ = config;
                        ::consign_filter::parts::locals(events, ::core::convert::AsRef::<str>::as_ref(&(#zone)))?
                    }}
                }
                "sender" => quote! { events.senders() },
                "id" => quote! { events.ids() },
                "thread" => quote! { events.threads() },
                "target" => quote! { events.targets() },
                "matches" => quote_spanned! { ty.span() => <#ty as ::consign_filter::parts::Matches>::columns(events) },
                "match_counts" => quote_spanned! { ty.span() => <#ty as ::consign_filter::parts::MatchCounts>::columns(events) },
                _ => continue,
            };
            let variable = format_ident!("column_{}", parameter.name);
            columns.extend(quote! { let #variable = #column; });
        }
        Ok(columns)
    }

    /// The arguments of a call for the event at `row`. Each has the span of its parameter's type, so that a wrong type is shown there.
    pub fn values(&self) -> TokenStream {
        let values = self.0.iter().map(|parameter| {
            let column = format_ident!("column_{}", parameter.name);
            let ty = &parameter.ty;
            let value = match parameter.name.as_str() {
                "text" | "id" => quote! { ::consign_filter::parts::text(&#column, row) },
                "thread" | "target" => quote! { ::consign_filter::parts::some_text(&#column, row) },
                "kind" | "flags" | "at" | "local" => quote! { ::consign_filter::parts::value(&#column, row) },
                "sender" => quote! { ::consign_filter::parts::sender(&self.participants, &#column, row) },
                "attachments" => quote! { &events.attachments(row) },
                "matches" => quote! { <#ty as ::consign_filter::parts::Matches>::at(&#column, row) },
                "match_counts" => quote! { <#ty as ::consign_filter::parts::MatchCounts>::at(&#column, row) },
                "title" => quote! { self.title.as_deref() },
                "labels" => quote! { self.labels.as_slice() },
                "participants" => quote! { self.participants.as_slice() },
                "chat_id" => quote! { self.chat_id.as_str() },
                "source" => quote! { self.source.as_str() },
                "chat_kind" => quote! { self.chat_kind.unwrap_or(::consign_filter::ChatKind::Other) },
                "event_count" => quote! { self.event_count },
                "window_start" => quote! { self.window_start },
                "window_end" => quote! { self.window_end },
                _ => quote! { &self.config },
            };
            respan(value, ty.span())
        });
        quote! { #(#values),* }
    }
}

/// Gives tokens another place in the source, for errors about types.
fn respan(tokens: TokenStream, span: Span) -> TokenStream {
    let token = |mut token: proc_macro2::TokenTree| {
        if let proc_macro2::TokenTree::Group(group) = &token {
            let mut inner = proc_macro2::Group::new(group.delimiter(), respan(group.stream(), span));
            inner.set_span(span);
            return proc_macro2::TokenTree::Group(inner);
        }
        // Resolved where the attribute stands, shown at the parameter.
        token.set_span(token.span().located_at(span));
        token
    };
    tokens.into_iter().map(token).collect()
}

fn parameter(argument: &FnArg) -> Result<Parameter> {
    let FnArg::Typed(typed) = argument else {
        return Err(Error::new(argument.span(), "a filter is a plain function: it has no self"));
    };
    let Pat::Ident(pattern) = &*typed.pat else {
        return Err(Error::new(typed.pat.span(), format!("a parameter is a name here. {}", listed())));
    };
    let name = pattern.ident.to_string();
    let Some(known) = KNOWN.iter().find(|known| known.name == name) else {
        return Err(Error::new(pattern.ident.span(), format!("a filter knows no `{name}`. {}", listed())));
    };
    Ok(Parameter { name, of: known.of, ty: (*typed.ty).clone(), needs: known.needs, span: pattern.ident.span() })
}

fn listed() -> String {
    let list = |of: Of| {
        let known = KNOWN.iter().filter(|known| known.of == of);
        known.map(|known| format!("  {}: {}", known.name, known.ty)).collect::<Vec<_>>().join("\n")
    };
    format!(
        "A parameter's name says what it is:\nof the event\n{}\nof its chat\n{}\nof the policy\n{}",
        list(Of::Event),
        list(Of::Chat),
        list(Of::Config)
    )
}
