//! What runs by itself: which policy is due when, that each due time makes one run, and how policies are put into force.

pub mod apply;
pub mod runner;
pub mod schedule;
pub mod scheduler;
