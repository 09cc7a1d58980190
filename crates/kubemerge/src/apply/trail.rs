//! The way from the root to the value at hand, kept on the call stack: a path is only written out where something is found.

use crate::fields::PathElement;

/// One step below another one.
#[derive(Clone, Copy)]
pub(super) struct Trail<'p> {
    up: Option<&'p Trail<'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Root,
    Field(&'p str),
    Item(&'p PathElement),
}

impl<'p> Trail<'p> {
    /// The root of an object.
    pub(super) const ROOT: Trail<'static> = Trail {
        up: None,
        step: Step::Root,
    };

    /// A member of the map at this place.
    pub(super) fn field(&'p self, name: &'p str) -> Trail<'p> {
        Trail {
            up: Some(self),
            step: Step::Field(name),
        }
    }

    /// An item of the list at this place.
    pub(super) fn item(&'p self, element: &'p PathElement) -> Trail<'p> {
        Trail {
            up: Some(self),
            step: Step::Item(element),
        }
    }

    /// The path written out.
    pub(super) fn path(&self) -> Vec<PathElement> {
        let mut out = Vec::new();
        let mut here = Some(self);
        while let Some(trail) = here {
            match trail.step {
                Step::Root => {}
                Step::Field(name) => out.push(PathElement::field(name)),
                Step::Item(element) => out.push(element.clone()),
            }
            here = trail.up;
        }
        out.reverse();
        out
    }
}
