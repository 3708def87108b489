//! The cache node: what it answers, next to memcached.

mod transcripts;
