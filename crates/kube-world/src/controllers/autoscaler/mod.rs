mod behaviour;
mod replicas;
