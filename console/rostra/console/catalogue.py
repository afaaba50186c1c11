"""Which commands there are. Their modules are imported when they are called, so that `rostra --help` stays quick."""

from typing import NamedTuple


class Entry(NamedTuple):
    """A command: its `name`, its `module` under `commands`, the `section` of the help it stands in, what it does in a line."""

    name: str
    module: str
    section: str
    summary: str


RUN, CHATS, PEOPLE, BUS, LOOK, FILES, PARTS = (
    "Run a team",
    "Chats of a running team",
    "Questions to people",
    "The bus",
    "Look and mend",
    "Files",
    "One process each (compose, systemd, Kubernetes)",
)

CATALOGUE = (
    Entry("run", "run", RUN, "Start a team, hold one chat, print it live, stop everything."),
    Entry("demo", "demo", RUN, "A team at work in half a minute; no key needed."),
    Entry("up", "team", RUN, "Keep a team's processes running, supervised."),
    Entry("down", "team", RUN, "Stop a running team."),
    Entry("restart", "team", RUN, "Restart an agent of a running team."),
    Entry("chat", "chat", CHATS, "Start, follow, check and export chats."),
    Entry("memory", "memory", CHATS, "What teachable agents have learned."),
    Entry("inbox", "inbox", PEOPLE, "The questions that wait for a person."),
    Entry("answer", "inbox", PEOPLE, "Answer a question."),
    Entry("approve", "inbox", PEOPLE, "Answer a question with yes."),
    Entry("deny", "inbox", PEOPLE, "Answer a question with no."),
    Entry("vote", "vote", PEOPLE, "Let agents vote, and count their ballots."),
    Entry("ask", "bus", BUS, "Ask one agent, outside any chat."),
    Entry("tell", "mail", BUS, "Send an agent a letter, which waits for it on the broker's disk."),
    Entry("mail", "mail", BUS, "Look into mailboxes; put dead letters back."),
    Entry("pub", "bus", BUS, "Publish an event."),
    Entry("sub", "bus", BUS, "Print the events of some topics."),
    Entry("ps", "team", LOOK, "The processes of a running team."),
    Entry("logs", "team", LOOK, "What the processes of a team log."),
    Entry("doctor", "doctor", LOOK, "Check this machine, and whether a team answers."),
    Entry("keys", "keys", FILES, "Make, list and revoke the keys of a team on TCP."),
    Entry("init", "files", FILES, "Write a small team to begin with."),
    Entry("validate", "files", FILES, "Check a team file; starts nothing."),
    Entry("import", "importing", FILES, "Make a chat of a conversation that AutoGen has stored."),
    Entry("replay", "replay", FILES, "Play an exported chat again, and check it."),
    Entry("schema", "files", FILES, "The team file's JSON Schema."),
    Entry("broker", "parts", PARTS, "The broker."),
    Entry("gateway", "parts", PARTS, "The model gateway, which alone holds API keys."),
    Entry("coordinator", "parts", PARTS, "The coordinator, which holds the chats."),
    Entry("agent", "parts", PARTS, "One agent."),
)
