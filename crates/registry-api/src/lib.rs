//! Wire types of the registry API, its OpenAPI document and the typed client.
