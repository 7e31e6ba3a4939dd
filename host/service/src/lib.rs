//! What runs by itself: which policy is due when, that each due time makes one run, who is told what is wrong; and how modules are taken in and policies put into force.

pub mod alerts;
pub mod api;
pub mod apply;
mod attempts;
pub mod backup;
pub mod bill;
mod bind;
mod caller;
mod console;
mod ending;
pub mod expected;
pub mod identities;
pub mod issuers;
pub mod metrics;
pub mod modules;
mod outward;
mod problem;
pub mod promote;
pub mod proposals;
pub mod quotas;
pub mod runner;
pub mod scheduler;
pub mod secrets;
pub mod server;
mod socket;
pub mod tenants;
pub mod traces;

pub use self::socket::ListenError;
pub use consign_model::schedule;
