//! The screen: head, list or text, and the line at the bottom.

use model::ClusterVersion;
use model::words::moment;
use ports::standing::State;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row as TableRow, Table, TableState, Wrap};

use crate::app::{App, Typing, View};
use crate::list::columns;
use crate::tree;

const HELP: &[(&str, &str)] = &[
    ("arrows, j, k", "move; PgUp, PgDn, g, G by more"),
    ("Enter", "go into the cluster or update"),
    ("Esc", "clear the filter, then go back"),
    ("/", "filter by words"),
    (":clusters", "all clusters; :cluster NAME one of them"),
    (":updates", "what is being done and was done"),
    (
        ":rollouts",
        "nodes that are to be replaced, and why they are still there",
    ),
    (":blocks", "clusters that somebody holds back"),
    ("r", "read the fleet now; it is read at every change anyway"),
    ("q, Ctrl-C", "leave; q goes back first"),
    ("", ""),
    (
        "",
        "This view changes nothing. To hold a cluster back: fleetwright block NAME --reason ...",
    ),
];

/// Draws the screen; without colours it says the same by words.
pub fn draw(app: &mut App, frame: &mut Frame<'_>, colours: bool) {
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(2), Constraint::Min(1), Constraint::Length(1)]).areas(frame.area());
    frame.render_widget(Paragraph::new(head_lines(app, colours)), head);
    match app.view() {
        View::Clusters | View::Updates | View::Rollouts | View::Blocks => list(app, frame, body, colours),
        View::Cluster(_) | View::Update(_) | View::Help => page(app, frame, body, colours),
    }
    frame.render_widget(Paragraph::new(foot_line(app)), foot);
}

fn tone(word: &str, colours: bool) -> Style {
    let colour = match word {
        _ if !colours => return Style::default(),
        "failing" | "halted" | "broken" => Color::Red,
        "blocked" | "stopped" => Color::Magenta,
        "waiting" | "marked" => Color::Yellow,
        "updating" | "running" | "rolling" | "creating" | "leaving" => Color::Cyan,
        "behind" | "pending" | "skipped" | "gone" => Color::DarkGray,
        "current" | "done" => Color::Green,
        _ => return Style::default(),
    };
    Style::default().fg(colour)
}

fn head_lines(app: &App, colours: bool) -> Vec<Line<'static>> {
    let picture = &app.picture;
    let mut counts = vec![Span::raw(format!(" {} clusters", picture.clusters.len()))];
    for state in State::ALL {
        let number = picture
            .clusters
            .iter()
            .filter(|line| line.standing.state == state)
            .count();
        if number > 0 {
            counts.push(Span::styled(
                format!("  {number} {}", state.word()),
                tone(state.word(), colours),
            ));
        }
    }
    let trail: Vec<String> = app.trail.iter().map(View::name).collect();
    let bold = Style::default().add_modifier(Modifier::BOLD);
    let mut title = vec![Span::styled(format!(" {}", trail.join(" > ")), bold)];
    if !app.filter.is_empty() {
        title.push(Span::raw(format!("  /{}", app.filter)));
    }
    title.push(Span::raw(format!("   {}   {}", picture.server, moment(picture.at))));
    vec![Line::from(title), Line::from(counts)]
}

fn list(app: &App, frame: &mut Frame<'_>, area: Rect, colours: bool) {
    // The sentence of the row under the cursor is told in full; on a narrow screen its column holds only the beginning.
    let [area, said] = Layout::vertical([Constraint::Min(1), Constraint::Length(2)]).areas(area);
    let columns = columns(app.view());
    let rows = app.rows();
    if rows.is_empty() {
        let text = match app.view() {
            View::Rollouts if app.picture.nodes.is_none() => " this server does not tell how rollouts go",
            _ if !app.filter.is_empty() => " nothing fits the filter",
            View::Rollouts => " no node is to be replaced",
            View::Blocks => " nothing is blocked",
            _ => " nothing is here",
        };
        frame.render_widget(Paragraph::new(text), area);
        return;
    }
    let widths = columns.iter().map(|(_, width)| match width {
        0 => Constraint::Min(10),
        width => Constraint::Length(*width),
    });
    let head = TableRow::new(columns.iter().map(|(title, _)| Cell::from(*title)));
    let lines = rows.iter().map(|row| {
        let cells = row.cells.iter().map(|cell| Cell::from(cell.clone()));
        TableRow::new(cells).style(tone(row.word, colours))
    });
    let table = Table::new(lines, widths)
        .header(head.style(Style::default().add_modifier(Modifier::BOLD)))
        .row_highlight_style(Style::default().add_modifier(Modifier::REVERSED))
        .highlight_symbol(">");
    let sentence = rows
        .get(app.at)
        .and_then(|row| row.cells.last())
        .cloned()
        .unwrap_or_default();
    frame.render_widget(Paragraph::new(format!(" {sentence}")).wrap(Wrap { trim: false }), said);
    let mut state = TableState::default().with_selected(Some(app.at));
    frame.render_stateful_widget(table, area, &mut state);
}

