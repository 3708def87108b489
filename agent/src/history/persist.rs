//! stub: history on disk
