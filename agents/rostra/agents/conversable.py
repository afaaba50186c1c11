"""`ConversableAgent`: AutoGen's agent, a configuration of tools, code, a model and a person behind one reply chain."""

import contextlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from rostra.protocol import Ballot, ChatMessage, Proposal, Question
from rostra.protocol.people import Asking

from .adapt import call
from .default_replies import DEFAULT_REPLIES
from .dialogue import ChatResult, Dialogue, Opening, Said, receive, reply, send, start
from .feedback import HumanInputMode
from .foreign import from_dict
from .handoffs import Handoff, Handoffs
from .human import TerminalInput
from .prompt import COMPLETIONS, PERSON, build_prompt
from .remote import Remote
from .reply_chain import Conversation, Outcome, ReplyChain, ReplyFunction, Trigger
from .responder import Context, HumanInput, Response
from .spending import Spending
from .summary import SummaryMethod
from .tools import FunctionTool, ToolBox
from .voting import vote_of

if TYPE_CHECKING:
    from rostra.protocol import Client

    from .chat_queue import ChatTable
    from .code import CodeExecution, CodeRunner
    from .dialogue import Partner
    from .models.base import ModelClient

DEFAULT_MAX_REPLIES = 100
Hook = Literal["process_last_received_message", "process_all_messages_before_reply", "process_message_before_send"]
Tools = Iterable[FunctionTool | Callable[..., Any]]


