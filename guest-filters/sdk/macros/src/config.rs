//! `#[config]`: a type that serde reads strictly and of which schemars makes the schema.
//!
//! Both derives come from the SDK's own dependencies, so that a module depends on the SDK alone; and strictness is not left to the author, because a
//! mistyped key that is silently ignored exports other events than was meant.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{Attribute, Error, Field, Fields, Ident, Item, Meta, Result, Token};

const WANTED: &str = "#[config] takes nothing, or example = { … } with a configuration in JSON";

pub fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let example = example(arguments)?;
    let mut item: Item = syn::parse2(item)?;
    let attributes = match &mut item {
        Item::Struct(item) => {
            marks(&mut item.fields)?;
            &item.attrs
        }
        Item::Enum(item) => {
            if let Some(field) = item.variants.iter().flat_map(|variant| &variant.fields).find(|field| marked(field)) {
                return Err(Error::new(field.span(), "the host finds a mark at a field of a struct only"));
            }
            &item.attrs
        }
        other => return Err(Error::new(other.span(), "#[config] stands on a struct or an enum")),
    };
    let rename = (!says(attributes, "rename_all")).then(|| quote! { #[serde(rename_all = "kebab-case")] });
    Ok(quote! {
        #[derive(::consign_filter::serde::Deserialize, ::consign_filter::schemars::JsonSchema)]
        #[serde(crate = "::consign_filter::serde", deny_unknown_fields)]
        #[schemars(crate = "::consign_filter::schemars")]
        #rename
        #example
        #item
    })
}

/// `example = { … }` as an attribute of schemars'.
fn example(arguments: TokenStream) -> Result<TokenStream> {
    if arguments.is_empty() {
        return Ok(TokenStream::new());
    }
    let parse = |input: syn::parse::ParseStream<'_>| {
        let key: Ident = input.parse()?;
        if key != "example" {
            return Err(Error::new(key.span(), WANTED));
        }
        input.parse::<Token![=]>()?;
        input.parse::<TokenStream>()
    };
    let example = parse.parse2(arguments)?;
    Ok(quote! { #[schemars(extend("examples" = [#example]))] })
}

/// Whether a serde attribute of the type says this already.
fn says(attributes: &[Attribute], word: &str) -> bool {
    let mut serde = attributes.iter().filter(|attribute| attribute.path().is_ident("serde"));
    serde.any(|attribute| match &attribute.meta {
        Meta::List(list) => list.tokens.to_string().contains(word),
        _ => false,
    })
}

fn marked(field: &Field) -> bool {
    field.attrs.iter().any(is_mark)
}

/// A type as it was, without the marks that only this attribute knows: for what stands beside an error.
pub fn unmarked(item: TokenStream) -> TokenStream {
    let Ok(mut item) = syn::parse2::<syn::ItemStruct>(item.clone()) else { return item };
    for field in &mut item.fields {
        field.attrs.retain(|attribute| !is_mark(attribute));
    }
    quote! { #item }
}

fn is_mark(attribute: &Attribute) -> bool {
    attribute.path().is_ident("keywords") || attribute.path().is_ident("time_zone")
}

/// Replaces our own marks on fields by schemars' attributes.
fn marks(fields: &mut Fields) -> Result<()> {
    for field in fields {
        for attribute in &mut field.attrs {
            if attribute.path().is_ident("time_zone") {
                attribute.meta.require_path_only()?;
                *attribute = syn::parse_quote! { #[schemars(extend("x-consign-time-zone" = true))] };
            } else if attribute.path().is_ident("keywords") {
                *attribute = keywords(attribute)?;
            }
        }
    }
    Ok(())
}

/// `#[keywords]` or `#[keywords(ignore_case, whole_words)]`: the host looks for them, by the options in the fields of these names.
fn keywords(attribute: &Attribute) -> Result<Attribute> {
    let options = match &attribute.meta {
        Meta::Path(_) => Punctuated::new(),
        Meta::List(list) => list.parse_args_with(Punctuated::<Ident, Token![,]>::parse_terminated)?,
        Meta::NameValue(pair) => return Err(Error::new(pair.span(), "write #[keywords], or #[keywords(ignore_case, whole_words)]")),
    };
    let mut pairs = TokenStream::new();
    for option in options {
        if option != "ignore_case" && option != "whole_words" {
            return Err(Error::new(option.span(), "there are two options: ignore_case and whole_words, each a field of that name (bool)"));
        }
        let key = option.to_string().replace('_', "-");
        let pointer = format!("/{key}");
        pairs.extend(quote! { #key: #pointer, });
    }
    Ok(syn::parse_quote! { #[schemars(extend("x-consign-needles" = { #pairs }))] })
}
