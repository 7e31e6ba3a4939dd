//! `#[grouping]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned as _;
use syn::{Error, Result};

use crate::arguments::Arguments;
use crate::function::{Function, generic};

const WANTED: &str = "A grouping returns the e-mail that an event goes into: a key (&str or String), a key and a title (two of them), or a Group. \
                      In an Option, None leaves the event out, and leave_out = \"code: summary\" says why; all of it may stand in a Result<_, Failure>";

pub fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut arguments = Arguments::parse(arguments)?;
    let function = Function::parse(item)?;
    let returned = function.returned(WANTED)?;
    let leave_out = arguments.leave_out.take();

    let Function { item, parameters, module, summary } = &function;
    let name = &item.sig.ident;
    let visibility = &item.vis;
    let manifest = arguments.manifest(name, summary)?;
    let config = parameters.config()?;
    let needs = parameters.needs();
    let check = arguments.check.iter();
    let (fields, no_fields, read_chat) = (parameters.fields(), parameters.no_fields(), parameters.read_chat());
    let columns = parameters.read_columns(arguments.time_zone.as_ref())?;
    let values = parameters.values();
    let call = if returned.fallible {
        quote! { #name(#values)? }
    } else {
        quote! { #name(#values) }
    };
    let place = quote! { placement.assign(row..row + 1, self.groups.number(group)?) };
    let (rule, rules, each) = match (generic(&returned.ty, "Option"), leave_out) {
        (None, None) => {
            let each = quote! { let group = #call; #place; };
            (quote! { ::consign_filter::NoRules }, TokenStream::new(), each)
        }
        (Some(_), Some(rule)) => {
            let (rule, rules) = rule.of(module, visibility);
            let each = quote! {
                match #call {
                    ::core::option::Option::Some(group) => #place,
                    ::core::option::Option::None => placement.leave_out(row..row + 1, #rule::LeftOut),
                }
            };
            (quote! { #rule }, rules, each)
        }
        (Some(_), None) => {
            let text = "the ledger says of each event why it was left out: leave_out = \"no-sender: nobody did it\"";
            return Err(Error::new(returned.ty.span(), text));
        }
        (None, Some(rule)) => return Err(Error::new(rule.span, "leave_out goes with an Option: nothing else leaves an event out")),
    };
    let text = format!("The module of [`{name}`].");
    Ok(quote! {
        #item

        #rules

        #[doc = #text]
        #visibility struct #module { config: #config, groups: ::consign_filter::parts::Groups, #fields }

        impl ::consign_filter::Grouping for #module {
            type Config = #config;
            type Rule = #rule;
            const MANIFEST: ::consign_filter::Manifest = ::consign_filter::Manifest {
                #manifest,
                needs: #needs,
                config_schema: ::consign_filter::Schema::of::<#config>(),
            };

            fn configure(config: #config) -> ::core::result::Result<Self, ::std::vec::Vec<::consign_filter::ConfigError>> {
                #(#check(&config)?;)*
                ::core::result::Result::Ok(Self { config, groups: ::core::default::Default::default(), #no_fields })
            }

            fn begin_chat(&mut self, chat: &dyn ::consign_filter::Chat) -> ::core::result::Result<(), ::consign_filter::Failure> {
                let _ = (chat, &self.config);
                #read_chat
                ::core::result::Result::Ok(())
            }

            fn place(
                &mut self,
                events: &dyn ::consign_filter::View,
            ) -> ::core::result::Result<::consign_filter::Placement<#rule>, ::consign_filter::Failure> {
                #columns
                let mut placement = ::consign_filter::Placement::new();
                for row in 0..events.len() {
                    #each
                }
                ::core::result::Result::Ok(placement)
            }

            fn finish_chat(&mut self) -> ::core::result::Result<::std::vec::Vec<::consign_filter::Group>, ::consign_filter::Failure> {
                ::core::result::Result::Ok(self.groups.take())
            }
        }

        ::consign_filter::export_grouping!(#module);
        ::consign_filter::used_natively!(#module as Grouping);
    })
}
