//! What `wit-bindgen` makes of the contract. Authors don't meet it: the export macros use it, and the crate's own types are re-exported from it,
//! so that they have the contract's names and texts.
#![expect(clippy::same_length_and_capacity, reason = "generated")]

/// The world of criteria modules.
pub mod criteria {
    wit_bindgen::generate!({
        path: "../../wit/filter.wit",
        world: "criteria-module",
        pub_export_macro: true,
        export_macro_name: "export_criteria_module",
        default_bindings_module: "consign_filter::bindings::criteria",
    });
}

/// The world of grouping modules; it shares the plain types and the resources with the other.
pub mod grouping {
    wit_bindgen::generate!({
        path: "../../wit/filter.wit",
        world: "grouping-module",
        pub_export_macro: true,
        export_macro_name: "export_grouping_module",
        default_bindings_module: "consign_filter::bindings::grouping",
        with: {
            "consign:filter/types@0.1.0": crate::bindings::criteria::consign::filter::types,
            "consign:filter/data@0.1.0": crate::bindings::criteria::consign::filter::data,
            "consign:filter/log@0.1.0": crate::bindings::criteria::consign::filter::log,
        },
    });
}
