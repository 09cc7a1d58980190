//! Server-sent events, as far as the change feed uses them.

/// Longest event that is read; a change is far shorter.
const MAX_EVENT: usize = 1 << 20;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// Field `event`.
    pub(super) name: String,
    /// Field `data`, lines joined by line breaks.
    pub(super) data: String,
}

/// Puts events together from pieces of a stream.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    event: Event,
    has_data: bool,
    after_cr: bool,
}

/// An event was longer than this client reads.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Parser {
    /// Takes a piece, gives the events that it completes.
    pub(super) fn feed(&mut self, piece: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        for byte in piece {
            // A line ends with LF, CR, or both.
            let second_half = std::mem::take(&mut self.after_cr) && *byte == b'\n';
            match byte {
                b'\n' if second_half => {}
                b'\n' | b'\r' => {
                    self.after_cr = *byte == b'\r';
                    let line = std::mem::take(&mut self.line);
                    events.extend(self.line(&line));
                }
                byte => self.line.push(*byte),
            }
            if self.line.len() + self.event.data.len() > MAX_EVENT {
                return Err(TooLong);
            }
        }
        Ok(events)
    }

    fn line(&mut self, line: &[u8]) -> Option<Event> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return std::mem::take(&mut self.has_data).then_some(event);
        }
        let text = String::from_utf8_lossy(line);
        // A line that begins with a colon is a sign of life.
        let (field, value) = text.split_once(':').unwrap_or((&text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.name),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: &str) -> Event {
        Event {
            name: name.to_owned(),
            data: data.to_owned(),
        }
    }

    #[test]
    fn events_are_the_same_however_the_stream_is_cut() {
        let text = ": hello\n\nid: 1\nevent: cluster.created\ndata: {\"a\":\ndata: 1}\n\nretry: 5\r\n\r\ndata:x\r\rdata: unfinished";
        let expected = vec![event("cluster.created", "{\"a\":\n1}"), event("", "x")];
        for size in 1..text.len() {
            let mut parser = Parser::default();
            let events: Vec<Event> = text
                .as_bytes()
                .chunks(size)
                .flat_map(|piece| parser.feed(piece).unwrap())
                .collect();
            assert_eq!(events, expected, "pieces of {size}");
        }
    }

    #[test]
    fn a_hostile_stream_is_bounded() {
        let mut parser = Parser::default();
        let endless = vec![b'a'; MAX_EVENT + 1];
        assert_eq!(parser.feed(&endless), Err(TooLong));
    }
}
