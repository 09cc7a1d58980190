mod plan;
mod rank;
