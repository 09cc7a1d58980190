//! `pause`, `resume`, `freeze`, `unfreeze` and `fast-lane`.

use cli_args::{
    FastLaneArgs, FastLaneCommand, FreezeArgs, PauseArgs, PauseCommand, ResumeArgs, ResumeCommand, TermArgs,
    UnfreezeArgs,
};
use jiff::Timestamp;
use ports::acts::channel_id;
use registry_api::{ActDraft, ActEntry, ActName};

use crate::console::Console;
use crate::failure::Failure;
use crate::session::Session;
use crate::settings::Settings;

pub(super) async fn pause(args: PauseArgs, settings: &Settings, console: &mut Console) -> Result<(), Failure> {
    let PauseCommand::Channel(args) = args.command;
    let draft = ActDraft {
        channel: Some(args.channel),
        ..draft(ActName::Pause, args.reason)
    };
    perform(&draft, settings, console).await
}

pub(super) async fn resume(args: ResumeArgs, settings: &Settings, console: &mut Console) -> Result<(), Failure> {
    let ResumeCommand::Channel(args) = args.command;
    let session = Session::new(settings)?;
    let id = channel_id(&args.channel).parse()?;
    let lifted = session.client.end_act(ActName::Pause, &id, &session.write()).await;
    let verb = match lifted {
        Ok(Some(_)) => "resumed",
        Ok(None) | Err(ports::RegistryError::NotFound { .. }) => "was not paused",
        Err(error) => return Err(Failure::from(error).while_doing(format!("channel/{}", args.channel))),
    };
    console.line(&format!("channel/{} {verb}", args.channel))
}

pub(super) async fn freeze(args: FreezeArgs, settings: &Settings, console: &mut Console) -> Result<(), Failure> {
    let now = Session::new(settings)?.clock.now();
    let draft = ActDraft {
        clusters: args.selector,
        until: end(&args.term, now)?,
        ..draft(ActName::Freeze, args.reason)
    };
    perform(&draft, settings, console).await
}

pub(super) async fn unfreeze(args: UnfreezeArgs, settings: &Settings, console: &mut Console) -> Result<(), Failure> {
    end_all(ActName::Freeze, "lifted", args.ids, settings, console).await
}

pub(super) async fn fast_lane(args: FastLaneArgs, settings: &Settings, console: &mut Console) -> Result<(), Failure> {
    match args.command {
        FastLaneCommand::Open(args) => {
            let now = Session::new(settings)?.clock.now();
            let draft = ActDraft {
                channel: Some(args.channel),
                config: Some(args.version),
                clusters: args.selector,
                ticket: args.ticket,
                until: end(&args.term, now)?,
                ..draft(ActName::FastLane, args.reason)
            };
            perform(&draft, settings, console).await
        }
        FastLaneCommand::Close(args) => end_all(ActName::FastLane, "closed", args.ids, settings, console).await,
    }
}

fn draft(what: ActName, reason: String) -> ActDraft {
    ActDraft {
        what,
        channel: None,
        config: None,
        clusters: None,
        reason,
        ticket: None,
        until: None,
    }
}

async fn perform(draft: &ActDraft, settings: &Settings, console: &mut Console) -> Result<(), Failure> {
    let session = Session::new(settings)?;
    let done = session.client.act(draft, &session.write()).await?;
    let (name, verb) = match done.what {
        ActName::Pause => (format!("channel/{}", done.channel), "paused"),
        ActName::Freeze => (format!("freeze/{}", done.id), "holds"),
        ActName::FastLane => (format!("fast-lane/{}", done.id), "is open"),
    };
    console.line(&format!("{name} {verb}"))?;
    console.flush()?;
    console.say(&told(&done));
    Ok(())
}

/// What it is for, why, who and how long.
fn told(act: &ActEntry) -> String {
    let mut text = match act.what {
        ActName::Pause => "nothing more begins in the channel".to_owned(),
        ActName::Freeze => "nothing begins".to_owned(),
        ActName::FastLane => format!("version {} of channel {} passes", act.config, act.channel),
    };
    match act.clusters.as_str() {
        "" if act.what == ActName::Freeze => text.push_str(" in the whole fleet"),
        "" => {}
        selector => text.push_str(&format!(" on clusters with {selector}")),
    }
    text.push_str(&format!("; {} ({})", act.reason, act.by));
    match act.until {
        Some(end) => text.push_str(&format!("; ends {end}")),
        None => text.push_str("; until somebody resumes it"),
    }
    crate::table::one_line(text)
}

async fn end_all(
    what: ActName,
    verb: &str,
    ids: Vec<String>,
    settings: &Settings,
    console: &mut Console,
) -> Result<(), Failure> {
    let session = Session::new(settings)?;
    let ids = if ids.is_empty() {
        let open = session.client.list_acts(Some(true)).await?.into_iter();
        open.filter(|act| act.what == what).map(|act| act.id).collect()
    } else {
        ids
    };
    let kind = what.as_str();
    if ids.is_empty() {
        console.say(&format!("there is no {kind} to be {verb}"));
    }
    for id in ids {
        let id = id.strip_prefix(&format!("{kind}/")).unwrap_or(&id).parse()?;
        let ended = session.client.end_act(what, &id, &session.write()).await;
        let ended = ended.map_err(|error| Failure::from(error).while_doing(format!("{kind}/{id}")))?;
        let verb = if ended.is_some() { verb } else { "was over already" };
        console.line(&format!("{kind}/{id} {verb}"))?;
        console.flush()?;
    }
    Ok(())
}

fn end(term: &TermArgs, now: Timestamp) -> Result<Option<Timestamp>, Failure> {
    super::block::end(term.until.as_deref(), term.term, now)
}
