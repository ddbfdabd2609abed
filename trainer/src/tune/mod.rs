//! Tuning: tries values of a recipe's fields, measures each on the exported model, and keeps the trials that no other beats in
//! everything.
//!
//! A trial is one process with one result file in one folder; the tuner only decides which one runs next, from the result
//! files alone. So a killed tuning goes on where it was, and another engine can run the same trials on many machines.

mod field;
mod measure;
mod pareto;
mod results;
mod run;
mod schedule;
mod space;
mod trial;

pub use field::{Domain, Range, set};
pub use measure::{Measures, Objective};
pub use pareto::{front, fronts};
pub use results::{Finished, collect, measured, write};
pub use run::{Job, Options, tune};
pub use space::{Method, Space};
pub use trial::{Outcome, Rung, Status, Trial, result_file};
