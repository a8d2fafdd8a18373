//! Server-sent events (WHATWG HTML, section 9.2), as far as this server sends them: an id and one line of data each.

use crate::client::{Client, Route};
use model::Problem;
use reqwest::{Method, Response};

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) data: String,
}

/// Bytes as they come, until they are an event.
#[derive(Debug, Default)]
struct Coming {
    bytes: Vec<u8>,
    id: String,
    data: String,
}

impl Coming {
    /// The next event that is whole.
    fn event(&mut self) -> Option<Event> {
        while let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.bytes.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            match line.trim_end_matches(['\r', '\n']).split_once(':') {
                Some(("id", value)) => value.trim_start().clone_into(&mut self.id),
                Some(("data", value)) => value.trim_start().clone_into(&mut self.data),
                None if !self.data.is_empty() => {
                    return Some(Event { id: self.id.clone(), data: std::mem::take(&mut self.data) });
                }
                // A comment, which says that it goes on; or what this program has no use for.
                Some(_) | None => {}
            }
        }
        None
    }
}

/// A stream of them.
pub(crate) struct Events<'c> {
    client: &'c Client,
    response: Response,
    coming: Coming,
}

impl Client {
    /// Begins to listen.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn events(&self, route: Route) -> Result<Events<'_>, Problem> {
        let response = self.stream(Method::GET, route).await?;
        Ok(Events { client: self, response, coming: Coming::default() })
    }
}

impl Events<'_> {
    /// The next one; nothing when the server ended it.
    ///
    /// # Errors
    /// The connection broke, or what comes is no event.
    pub(crate) async fn next(&mut self, most_bytes: usize) -> Result<Option<Event>, Problem> {
        loop {
            if let Some(event) = self.coming.event() {
                return Ok(Some(event));
            }
            let Some(piece) = self.client.chunk(&mut self.response).await? else { return Ok(None) };
            self.coming.bytes.extend_from_slice(&piece);
            if self.coming.bytes.len() > most_bytes {
                return Err(self.client.not_bailiwick(self.response.status().as_u16()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_any_pieces() {
        let text = ": following\n\nid: 7\ndata: {\"a\": \"x: y\"}\n\n: nothing yet\n\nid: 8\r\ndata: two\r\n\r\n";
        for size in [1, 3, 1_000] {
            let (mut coming, mut events) = (Coming::default(), vec![]);
            for piece in text.as_bytes().chunks(size) {
                coming.bytes.extend_from_slice(piece);
                events.extend(std::iter::from_fn(|| coming.event()));
            }
            let event = |id: &str, data: &str| Event { id: id.to_owned(), data: data.to_owned() };
            assert_eq!(events, [event("7", "{\"a\": \"x: y\"}"), event("8", "two")], "{size}");
        }
    }
}
