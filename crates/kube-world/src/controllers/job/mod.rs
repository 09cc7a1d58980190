mod backoff;
mod indexes;
