//! The registry's durable store on SQLite and PostgreSQL.
