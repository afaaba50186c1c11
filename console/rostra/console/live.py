"""The live view of a chat on a terminal, or as plain lines where the output is none.

What is said goes to `out` (stdout), everything about it to `notes` (stderr). Text that streams in is shown at once; the final
message is authoritative, and only what of it was not shown yet is added.
"""

from typing import TextIO, assert_never

from rostra.protocol.chat import ChatEvent, ChatInfo, ChatMessage, Delta, Question, Result, Usage

from .flow import Flow, laid_out
from .spoken import OUTCOMES, call, executed, visible
from .terminal import Style, clean, columns, shorten

FOLDED = 6
"""Lines of a tool's or a program's output that are shown."""


class Live:
    """Shows one chat. `streaming`: whether pieces of answers are shown while they are written."""

    def __init__(
        self, out: TextIO, notes: TextIO, *, streaming: bool, style: Style | None = None, notes_style: Style | None = None
    ) -> None:
        self._out, self._notes, self._streaming = out, notes, streaming
        self._style, self._notes_style = style or Style.of(out), notes_style or Style.of(notes)
        self._max_rounds, self._usage, self._seconds = 0, Usage(), 0.0
        self._shown = 0
        self._flow: Flow | None = None
        self._writing = 0
        self._speaker = ""
        self._muted: set[int] = set()

    # ---- what there is to show

    def opening(self, info: ChatInfo) -> None:
        """The chat and its members."""
        self._max_rounds = info.max_rounds
        for member in info.members:
            self._style.speaker(member.name)
            self._notes_style.speaker(member.name)
        self._seen(info.usage)
        names = ", ".join(self._notes_style.speaker(clean(member.name)) for member in info.members)
        self.note(f"chat {info.chat}" + (f" with {names}" if names else ""))

    def progress(self, info: ChatInfo, seconds: float) -> None:
        """Where the chat stands against its limits: `seconds` since it began, usage and rounds from `info`."""
        self._max_rounds = info.max_rounds or self._max_rounds
        self._seen(info.usage)
        self._seconds = seconds

    def delta(self, delta: Delta) -> None:
        """A piece of an answer that is being written."""
        if not self._streaming or delta.sequence <= self._shown or delta.sequence in self._muted:
            return
        if self._writing and delta.sequence != self._writing and delta.speaker != self._speaker:
            self._muted.add(delta.sequence)  # several write at once: one is shown live, the others when they are whole
            return
        if self._writing != delta.sequence:
            self._break()
            self._write(self._header(delta.sequence, delta.speaker) + "\n")
            self._flow, self._writing, self._speaker = Flow(self._style), delta.sequence, delta.speaker
        if self._flow is not None:
            self._write(self._flow.feed(delta.text))

    def show(self, event: ChatEvent) -> None:
        """One event of the chat."""
        match event.type:
            case "message":
                if event.message is not None:
                    self._message(event.message)
            case "selected":
                self._aside(f"{self._notes_style.sign('↳')} next: ", event.speaker, event.why)
            case "passed":
                self._aside("passed: ", event.speaker, "")
            case "failed":
                self._trouble(event, "failed", event.error)
            case "skipped":
                self._trouble(event, "is skipped", event.error or event.why)
            case "state":
                self._state(event)
            case "vote":
                self._aside("vote: ", event.speaker, event.why)
            case "reminder":
                self.note(f"question {event.question} of {event.speaker or 'the chat'} still waits for an answer")
            case "answered":
                self.note(f"question {event.question} is {event.why or 'answered'}")
            case "result":
                if event.result is not None:
                    self._result(event.result)
            case "started" | "question":
                pass  # the opening, and the prompt, say it better
            case _:
                assert_never(event.type)

    def question(self, number: int, question: Question) -> None:
        """A question to a person."""
        self._break()
        asker = self._notes_style.speaker(clean(question.agent)) if question.agent else "the chat"
        mark = self._notes_style.bold("?")
        self._note_line(f"{mark} {asker} asks (question {number}):")
        for line in clean(question.detail).splitlines():  # as it is: nothing is reflowed, nothing left out
            self._notes.write(f"    {self._notes_style.sign('│')} {self._notes_style.text(line)}\n")
        self._notes.write(laid_out(question.text, self._notes_style, 4))
        for place, option in enumerate(question.options, 1):
            self._notes.write(f"    {place}. {self._notes_style.text(shorten(option, self._notes_style.width - 10))}\n")
        self._notes.flush()

    def note(self, text: str, *, bad: bool = False) -> None:
        """A line about what happens around the chat: processes, connections, states."""
        self._break()
        if self._notes_style.colour and not bad:
            self._note_line(self._notes_style.dim(text))
        else:
            self._note_line(self._notes_style.bad(text) if bad else text)

    def interrupted(self, speaker: str = "") -> None:
        """`speaker` (empty: anybody) was cut short and says it all again: what is being written is shown when it is whole."""
        if self._writing and speaker in ("", self._speaker):
            self._break()
            self._muted.add(self._writing)
            self._flow, self._writing = None, 0

    # ---- inside

    def _seen(self, usage: Usage) -> None:
        self._usage = usage

    def _header(self, sequence: int, speaker: str) -> str:
        place = f"[{sequence}/{self._max_rounds}]" if self._max_rounds else f"[{sequence}]"
        left = f"{place} {clean(speaker) or 'user'}"
        parts = []
        if self._usage.tokens:
            about = "~" if self._usage.estimated else ""
            parts.append(f"{about}{self._usage.tokens} tokens")
        if self._usage.cost:
            parts.append(f"${self._usage.cost:.4f}")
        if self._seconds:
            parts.append(f"{self._seconds:.0f} s")
        right = f" {self._style.sign('·')} ".join(parts)
        gap = self._style.width - 1 - columns(left) - columns(right)
        if not right or gap < 2 or not self._streaming:
            right, gap = "", 0
        shown = f"{self._style.dim(place)} {self._style.speaker(clean(speaker) or 'user')}"
        return "\n" + shown + " " * gap + self._style.dim(right)

    def _message(self, message: ChatMessage) -> None:
        if message.sequence and message.sequence <= self._shown:
            return
        flow, self._flow = self._flow, None
        streamed = flow is not None and self._writing == message.sequence
        if flow is not None and not streamed:
            self._write(flow.end())
            self._muted.add(self._writing)
        self._writing, self._shown = 0, max(self._shown, message.sequence)
        text = visible(message)
        if streamed and flow is not None and text.startswith(flow.raw):
            self._write(flow.feed(text[len(flow.raw) :]) + flow.end())
        else:
            if streamed and flow is not None:
                self._write(flow.end() + "  " + self._style.dim("the message as it stands:") + "\n")
            else:
                self._write(self._header(message.sequence, message.name or message.role) + "\n")
            self._text(text)
        for one in message.tool_calls:
            self._write(f"  {self._style.sign('→')} {self._fit(call(one.name, one.arguments), 5)}\n")
        for response in message.tool_responses:
            self._folded(f"{self._style.sign('←')} {self._fit(response.name or 'answer', 5)}", response.content)
        self._out.flush()

    def _text(self, text: str) -> None:
        ran = executed(text)
        if ran is None:
            self._write(laid_out(text, self._style))
            return
        sign = self._style.bad(self._style.sign("✗")) if ran.code else self._style.good(self._style.sign("✓"))
        self._folded(f"{sign} code ran, exit code {ran.code}", ran.output)

    def _folded(self, head: str, content: str) -> None:
        lines = self._style.text(content).strip("\n").split("\n")
        if len(lines) == 1 and columns(head) + columns(lines[0]) + 6 < self._style.width:
            self._write(f"  {head}: {lines[0]}\n" if lines[0] else f"  {head}\n")
            return
        self._write(f"  {head}:\n")
        shown = lines if len(lines) <= FOLDED else lines[: FOLDED - 1]
        for line in shown:
            self._write(f"    {_cut(line, self._style.width - 5, self._style.sign('…'))}\n")
        if len(shown) < len(lines):
            self._write("    " + self._style.dim(f"{self._style.sign('…')} {len(lines) - len(shown)} more lines") + "\n")

    def _fit(self, text: str, margin: int) -> str:
        return self._style.text(shorten(text, self._style.width - margin, self._style.sign("…")))

    def _state(self, event: ChatEvent) -> None:
        if event.control is None:
            if event.why:
                self.note(f"the chat is {clean(event.why)}")
            return
        from rostra.groupchat.floor import sentence

        if event.control.what == "answer":
            return  # the event of its own says it
        if event.control.what == "rewind":
            self._shown = event.control.sequence
        self.note(clean(sentence(event.control)))

    def _trouble(self, event: ChatEvent, what: str, why: str) -> None:
        self._break()
        self._flow, self._writing = None, 0  # what comes next for this place is another attempt
        line = f"{self._style.sign('✗')} [{event.sequence}] {clean(event.speaker)} {what}: {' '.join(clean(why).split())}"
        for number, piece in enumerate(_lines(line, self._style, 4)):
            self._write(("    " if number else "  ") + self._style.bad(piece) + "\n")
        self._out.flush()

    def _aside(self, before: str, plain: str, why: str) -> None:
        self._break()
        plain, why, style = clean(plain), " ".join(clean(why).split()), self._notes_style
        speaker = style.speaker(plain)
        head, lines = style.dim(f"    {before}") + speaker, _lines(f"({why})", style, 6) if why else []
        if len(lines) == 1 and columns(before) + columns(plain) + columns(lines[0]) + 6 < style.width:
            self._note_line(f"{head} {style.dim(lines[0])}")
            return
        self._note_line(head)
        for line in lines:
            self._note_line("      " + style.dim(line))

    def _result(self, result: Result) -> None:
        self._break()
        style = self._style
        good = result.outcome in ("ended", "stopped")
        sign = style.good(style.sign("✓")) if good else style.bad(style.sign("✗"))
        about = "about " if result.usage.estimated else ""
        parts = [f"{result.messages} messages", f"{about}{result.usage.tokens} tokens"]
        if result.usage.cost:
            parts.append(f"${result.usage.cost:.4f}")
        parts.append(f"{result.seconds:.1f} s")
        reason = " ".join(clean(result.stop_reason).split())
        outcome = OUTCOMES[result.outcome]
        text = laid_out(f"{outcome}: {reason}" if reason else outcome, style, 2).strip()
        self._write(f"\n{sign} {text}\n  " + style.dim(f" {style.sign('·')} ".join(parts)) + "\n")
        self._out.flush()

    def _break(self) -> None:
        """End a line that is being written, so that something else can be shown."""
        if self._flow is not None:
            self._write(self._flow.end())
            self._out.flush()

    def _note_line(self, line: str) -> None:
        self._notes.write(line + "\n")
        self._notes.flush()

    def _write(self, text: str) -> None:
        if text:
            self._out.write(text)
            if self._flow is not None:
                self._out.flush()


def _lines(text: str, style: Style, indent: int) -> list[str]:
    """`text` in lines that leave room for `indent` columns before them."""
    return laid_out(text, Style(colour=False, unicode=style.unicode, width=style.width - indent, wrap=style.wrap), 0).splitlines()


def _cut(line: str, width: int, more: str) -> str:
    """A line of at most `width` columns, its spaces kept."""
    if columns(line) <= width:
        return line
    while columns(line) > width - columns(more):
        line = line[:-1]
    return line + more
