//! Colour: a courtesy, never the only sign of anything. Without a terminal, with `--no-color` or `NO_COLOR`, there is none.

/// What a piece of text is, for whoever can see colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Strong,
    Quiet,
    Good,
    Doubtful,
    Bad,
}

/// Whether text is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    Colour,
    None,
}

impl Ink {
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Strong => "1",
            Tone::Quiet => "2",
            Tone::Good => "32",
            Tone::Doubtful => "33",
            Tone::Bad => "31",
        };
        match self {
            Self::Colour if !text.is_empty() => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            Self::Colour | Self::None => text.to_owned(),
        }
    }
}

/// A state as a word and a shape, so that it can be told without colour.
pub(crate) fn state(word: &str) -> (String, Tone) {
    // As the pages say it.
    let word = if word == "rejected" { "sent back" } else { word };
    let (shape, tone) = match word {
        "live" | "active" | "approved" | "granted" | "ready" => ("●", Tone::Good),
        "dead" | "pass" | "passed" | "ok" | "sent" | "fixed" => ("✓", Tone::Good),
        "waiting" | "expiring" => ("◌", Tone::Doubtful),
        "expired" | "lapsed" | "warn" | "changed" => ("◑", Tone::Doubtful),
        "revoked" | "switched off" | "sent back" | "refused" | "failed" | "fail" | "error" | "block" | "disabled"
        | "denied" => ("✕", Tone::Bad),
        _ => ("○", Tone::Quiet),
    };
    (format!("{shape} {word}"), tone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_only_where_it_is_wanted() {
        assert_eq!(Ink::None.paint(Tone::Bad, "no"), "no");
        assert_eq!(Ink::Colour.paint(Tone::Bad, "no"), "\u{1b}[31mno\u{1b}[0m");
        assert_eq!(Ink::Colour.paint(Tone::Bad, ""), "");
    }

    #[test]
    fn a_state_nobody_knows_yet_still_shows() {
        assert_eq!(state("resting").0, "○ resting");
    }
}
