//! stub

mod blocks;
mod mark;
mod roots;
mod space;
mod table;
mod threads;
