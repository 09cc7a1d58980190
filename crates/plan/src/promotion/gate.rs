//! The gate in front of a channel, condition by condition.

use std::collections::BTreeMap;

use jiff::Timestamp;
use model::words::short_id;
use model::{ChannelMember, GateAgreement, GateCondition, GateState, GateStatus, Lineage, MemberState, words};

use super::Channel;
use crate::policy::GatePolicy;

/// Clusters that a sentence names.
const NAMED: usize = 3;

/// Something that holds a channel up besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// What it is and who can lift it, in one sentence.
    pub sentence: String,
    /// When it ends by itself, if that is known.
    pub until: Option<Timestamp>,
}

/// Everything that is asked about a gate.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The gate.
    pub gate: &'a GatePolicy,
    /// The channel that the commit comes from.
    pub from: &'a Channel,
    /// The channel behind the gate.
    pub to: &'a Channel,
    /// How the commit stands to the one of the channel behind the gate, or why nobody knows.
    pub lineage: Result<Lineage, &'a str>,
    /// Agreements of people.
    pub agreements: &'a [GateAgreement],
    /// What holds the channel up besides: pauses, freezes.
    pub holds: &'a [Hold],
    /// Why this commit was taken back from the channel behind the gate, if it was.
    pub taken_back: Option<&'a str>,
    /// The recorded reason why nobody waits for check and soak time, if nobody does.
    pub fast_lane: Option<&'a str>,
    /// Who wrote the commit, as `Name <mail>`, where that is known. Agreeing to one's own commit does not count.
    pub author: Option<&'a str>,
    /// The time.
    pub now: Timestamp,
}

/// What a condition came to.
struct Found {
    met: bool,
    /// It does not pass by itself.
    wrong: bool,
    sentence: String,
    until: Option<Timestamp>,
}

impl Found {
    fn met(sentence: impl Into<String>) -> Self {
        Self {
            met: true,
            wrong: false,
            sentence: sentence.into(),
            until: None,
        }
    }

    fn waits(sentence: impl Into<String>, until: Option<Timestamp>) -> Self {
        Self {
            met: false,
            wrong: false,
            sentence: sentence.into(),
            until,
        }
    }

    fn wrong(sentence: impl Into<String>) -> Self {
        Self {
            wrong: true,
            ..Self::waits(sentence, None)
        }
    }
}

/// Evaluates a gate.
#[must_use]
pub fn gate(asked: &Asked<'_>) -> GateStatus {
    let commit = asked.from.commit.clone().unwrap_or_default();
    let mut status = GateStatus {
        from: asked.from.name.clone(),
        commit: commit.clone(),
        ..GateStatus::default()
    };
    if !commit.is_empty() && asked.to.commit.as_deref() == Some(commit.as_str()) {
        return status;
    }
    let found = [
        ("commit", asked.commit(&commit)),
        ("clusters", asked.clusters(&commit)),
        ("health", asked.health()),
        ("soak", asked.soak()),
        ("approval", asked.approval(&commit)),
        ("hold", asked.hold()),
    ];
    status.state = if found.iter().any(|(_, found)| found.wrong) {
        GateState::Shut
    } else if found.iter().all(|(_, found)| found.met) {
        GateState::Open
    } else {
        GateState::Waiting
    };
    let unmet: Vec<&Found> = found
        .iter()
        .map(|(_, found)| found)
        .filter(|found| !found.met)
        .collect();
    if unmet.iter().all(|found| found.until.is_some()) {
        status.eta = unmet.iter().filter_map(|found| found.until).max();
    }
    status.conditions = found
        .into_iter()
        .map(|(name, found)| GateCondition {
            name: name.to_owned(),
            met: found.met,
            sentence: found.sentence,
            until: found.until,
        })
        .collect();
    status
}

