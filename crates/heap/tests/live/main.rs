//! Reports of real programs, compiled when the tests run, against what the programs know.

mod glibc;
mod programs;
mod report;