fn page(app: &App, frame: &mut Frame<'_>, area: Rect, colours: bool) {
    let lines: Vec<Line<'_>> = text(app)
        .into_iter()
        .skip(app.at)
        .map(|(line, word)| Line::styled(line, tone(word, colours)))
        .collect();
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), area);
}

/// The lines of a view that is a text.
pub(crate) fn text(app: &App) -> Vec<tree::Line> {
    match app.view() {
        View::Help => HELP
            .iter()
            .map(|(key, what)| (format!(" {key:<14} {what}"), ""))
            .collect(),
        View::Update(id) => update(app, id),
        View::Cluster(alias) => cluster(app, alias),
        _ => Vec::new(),
    }
}

fn update(app: &App, id: &str) -> Vec<tree::Line> {
    let Some(line) = app.picture.updates.iter().find(|line| line.id == *id) else {
        return vec![(" this update is no longer among the newest ones".to_owned(), "")];
    };
    let update = &line.update;
    let mut lines = vec![
        (format!(" cluster   {}", line.cluster), ""),
        (
            format!(" progress  {}", update.progress.as_str()),
            update.progress.as_str(),
        ),
        (format!(" from      {}", ClusterVersion::parse(&update.from).config), ""),
        (format!(" to        {}", ClusterVersion::parse(&update.to).config), ""),
        (format!(" cause     {} {}", update.cause, update.actor), ""),
        (
            format!(" says      {}", crate::list::said(update)),
            update.progress.as_str(),
        ),
        (String::new(), ""),
    ];
    lines.extend(tree::lines(update, app.picture.at).into_iter().map(indented));
    lines
}

fn indented((line, word): tree::Line) -> tree::Line {
    (format!(" {line}"), word)
}

fn cluster(app: &App, alias: &str) -> Vec<tree::Line> {
    let picture = &app.picture;
    let Some(line) = picture
        .clusters
        .iter()
        .find(|line| line.cluster.alias.as_str() == alias)
    else {
        return vec![(format!(" cluster {alias} is no longer in the registry"), "")];
    };
    let (cluster, word) = (&line.cluster, line.standing.state.word());
    let config = |version: &str| ClusterVersion::parse(version).config;
    let mut lines = vec![
        (format!(" state     {word}"), word),
        (format!(" version   {}", config(&cluster.status.current_version)), ""),
        (format!(" next      {}", config(&cluster.status.next_version)), ""),
        (
            format!(
                " channel   {}   {}   criticality {}",
                cluster.channel, cluster.environment, cluster.criticality_level
            ),
            "",
        ),
        (
            format!(" account   {}   {}", cluster.infrastructure_account, cluster.region),
            "",
        ),
        (format!(" api       {}", cluster.api_server_url), ""),
    ];
    if !line.standing.sentence.is_empty() {
        lines.push((format!(" why       {}", line.standing.sentence), word));
    }
    for problem in &cluster.status.problems {
        let detail = problem.detail.as_deref().unwrap_or_default();
        lines.push((format!(" problem   {} {detail}", problem.title), "failing"));
    }
    lines.push((String::new(), ""));
    for pool in &cluster.node_pools {
        let types = pool.instance_types.join(",");
        lines.push((
            format!(
                " pool      {:<18} {:<18} {} to {}  {types}",
                pool.name, pool.profile, pool.min_size, pool.max_size
            ),
            "",
        ));
    }
    for node in picture.nodes.iter().flatten().filter(|node| node.cluster == alias) {
        lines.push((format!(" node      {:<18} {}", node.node, node.sentence), "updating"));
    }
    let newest = picture.updates.iter().find(|line| line.cluster == alias);
    if let Some(line) = newest {
        lines.push((String::new(), ""));
        lines.push((
            format!(" update {} {}", line.id, line.update.progress.as_str()),
            line.update.progress.as_str(),
        ));
        lines.extend(tree::lines(&line.update, picture.at).into_iter().map(indented));
    }
    lines
}

fn foot_line(app: &App) -> String {
    match &app.typing {
        Typing::Command(text) => format!(":{text}"),
        Typing::Filter => format!("/{}", app.filter),
        Typing::Nothing if !app.note.is_empty() => format!(" {}", app.note),
        Typing::Nothing => " Enter into   Esc back   / filter   : view   ? help   q leave".to_owned(),
    }
}