impl Asked<'_> {
    fn members(&self) -> &[ChannelMember] {
        &self.from.members
    }

    fn of(&self, wanted: impl Fn(MemberState) -> bool) -> Vec<&ChannelMember> {
        self.members().iter().filter(|member| wanted(member.state)).collect()
    }

    /// Clusters that may be red all the same.
    fn allowed(&self) -> usize {
        self.gate.failures.of(self.members().len())
    }

    fn commit(&self, commit: &str) -> Found {
        let (from, to) = (&self.from.name, &self.to.name);
        if commit.is_empty() {
            return Found::wrong(format!("where channel {from} stands is not known"));
        }
        if let Some(why) = self.taken_back {
            let said = format!(
                "{} was taken back from {to}, {why}; a newer commit is needed",
                short_id(commit)
            );
            return Found::wrong(said);
        }
        match self.lineage {
            Ok(Lineage::Ahead) => Found::met(format!("{} is ahead of {to}", short_id(commit))),
            Ok(Lineage::Behind) => Found::wrong(format!("{to} is further than {from}")),
            Ok(Lineage::Diverged) => Found::wrong(format!(
                "{to} has commits that {from} does not have, so its branch cannot be moved forward; merge them into {from}"
            )),
            Err(why) => Found::waits(
                format!("how {from} and {to} stand to each other is not known: {why}"),
                None,
            ),
        }
    }

    fn clusters(&self, commit: &str) -> Found {
        let blocked = self.of(|state| state == MemberState::Blocked).len();
        let wanted = self.members().len() - blocked;
        let there = self.of(MemberState::is_there).len();
        let aside = match blocked {
            0 => String::new(),
            1 => "; 1 is blocked".to_owned(),
            blocked => format!("; {blocked} are blocked"),
        };
        let said = format!(
            "{there} of {wanted} clusters of {} have {}{aside}",
            self.from.name,
            short_id(commit)
        );
        let coming = self.of(|state| matches!(state, MemberState::Behind | MemberState::Updating));
        if there == 0 && coming.is_empty() {
            return Found::waits(format!("{said}; at least one has to"), None);
        }
        match coming.is_empty() {
            true => Found::met(said),
            false => Found::waits(format!("{said}; to come: {}", named(coming.into_iter())), None),
        }
    }

    fn health(&self) -> Found {
        let red = self.of(|state| matches!(state, MemberState::Unhealthy | MemberState::Failing));
        let unknown = self.of(|state| state == MemberState::Undecided);
        let checking = self.of(|state| state == MemberState::Checking);
        let allowed = self.allowed();
        if red.len() > allowed {
            let cause = common(&red);
            let said = format!(
                "{} clusters of {} are red, {allowed} may be: {}{cause}",
                red.len(),
                self.from.name,
                named(red.iter().copied())
            );
            return Found::wrong(said);
        }
        if red.len() + unknown.len() > allowed {
            let said = format!(
                "whether they are healthy is not known: {}",
                named(unknown.iter().copied())
            );
            return Found::waits(said, None);
        }
        if let Some(why) = self.fast_lane.filter(|_| !checking.is_empty()) {
            let named = named(checking.into_iter());
            return Found::met(format!("the check of {named} is not waited for, fast lane: {why}"));
        }
        if !checking.is_empty() {
            let until = checking.iter().map(|member| member.until).max().flatten();
            return Found::waits(format!("the check time runs: {}", named(checking.into_iter())), until);
        }
        let healthy = self.of(|state| state == MemberState::Healthy).len();
        let aside = match red.len() + unknown.len() {
            0 => String::new(),
            red => format!(", {red} red, {allowed} may be"),
        };
        Found::met(format!("{healthy} clusters are healthy{aside}"))
    }

    /// The soak time begins when the last cluster became healthy with the commit.
    fn soak(&self) -> Found {
        let soak = self.gate.soak;
        if soak.is_zero() {
            return Found::met("no soak time");
        }
        if let Some(why) = self.fast_lane {
            return Found::met(format!("skipped, fast lane: {why}"));
        }
        let waited = |state| {
            matches!(
                state,
                MemberState::Behind | MemberState::Updating | MemberState::Checking
            )
        };
        let began = self
            .of(|state| state == MemberState::Healthy)
            .into_iter()
            .map(|member| member.since)
            .max();
        let began = match began.flatten() {
            Some(began) if self.of(waited).is_empty() => began,
            _ => {
                let until = self
                    .of(|state| state == MemberState::Checking)
                    .into_iter()
                    .map(|one| one.until)
                    .max();
                let late = self.of(|state| matches!(state, MemberState::Behind | MemberState::Updating));
                let begins = until.flatten().filter(|_| late.is_empty());
                let ends = begins.and_then(|begins| begins.checked_add(soak.get()).ok());
                return Found::waits(format!("{soak} of soak time begin when all clusters are healthy"), ends);
            }
        };
        let ends = began.saturating_add(soak.get()).unwrap_or(Timestamp::MAX);
        if self.now >= ends {
            return Found::met(format!("healthy since {}", words::moment(began)));
        }
        Found::waits(format!("soaks for {soak}, until {}", words::moment(ends)), Some(ends))
    }

    fn approval(&self, commit: &str) -> Found {
        let wanted = usize::try_from(self.gate.approvals).unwrap_or(usize::MAX);
        if wanted == 0 {
            return Found::met("nobody has to agree");
        }
        let counts = |agreement: &&GateAgreement| {
            let age = self.now.duration_since(agreement.at);
            agreement.channel == self.to.name && agreement.commit == commit && age <= self.gate.approval_term.get()
        };
        let people = self.agreements.iter().filter(counts).map(|one| one.by.as_str());
        let own = |by: &&str| self.author.is_some_and(|author| is_author(author, by));
        let (authors, mut people): (Vec<&str>, Vec<&str>) = people.partition(own);
        people.sort_unstable();
        people.dedup();
        let who = if people.is_empty() {
            "nobody".to_owned()
        } else {
            people.join(", ")
        };
        if people.len() >= wanted {
            return Found::met(format!("{who} agreed"));
        }
        let persons = if wanted == 1 { "person has" } else { "persons have" };
        let aside = match authors.first() {
            Some(author) => format!(" ({author} wrote it, which does not count)"),
            None => String::new(),
        };
        let said = format!(
            "{wanted} {persons} to agree to {}, {who} did{aside}; agree with \"fleetwright approve gate {}\"",
            short_id(commit),
            self.to.name
        );
        Found::waits(said, None)
    }

    fn hold(&self) -> Found {
        match self.holds.first() {
            None => Found::met("nothing holds it"),
            Some(hold) => Found::waits(hold.sentence.clone(), hold.until),
        }
    }
}

