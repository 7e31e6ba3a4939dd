//! The attributes of `consign-filter`; use them from there.
//!
//! A filter that looks at one event after the other is one function: its parameters, by name, are the data that it reads. So what the manifest says it
//! needs is what it uses, and can't be forgotten or asked for in vain. The attributes write nothing that an author could not write by hand: the trait's
//! implementation, and the export.

mod arguments;
mod config;
mod criteria;
mod function;
mod grouping;
mod parameters;

use proc_macro::TokenStream;

/// Makes a function a criteria module. See the guide in the crate `consign-filter`.
#[proc_macro_attribute]
pub fn criteria(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(item, |item| criteria::expand(arguments.into(), item))
}

/// Makes a function a grouping module. See the guide in the crate `consign-filter`.
#[proc_macro_attribute]
pub fn grouping(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(item, |item| grouping::expand(arguments.into(), item))
}

/// Makes a type a configuration, or a part of one. See the guide in the crate `consign-filter`.
#[proc_macro_attribute]
pub fn config(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = arguments.into();
    let expanded = config::expand(arguments, item.clone().into());
    expanded
        .unwrap_or_else(|error| {
            let (error, item) = (error.into_compile_error(), config::unmarked(item.into()));
            quote::quote! { #error #item }
        })
        .into()
}

/// What could not be expanded stays as it is, beside the error: so nobody is told that the function does not exist either.
fn expand(item: TokenStream, by: impl FnOnce(proc_macro2::TokenStream) -> syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    let item = proc_macro2::TokenStream::from(item);
    by(item.clone())
        .unwrap_or_else(|error| {
            let error = error.into_compile_error();
            quote::quote! { #error #item }
        })
        .into()
}
