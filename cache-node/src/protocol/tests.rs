//! The protocol as clients see it: input and the answers to it.
