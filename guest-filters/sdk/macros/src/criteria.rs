//! `#[criteria]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned as _;
use syn::{Error, Result, Type};

use crate::arguments::{Arguments, Rule};
use crate::function::{Function, generic, is};
use crate::parameters::Of;

const WANTED: &str = "A criterion returns bool (true keeps the event, and leave_out = \"code: summary\" says why the others are left out), or Verdict<Why> with an enum made \
     by consign_filter::rules!; either may stand in a Result<_, Failure>";

/// How the function's answer becomes a verdict.
enum Answer {
    /// Yes or no, with the one rule.
    Bool(Rule),
    /// A verdict of these rules.
    Verdict(Type),
}

pub fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut arguments = Arguments::parse(arguments)?;
    let function = Function::parse(item)?;
    let returned = function.returned(WANTED)?;
    let answer = answer(&mut arguments, &returned.ty)?;

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
    let (rule, rules, verdict) = match answer {
        Answer::Verdict(rule) => (quote! { #rule }, TokenStream::new(), call),
        Answer::Bool(rule) => {
            let (rule, rules) = rule.of(module, visibility);
            (quote! { #rule }, rules, quote! { ::consign_filter::Verdict::keep_if(#call, #rule::LeftOut) })
        }
    };
    // What no event can change is said of the whole chat: it is then not even decrypted.
    let (decision, evaluation) = if parameters.any(Of::Event) {
        let each = quote! {
            #columns
            let mut verdicts = ::std::vec::Vec::with_capacity(events.len());
            for row in 0..events.len() {
                verdicts.push(#verdict);
            }
            ::core::result::Result::Ok(verdicts)
        };
        (quote! { ::core::result::Result::Ok(::consign_filter::ChatDecision::Inspect) }, each)
    } else {
        let decision = quote! {
            ::core::result::Result::Ok(match self.whole()? {
                ::consign_filter::Verdict::Keep => ::consign_filter::ChatDecision::KeepAll,
                ::consign_filter::Verdict::LeaveOut(rule) => ::consign_filter::ChatDecision::OmitAll(rule),
            })
        };
        (decision, quote! { ::core::result::Result::Ok(::std::vec![self.whole()?; events.len()]) })
    };
    let whole = (!parameters.any(Of::Event)).then(|| {
        quote! {
            impl #module {
                fn whole(&self) -> ::core::result::Result<::consign_filter::Verdict<#rule>, ::consign_filter::Failure> {
                    ::core::result::Result::Ok(#verdict)
                }
            }
        }
    });
    let text = format!("The module of [`{name}`].");
    Ok(quote! {
        #item

        #rules

        #[doc = #text]
        #visibility struct #module { config: #config, #fields }

        #whole

        impl ::consign_filter::Criteria for #module {
            type Config = #config;
            type Rule = #rule;
            const MANIFEST: ::consign_filter::Manifest = ::consign_filter::Manifest {
                #manifest,
                needs: #needs,
                config_schema: ::consign_filter::Schema::of::<#config>(),
            };

            fn configure(config: #config) -> ::core::result::Result<Self, ::std::vec::Vec<::consign_filter::ConfigError>> {
                #(#check(&config)?;)*
                ::core::result::Result::Ok(Self { config, #no_fields })
            }

            fn begin_chat(
                &mut self,
                chat: &dyn ::consign_filter::Chat,
            ) -> ::core::result::Result<::consign_filter::ChatDecision<#rule>, ::consign_filter::Failure> {
                let _ = (chat, &self.config);
                #read_chat
                #decision
            }

            fn evaluate(
                &mut self,
                events: &dyn ::consign_filter::View,
            ) -> ::core::result::Result<::std::vec::Vec<::consign_filter::Verdict<#rule>>, ::consign_filter::Failure> {
                #evaluation
            }
        }

        ::consign_filter::export_criteria!(#module);
        ::consign_filter::used_natively!(#module as Criteria);
    })
}

fn answer(arguments: &mut Arguments, ty: &Type) -> Result<Answer> {
    let leave_out = arguments.leave_out.take();
    if is(ty, "bool") {
        return match leave_out {
            Some(rule) => Ok(Answer::Bool(rule)),
            None => Err(Error::new(ty.span(), "the ledger says of each event why it was left out: leave_out = \"bot: a bot wrote it\"")),
        };
    }
    match (generic(ty, "Verdict").as_deref(), leave_out) {
        (Some([rule]), None) => Ok(Answer::Verdict(rule.clone())),
        (Some([_]), Some(rule)) => Err(Error::new(rule.span, "leave_out goes with bool: a Verdict brings its own rules")),
        _ => Err(Error::new(ty.span(), WANTED)),
    }
}
