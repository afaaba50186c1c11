"""Stands for the coordinator in tests of consoles."""

from typing import Any

import msgspec

from rostra.protocol import Answer, ChatMessage, Client, History, HistoryRequest, Incoming, Member, Question, Refused, Service
from rostra.protocol.chat import ChatEvent, ChatInfo, ChatRef, InboxAnswer, InboxItem, Result

CHAT = "c1"


class Transcriber:
    """It keeps a transcript, publishes what it is told to, and answers what a console asks."""

    def __init__(self, client: Client) -> None:
        self.client, self.messages = client, list[ChatMessage]()
        self.items: dict[int, InboxItem] = {}
        self.asked = list[str]()
        self.state: Any = "running"
        self.result: Result | None = None
        service = self.service = Service(client)
        service.method("chat.info", ChatRef, self._info)
        service.method("history", HistoryRequest, self._history)
        service.method("inbox.list", None, self._list)
        service.method("inbox.answer", InboxAnswer, self._answer)

    async def _info(self, _: ChatRef, __: Incoming) -> ChatInfo:
        members = (Member(name="coder"),)
        return ChatInfo(
            chat=CHAT, state=self.state, task="t", members=members, messages=len(self.messages), max_rounds=9, result=self.result
        )

    async def _history(self, wanted: HistoryRequest, _: Incoming) -> History:
        self.asked.append(f"history after {wanted.after}")
        page = [message for message in self.messages if message.sequence > wanted.after]
        return History(messages=tuple(page[:2]), more=len(page) > 2)

    async def _list(self, _: Any, __: Incoming) -> list[InboxItem]:
        return list(self.items.values())

    async def _answer(self, answer: InboxAnswer, _: Incoming) -> InboxItem:
        item = self.items[answer.number]
        if item.answer is not None:
            raise Refused("answered already")
        said = Answer(text=answer.text, by=answer.by)
        item = self.items[answer.number] = msgspec.structs.replace(item, answer=said)
        self.publish(type="answered", question=answer.number)
        return item

    def publish(self, **event: Any) -> None:
        self.client.publish(f"chat.{CHAT}", ChatEvent(chat=CHAT, **event))

    def say(self, text: str, *, heard: bool = True) -> None:
        sequence = len(self.messages) + 1
        message = ChatMessage(sequence=sequence, name="coder", content=text)
        self.messages.append(message)
        if heard:
            self.publish(type="message", sequence=sequence, speaker="coder", message=message)

    def ask(self, number: int, question: Question) -> None:
        self.items[number] = InboxItem(number=number, question=question)
        self.publish(type="question", question=number)

    def end(self, *, heard: bool = True) -> None:
        self.state, self.result = "ended", Result(chat=CHAT, outcome="ended", stop_reason="done", messages=len(self.messages))
        if heard:
            self.publish(type="result", result=self.result)