/// Whether somebody of this name wrote a commit: the author's name, mail address or what is before its `@` is the name.
fn is_author(author: &str, by: &str) -> bool {
    let (name, mail) = author.split_once('<').unwrap_or((author, ""));
    let mail = mail.trim_end_matches('>');
    let local = mail.split_once('@').map_or(mail, |(local, _)| local);
    let by = by.trim();
    let ids = [author, name, mail, local];
    !by.is_empty() && ids.iter().any(|id| id.trim().eq_ignore_ascii_case(by))
}

/// The first few of them with their sentences.
pub(super) fn named<'m>(members: impl Iterator<Item = &'m ChannelMember>) -> String {
    let all: Vec<&ChannelMember> = members.collect();
    let told = all.iter().take(NAMED).map(|member| match member.sentence.as_str() {
        "" => member.cluster.clone(),
        sentence => format!("{} ({sentence})", member.cluster),
    });
    let mut text = told.collect::<Vec<_>>().join(", ");
    if all.len() > NAMED {
        text.push_str(&format!(" and {} more", all.len() - NAMED));
    }
    text
}

/// What most of them have in common, if several say the same.
fn common(members: &[&ChannelMember]) -> String {
    let mut by_sentence: BTreeMap<&str, usize> = BTreeMap::new();
    for member in members.iter().filter(|member| !member.sentence.is_empty()) {
        *by_sentence.entry(&member.sentence).or_default() += 1;
    }
    let most = by_sentence.into_iter().max_by_key(|(_, count)| *count);
    match most {
        Some((sentence, count)) if count > 1 => format!("; {count} of them: {sentence}"),
        _ => String::new(),
    }
}
