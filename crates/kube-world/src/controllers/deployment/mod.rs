mod plan;
mod progress;
mod rolling;
mod sets;
mod status;
