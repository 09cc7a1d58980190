//! The bodies of answers: whole, lists that are written as they are read, watches.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};

use crate::store::Object;
use crate::view::View;
use crate::watch::WatchStream;

/// The body of an answer. It never fails; a watch may run for a long time.
#[derive(Debug)]
pub struct ReplyBody(Inner);

#[derive(Debug)]
enum Inner {
    Whole(Option<Bytes>),
    List(Box<ListBody>),
    Watch(Box<WatchStream>),
}

#[derive(Debug)]
struct ListBody {
    head: Option<Bytes>,
    objects: std::vec::IntoIter<Arc<Object>>,
    first: bool,
    ended: bool,
    view: View,
}

const FRAME: usize = 256 * 1024;

impl ReplyBody {
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self(Inner::Whole(Some(bytes.into())))
    }

    /// A list: the snapshot holds references only, the text is made while it is read.
    pub(crate) fn list(view: View, metadata: &json_tree::Value, objects: Vec<Arc<Object>>) -> Self {
        let head = Some(view.list_head(metadata));
        Self(Inner::List(Box::new(ListBody {
            head,
            objects: objects.into_iter(),
            first: true,
            ended: false,
            view,
        })))
    }

    pub(crate) fn watch(watch: WatchStream) -> Self {
        Self(Inner::Watch(Box::new(watch)))
    }
}

impl ListBody {
    fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        let mut frame = BytesMut::new();
        if let Some(head) = self.head.take() {
            frame.extend_from_slice(&head);
        }
        while frame.len() < FRAME {
            let Some(object) = self.objects.next() else {
                frame.extend_from_slice(b"]}\n");
                self.ended = true;
                break;
            };
            if !std::mem::take(&mut self.first) {
                frame.extend_from_slice(b",");
            }
            self.view.item(&object, &mut frame);
        }
        Some(frame.freeze())
    }
}

impl http_body::Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match &mut self.0 {
            Inner::Whole(bytes) => Poll::Ready(bytes.take().filter(|bytes| !bytes.is_empty())),
            Inner::List(list) => Poll::Ready(list.next()),
            Inner::Watch(watch) => watch.poll_lines(context),
        };
        next.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Inner::Whole(bytes) if bytes.as_ref().is_none_or(Bytes::is_empty))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            _ => SizeHint::default(),
        }
    }
}
