//! What `bindgen!` makes of the contract. Both worlds share one set of imports, so one linker serves both kinds of module.
//!
//! Every import may trap (`trappable`): that is how a call for data that was not approved, or one after the deadline, ends the module. Columns are
//! `Vec`s of plain numbers, which wasmtime lowers by copying their bytes: 1 ns for a number, while a list of records with strings costs 300 ns a row.

/// Criteria modules, and the imports of both kinds.
pub mod criteria {
    wasmtime::component::bindgen!({
        path: "../../wit/0.1.0/filter.wit",
        world: "criteria-module",
        imports: { default: trappable },
        with: {
            "consign:filter/data.chat": crate::host::ChatHandle,
            "consign:filter/data.view": crate::host::ViewHandle,
        },
    });
}

/// Grouping modules.
pub mod grouping {
    wasmtime::component::bindgen!({
        path: "../../wit/0.1.0/filter.wit",
        world: "grouping-module",
        with: {
            "consign:filter/types": super::criteria::consign::filter::types,
            "consign:filter/data": super::criteria::consign::filter::data,
            "consign:filter/log": super::criteria::consign::filter::log,
        },
    });
}
