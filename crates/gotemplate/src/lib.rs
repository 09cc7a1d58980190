//! Go text/template semantics: executor with places, function registry, record of values read.
