//! The function that an attribute stands on.

use proc_macro2::TokenStream;
use quote::format_ident;
use syn::spanned::Spanned as _;
use syn::{Attribute, Error, Expr, ExprLit, GenericArgument, Ident, ItemFn, Lit, Meta, PathArguments, Result, ReturnType, Type};

use crate::parameters::Parameters;

/// A function that can be a filter, but for what it returns.
pub struct Function {
    pub item: ItemFn,
    pub parameters: Parameters,
    /// The type that implements the trait: the function's name in camel case.
    pub module: Ident,
    /// The first paragraph of its documentation, as one line.
    pub summary: String,
}

impl Function {
    pub fn parse(item: TokenStream) -> Result<Self> {
        let item: ItemFn = syn::parse2(item).map_err(|error| Error::new(error.span(), "this attribute stands on a function"))?;
        let signature = &item.sig;
        if let Some(token) = &signature.asyncness {
            return Err(Error::new(token.span(), "a filter can't wait for anything: it is no async function"));
        }
        if !signature.generics.params.is_empty() {
            return Err(Error::new(signature.generics.span(), "a filter has no generic parameters and no named lifetimes"));
        }
        let parameters = Parameters::of(signature)?;
        let module = format_ident!("{}", camel_case(&signature.ident.to_string()), span = signature.ident.span());
        let summary = first_paragraph(&item.attrs);
        Ok(Self { item, parameters, module, summary })
    }

    /// What the function returns; where that is a `Result`, what is in it.
    pub fn returned(&self, wanted: &str) -> Result<Returned> {
        let ReturnType::Type(_, ty) = &self.item.sig.output else {
            return Err(Error::new(self.item.sig.ident.span(), format!("the function returns nothing. {wanted}")));
        };
        match generic(ty, "Result").as_deref() {
            Some([ok, _failure]) => Ok(Returned { ty: ok.clone(), fallible: true }),
            Some(_) => Err(Error::new(ty.span(), format!("Result has two parameters here, the second is consign_filter::Failure. {wanted}"))),
            None => Ok(Returned { ty: (**ty).clone(), fallible: false }),
        }
    }
}

/// A return type.
pub struct Returned {
    /// Without the `Result` about it.
    pub ty: Type,
    /// Whether there was one.
    pub fallible: bool,
}

/// The type parameters, if it is this type.
pub fn generic(ty: &Type, name: &str) -> Option<Vec<Type>> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return Some(Vec::new()) };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty.clone()),
        _ => None,
    });
    Some(types.collect())
}

/// Whether it is this plain type.
pub fn is(ty: &Type, name: &str) -> bool {
    matches!(ty, Type::Path(path) if path.path.is_ident(name))
}

fn camel_case(name: &str) -> String {
    let word = |word: &str| {
        let mut characters = word.chars();
        characters.next().map(|first| first.to_uppercase().chain(characters).collect::<String>()).unwrap_or_default()
    };
    name.trim_start_matches("r#").split('_').map(word).collect()
}

fn first_paragraph(attributes: &[Attribute]) -> String {
    let line = |attribute: &Attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    };
    let lines = attributes.iter().filter_map(line).skip_while(String::is_empty);
    lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}