class ConversableAgent:
    """An agent that a model, tools, code and a person answer for, in AutoGen's order.

    Options have AutoGen's names and defaults. `tools`: offered to the model, and run here; `offers`: offered only, for another
    member runs them; `executes` (or AutoGen's `function_map`): run here for others' models. `handoffs`: members, or `Handoff`s,
    to whom its model may give the floor. `code_execution_config`: a `CodeExecution`, or False. `model`: what completes;
    `model_name`: a name from the team file's [models]; `model_options`: temperature and the like. `human`: where a person is
    asked when the context does not say; default: this terminal. `bus`: where agents that are only named are asked. `callers`: per
    tool, the names of the agents for whom it is run; default: for anybody who calls it. `asking`: how long a person's
    answer is waited for, and what holds without one.

    It is a `Responder`: in a group chat its conversation is what the chat's context shows, and it keeps no state of its own
    there, so it can be restarted between two turns.
    """

    requires_model = False

    def __init__(
        self,
        name: str,
        system_message: str = "You are a helpful AI Assistant.",
        is_termination_msg: Callable[[ChatMessage], bool] | None = None,
        max_consecutive_auto_reply: int | None = None,
        human_input_mode: HumanInputMode = "TERMINATE",
        function_map: Mapping[str, Callable[..., Any]] | None = None,
        code_execution_config: "CodeExecution | Literal[False]" = False,
        model: "ModelClient | None" = None,
        default_auto_reply: str = "",
        description: str | None = None,
        chat_messages: Mapping["ConversableAgent", Sequence[ChatMessage]] | None = None,
        silent: bool | None = None,
        *,
        tools: Tools = (),
        offers: Tools = (),
        executes: Tools = (),
        handoffs: "Iterable[Handoff | str]" = (),
        model_name: str = "default",
        model_options: Mapping[str, Any] | None = None,
        max_tool_rounds: int = 10,
        human: HumanInput | None = None,
        bus: "Client | None" = None,
        callers: Mapping[str, Collection[str]] | None = None,
        asking: Asking | None = None,
    ) -> None:
        if human_input_mode not in ("ALWAYS", "TERMINATE", "NEVER"):
            raise ValueError(f"human_input_mode is ALWAYS, TERMINATE or NEVER, not {human_input_mode!r}")
        self.name, self.system_message = name, system_message
        self.description = system_message if description is None else description
        self.human_input_mode, self.default_auto_reply, self.silent = human_input_mode, default_auto_reply, silent
        self.max_consecutive_auto_reply = (
            DEFAULT_MAX_REPLIES if max_consecutive_auto_reply is None else max_consecutive_auto_reply
        )
        self.model, self.model_name, self.model_options = model, model_name, dict(model_options or {})
        self.max_tool_rounds, self.human, self.bus, self._callers = max_tool_rounds, human, bus, callers
        self.asking = asking or Asking()
        self.spending = Spending()
        """What its model has used, per model."""
        self.is_termination = is_termination_msg or (lambda message: message.content == "TERMINATE")
        own = [each if isinstance(each, FunctionTool) else FunctionTool(each) for each in tools]
        named = [FunctionTool(each, name=key, description=each.__doc__ or key) for key, each in (function_map or {}).items()]
        self.offered, self.executed = ToolBox([*own, *offers]), ToolBox([*own, *executes, *named])
        self.handoffs = Handoffs(handoffs)
        """To whom its model may hand over."""
        self.private = ToolBox()
        """Run when its own model calls them, and for nobody else."""
        self.code: CodeRunner | None = None
        if code_execution_config:
            from . import code

            self.code = code.CodeRunner(code_execution_config, self.asking)
        self._hooks: dict[str, list[Callable[..., Any]]] = {}
        self._chain = ReplyChain(DEFAULT_REPLIES)
        self._dialogues: dict[Partner, Dialogue] = {}
        self._remotes: dict[str, Remote] = {}
        for partner, messages in (chat_messages or {}).items():
            self.dialogue(partner).messages.extend(messages)

    @property
    def functions(self) -> tuple[str, ...]:
        """The names of the functions it runs."""
        return self.executed.names

    @property
    def chat_messages(self) -> dict["Partner", list[ChatMessage]]:
        """The conversations that it has begun, or that agents of this process have begun with it."""
        return {partner: dialogue.messages for partner, dialogue in self._dialogues.items()}

    # ---- what can be added

    def register_reply(
        self,
        trigger: Trigger,
        reply_func: ReplyFunction,
        position: int = 0,
        *,
        remove_other_reply_funcs: bool = False,
    ) -> None:
        """Try `reply_func(agent, conversation) -> (final, reply)` for messages of whom `trigger` fires for.

        The latest registration at position 0 is tried first; a plain function runs in a thread. Raises ValueError for a bad
        trigger.
        """
        self._chain.register(trigger, reply_func, position, alone=remove_other_reply_funcs)

    def register_hook(self, hookable_method: Hook, hook: Callable[..., Any]) -> None:
        """Let `hook` change what is sent to the reply chain, or what is said; the stored history stays as it was.

        It takes and returns: the text of the last message (`process_last_received_message`); the list of messages
        (`process_all_messages_before_reply`); the message to be sent (`process_message_before_send`).
        """
        self._hooks.setdefault(hookable_method, []).append(hook)

    def register_for_llm(self, tool: FunctionTool | Callable[..., Any]) -> FunctionTool:
        """Offer a tool to this agent's model."""
        return self.offered.add(tool)

    def register_for_execution(self, tool: FunctionTool | Callable[..., Any]) -> FunctionTool:
        """Run a tool when any agent's model calls it."""
        return self.executed.add(tool)

    def register_nested_chats(self, chat_queue: Sequence["ChatTable"], trigger: Trigger, position: int = 1) -> None:
        """Answer messages of whom `trigger` fires for with the summary of the last of some chats; see `nested_chats`.

        `position`: default, after the termination and the person. Raises ValueError for a bad trigger.
        """
        from .chat_queue import nested_chats

        self._chain.register(trigger, nested_chats(list(chat_queue)), position)

    # ---- answering

    async def respond(self, message: ChatMessage, context: Context) -> Response:
        """See `Responder.respond`. Raises `ModelError`, `SandboxUnavailable`, or what a person's inbox raises."""
        used = _auto_replies(context.history[context.begun :], self.name)
        sender = message.name or context.sender
        return await self.generate_reply(Conversation(context.history, sender, used, context))

    async def vote(self, proposal: Proposal, context: Context) -> Ballot:
        """How it votes: its person where one is asked always, else its model, else an abstention. Raises as `respond`."""
        return await vote_of(self, proposal, context)

    async def generate_reply(self, conversation: Conversation) -> ChatMessage | None:
        """The answer to the last message; None: there is none, and the conversation stops here."""
        messages = await self._before_reply(conversation.messages)
        if messages is not conversation.messages:
            seen = Conversation(
                messages, conversation.sender, conversation.auto_replies, conversation.context, conversation.messages
            )
        else:
            seen = conversation
        answer: ChatMessage | str | None = ChatMessage(content=self.default_auto_reply, metadata={COMPLETIONS: 0})
        for function in self._chain.functions(seen.sender):
            outcome: Outcome = await call(function, self, seen)
            if outcome[0]:
                answer = outcome[1]
                break
        conversation.auto_replies = seen.auto_replies
        if answer is None:
            return None
        return await self.before_send(self._own(answer))

    def grants(self, tool: str, caller: str) -> bool:
        """Whether it runs `tool` for the agent `caller`."""
        return self._callers is None or caller in self._callers.get(tool, ())

    def prompt(self, messages: Sequence[ChatMessage], context: Context) -> list[ChatMessage]:
        """What its model is sent for the conversation `messages`."""
        return build_prompt(messages, self.name, self.system_message, context.introduction)

    async def prompted(self, messages: Sequence[ChatMessage], context: Context) -> list[ChatMessage]:
        """As `prompt`, with what has to be looked up first."""
        return self.prompt(messages, context)

    # ---- conversations of two

    def dialogue(self, partner: "Partner | str") -> Dialogue:
        """The conversation with `partner`."""
        return self._dialogues.setdefault(self.partner(partner), Dialogue())

    def partner(self, who: "Partner | str") -> "Partner":
        """An agent of this process as it is; a name on the bus as the one partner that stands for it here."""
        return self._remotes.setdefault(who, Remote(who)) if isinstance(who, str) else who

    def last_message(self, partner: "Partner | str") -> ChatMessage | None:
        """What was said last in the conversation with `partner`."""
        messages = self.dialogue(partner).messages
        return messages[-1] if messages else None

    def clear_history(self, partner: "Partner | str | None" = None) -> None:
        """Forget the conversation with `partner`, or all of them."""
        for each in [self.partner(partner)] if partner else list(self._dialogues):
            self.dialogue(each).forget()
            if isinstance(each, Remote):
                each.dialogue(self).forget()

    async def reply_to(self, partner: "Partner") -> ChatMessage | None:
        """Its answer to the last message of the conversation with `partner`; None: it has nothing to say."""
        return await reply(self, partner)

    async def initiate_chat(
        self,
        recipient: "Partner | str",
        *,
        message: Opening = None,
        max_turns: int | None = None,
        clear_history: bool = True,
        summary_method: SummaryMethod = "last_msg",
        summary_args: Mapping[str, Any] | None = None,
        carryover: Any = "",
        silent: bool = False,
        **context: Any,
    ) -> ChatResult:
        """Talk with another agent until one has nothing to say; AutoGen's options (docs/agents.md).

        `recipient`: an agent of this process, or the name of one elsewhere: `name` on this agent's bus, `name@team` in a team
        that runs on this machine (the team's name or its file); it keeps its own side of the conversation. `message`: text, a
        dict, a ChatMessage, a function (sender, recipient, context), or None: a person is asked. `max_turns`: round trips at
        most. Raises ValueError for a carryover that is neither text nor a list, `NoBus`, and as `Client.request` for a partner
        elsewhere.
        """
        known = {**context, "carryover": carryover, "summary_args": dict(summary_args or {})}
        partner = self.partner(recipient)
        async with contextlib.AsyncExitStack() as stack:
            if isinstance(partner, Remote):
                await stack.enter_async_context(partner.reached(self.bus))
            return await start(
                self, partner, message, max_turns, clear_history=clear_history, summary=summary_method, silent=silent, known=known
            )

    async def initiate_chats(self, chat_queue: Sequence["ChatTable"]) -> list[ChatResult]:
        """Hold several chats, begun by this agent where they name no `sender`; see `rostra.agents.initiate_chats`."""
        from .chat_queue import initiate_chats

        return await initiate_chats(chat_queue, sender=self)

    async def send(self, message: Said, recipient: "Partner | str", request_reply: bool | None = None) -> None:
        """Say something to `recipient`, and go on talking if it replies.

        Raises ValueError for a message without content or calls; nothing is said then.
        """
        partner = self.partner(recipient)
        async with contextlib.AsyncExitStack() as stack:
            if isinstance(partner, Remote):
                await stack.enter_async_context(partner.reached(self.bus))
            await send(self, partner, message, request_reply)

    async def receive(self, message: Said, sender: "ConversableAgent", request_reply: bool | None = None) -> None:
        """Take a message of `sender`, and reply if that is wanted: by `request_reply`, or else by how the chat was begun."""
        await receive(self, sender, message, request_reply)

    async def ask_person(self, text: str, context: Context | None = None) -> str:
        """Ask the person behind this agent."""
        answer = await self.person(context).ask(Question(text=text, agent=self.name))
        return answer.text

    def person(self, context: Context | None) -> HumanInput:
        """Where the person behind this agent is asked."""
        return (context and context.human) or self.human or TerminalInput()

    async def before_send(self, message: ChatMessage) -> ChatMessage:
        """`message` as the hooks want it said."""
        for hook in self._hooks.get("process_message_before_send", ()):
            message = await call(hook, message)
        return message

    # ---- inside

    def _own(self, reply: str | ChatMessage | Mapping[str, Any]) -> ChatMessage:
        if isinstance(reply, str):
            return ChatMessage(role="assistant", name=self.name, content=reply)
        message = reply if isinstance(reply, ChatMessage) else from_dict(reply)
        role = message.role if message.role in ("tool", "function") else "assistant"
        return msgspec.structs.replace(message, name=self.name, role=role)

    async def _before_reply(self, messages: Sequence[ChatMessage]) -> Sequence[ChatMessage]:
        for hook in self._hooks.get("process_all_messages_before_reply", ()):
            messages = await call(hook, list(messages))
        for hook in self._hooks.get("process_last_received_message", ()):
            if messages:
                content = await call(hook, messages[-1].text)
                messages = [*messages[:-1], msgspec.structs.replace(messages[-1], content=content)]
        return messages


def _auto_replies(history: Sequence[ChatMessage], name: str) -> int:
    """Automatic replies of `name` since a person last answered for it; the opening message of a chat is no reply."""
    count = 0
    for message in history:
        if message.name == name and message.sequence != 1:
            count = 0 if PERSON in message.metadata else count + 1
    return count
