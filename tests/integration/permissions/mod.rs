//! The table of permissions, asked of a running server cell by cell: everybody who may ask, every route and every frame,
//! with a cookie and with a bearer token. The server's answers are the table's.

mod document;
mod frames;
mod routes;
mod tokens;
mod world;
