//! Bodies that dawdle, fall silent and break.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body::{Body, Frame, SizeHint};
use ports::Clock;

use super::judge::{Judge, Subject};
use super::plan::Fault;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of an answer that a [`super::FaultyApi`] gives.
pub struct FaultyBody<B> {
    inner: Inner<B>,
    /// What has to pass before the next part.
    pause: Option<BoxFuture<'static, ()>>,
    /// How long each part waits.
    slow: Option<Duration>,
    /// How many bytes are left, with the fault that counts them.
    left: Option<(u64, String, Fault)>,
    /// Ends when the server dies, with the name of the rule that lets it.
    death: Option<BoxFuture<'static, String>>,
    judge: Option<(Arc<Judge>, Subject)>,
    broken: bool,
}

enum Inner<B> {
    Server(B),
    Own(Option<Bytes>),
}

impl<B> std::fmt::Debug for FaultyBody<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaultyBody")
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}

/// A sleep that owns its clock.
pub(super) fn sleep(clock: &Arc<dyn Clock>, time: Duration) -> BoxFuture<'static, ()> {
    let clock = clock.clone();
    Box::pin(async move { clock.sleep(time).await })
}

impl<B> FaultyBody<B> {
    fn new(inner: Inner<B>) -> Self {
        Self {
            inner,
            pause: None,
            slow: None,
            left: None,
            death: None,
            judge: None,
            broken: false,
        }
    }

    /// An answer of the wrapper's own.
    pub(super) fn own(bytes: Bytes) -> Self {
        Self::new(Inner::Own(Some(bytes)))
    }

    /// The server's answer, unharmed so far.
    pub(super) fn of(body: B, judge: Arc<Judge>, subject: Subject) -> Self {
        let mut body = Self::new(Inner::Server(body));
        body.judge = Some((judge, subject));
        body
    }

    /// Lets a fault of bodies befall it.
    pub(super) fn suffer(&mut self, rule: &str, fault: &Fault) {
        let clock = self.judge.as_ref().map(|(judge, _)| judge.clock().clone());
        match (fault, clock) {
            (Fault::Slow(time), _) => self.slow = Some(*time),
            (Fault::WatchGap(time), Some(clock)) => self.pause = Some(sleep(&clock, *time)),
            (Fault::WatchCut(bytes), _) => self.left = Some((*bytes, rule.to_owned(), fault.clone())),
            _ => {}
        }
    }

    /// Breaks it when the server dies: after this much time, if that is known already, or by a new plan.
    pub(super) fn dies_in(&mut self, known: Option<(Duration, String)>) {
        let Some((judge, _)) = &self.judge else { return };
        let by_plan = judge.death();
        self.death = Some(match known {
            None => by_plan,
            Some((time, rule)) => {
                let end = sleep(judge.clock(), time);
                Box::pin(async move {
                    tokio::select! {
                        biased;
                        () = end => rule,
                        rule = by_plan => rule,
                    }
                })
            }
        });
    }

    fn breaks(&mut self, rule: &str, fault: &Fault) -> io::Error {
        self.broken = true;
        if let Some((judge, subject)) = &self.judge {
            judge.note(subject, rule, fault);
        }
        io::Error::new(io::ErrorKind::ConnectionReset, "connection reset by peer")
    }

    /// Lets as many bytes through as are left.
    fn limit(&mut self, mut frame: Frame<Bytes>) -> Result<Frame<Bytes>, io::Error> {
        let Some((left, rule, fault)) = self.left.take() else {
            return Ok(frame);
        };
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        if length < left {
            self.left = Some((left - length, rule, fault));
            return Ok(frame);
        }
        if left == 0 {
            return Err(self.breaks(&rule, &fault));
        }
        if let Some(data) = frame.data_mut() {
            data.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        }
        self.left = Some((0, rule, fault));
        Ok(frame)
    }
}

impl<B> Body for FaultyBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if this.broken {
            return Poll::Ready(None);
        }
        if let Some(death) = &mut this.death
            && let Poll::Ready(rule) = death.as_mut().poll(context)
        {
            this.death = None;
            return Poll::Ready(Some(Err(this.breaks(&rule, &Fault::Dead).into())));
        }
        if let Some(pause) = &mut this.pause {
            ready!(pause.as_mut().poll(context));
            this.pause = None;
        }
        if let Some((0, ..)) = this.left
            && let Some((_, rule, fault)) = this.left.take()
        {
            return Poll::Ready(Some(Err(this.breaks(&rule, &fault).into())));
        }
        let next = match &mut this.inner {
            Inner::Server(body) => ready!(Pin::new(body).poll_frame(context)),
            Inner::Own(bytes) => bytes.take().map(|bytes| Ok(Frame::data(bytes))),
        };
        let Some(frame) = next else { return Poll::Ready(None) };
        if let (Some(time), Some((judge, _))) = (this.slow, &this.judge) {
            this.pause = Some(sleep(judge.clock(), time));
        }
        Poll::Ready(Some(match frame {
            Ok(frame) => this.limit(frame).map_err(Into::into),
            Err(error) => Err(error.into()),
        }))
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Server(body) => self.broken || (self.death.is_none() && self.left.is_none() && body.is_end_stream()),
            Inner::Own(bytes) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Server(body) if self.left.is_none() => body.size_hint(),
            Inner::Server(_) => SizeHint::default(),
            Inner::Own(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
        }
    }
}
