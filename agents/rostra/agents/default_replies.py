"""The reply functions that every conversable agent has, in AutoGen's order: person, tool calls, code, model."""

from typing import TYPE_CHECKING, Any

import msgspec

from rostra.protocol import ChatMessage, Question, ToolResponse
from rostra.protocol.completion import CompletionRequest

from . import feedback
from .feedback import Verdict
from .handoffs import handing_over
from .prompt import ATTACHMENTS, COMPLETIONS, OUTPUT, PERSON, TOOL_LOG, ToolRound, completions, logged, round_messages
from .reply_chain import Conversation, Outcome, ReplyFunction
from .tools import tool_message

if TYPE_CHECKING:
    from .conversable import ConversableAgent

NEXT: Outcome = (False, None)


async def termination_and_human(agent: "ConversableAgent", conversation: Conversation) -> Outcome:
    """Stop, let the person speak, or go on; the person is asked once per message at most."""
    message, limit = conversation.message, agent.max_consecutive_auto_reply
    terminated, exhausted = agent.is_termination(message), conversation.auto_replies >= limit
    text = by = ""
    if feedback.asks(agent.human_input_mode, terminated=terminated, exhausted=exhausted):
        text, by = await _ask(agent, conversation, terminated=terminated)
        verdict = feedback.answered(text, terminated=terminated, limit=limit)
    else:
        verdict = feedback.unasked(terminated=terminated, exhausted=exhausted)
    match verdict:
        case Verdict.STOP:
            conversation.auto_replies = 0
            conversation.context.reason = f"{agent.name} {_why(text, limit, terminated=terminated)}"
            return True, None
        case Verdict.SAY:
            conversation.auto_replies = 0
            interrupted = [ToolResponse(id=each.id, name=each.name, content="USER INTERRUPTED") for each in message.tool_calls]
            marks: dict[str, Any] = {PERSON: by or "person", COMPLETIONS: 0}
            return True, ChatMessage(content=text, tool_responses=tuple(interrupted), metadata=marks)
        case Verdict.AUTO:
            conversation.auto_replies += 1
            return NEXT


async def tool_calls(agent: "ConversableAgent", conversation: Conversation) -> Outcome:
    """Run the calls of the message; one message answers them all."""
    calls = conversation.message.tool_calls
    if not calls:
        return NEXT
    caller = conversation.message.name or conversation.sender_name
    responses = await agent.executed.run(calls, conversation.context, lambda tool: agent.grants(tool, caller))
    return True, msgspec.structs.replace(tool_message(responses, agent.name), metadata={COMPLETIONS: 0})


async def code_blocks(agent: "ConversableAgent", conversation: Conversation) -> Outcome:
    """Run the code in the last messages, where this agent runs code."""
    if agent.code is None:
        return NEXT
    context = conversation.context
    output = await agent.code.reply(conversation.messages, agent.name, context.chat, agent.person(context))
    if output is None:
        return NEXT
    files = agent.code.taken(context.chat)
    marks: dict[str, Any] = {COMPLETIONS: 0, OUTPUT: True} | ({ATTACHMENTS: files} if files else {})
    return True, ChatMessage(content=output, metadata=marks)


async def model_answer(agent: "ConversableAgent", conversation: Conversation) -> Outcome:
    """Let the model answer. Tools that run here are run, and the model is asked again; the answer keeps a log of that.

    Calls of tools that another member runs are the answer; so is a handoff, beside which nothing is left to others. Raises
    `ModelError`.
    """
    if agent.model is None:
        if agent.requires_model:
            raise RuntimeError(f"the assistant {agent.name} has no model")
        return NEXT
    context, messages = conversation.context, conversation.messages
    prompt, own = await agent.prompted(messages, context), agent.executed.joined(agent.private).within(agent.offered)
    await agent.offered.ready()
    before, made, rounds = completions(conversation.stored, agent.name), 0, list[ToolRound]()
    while True:
        last = len(rounds) >= agent.max_tool_rounds  # then nothing is left but to answer
        request = CompletionRequest(
            messages=tuple(prompt),
            model=agent.model_name,
            tools=() if last else (*agent.offered.schemas, *agent.handoffs.schemas),
            options=agent.model_options,
            agent=agent.name,
            ordinal=before + made,
            chat=context.chat,
        )
        completion = await agent.model.complete(request, context.on_delta)
        made += 1
        context.usage.append(completion.usage)
        agent.spending.add(completion.usage)
        calls = () if last else completion.tool_calls
        handoff = agent.handoffs.made(calls)
        calls = tuple(each for each in calls if each.name not in agent.handoffs)
        elsewhere = tuple(each for each in calls if each.name in agent.offered and each.name not in own and handoff is None)
        here = tuple(each for each in calls if each not in elsewhere)
        if here:
            rounds.append(ToolRound(here, await own.run(here, context), completion.content))
            prompt += round_messages(rounds[-1], agent.name)
        if not here or elsewhere or handoff is not None:
            break
    content = completion.content
    if last and not content:
        content = f"(no answer after {len(rounds)} rounds of tool calls)"
    marks: dict[str, Any] = {TOOL_LOG: logged(rounds)} if rounds else {}
    if made != 1:
        marks[COMPLETIONS] = made
    answer = ChatMessage(role="assistant", content=content, tool_calls=elsewhere, metadata=marks)
    return True, answer if handoff is None else handing_over(answer, handoff)


async def _ask(agent: "ConversableAgent", conversation: Conversation, *, terminated: bool) -> tuple[str, str]:
    empty = "empty: stop" if terminated else "empty: an automatic reply"
    whom = f" to {conversation.sender_name}" if conversation.sender_name else ""
    text = f"{agent.name}, your answer{whom} ({empty}; exit: stop):"
    question = Question(
        text=text,
        chat=conversation.context.chat,
        agent=agent.name,
        kind="turn",
        default=agent.asking.default,
        seconds=agent.asking.seconds,
        assignee=agent.asking.assignee,
    )
    answer = await agent.person(conversation.context).ask(question)
    return answer.text, answer.by


def _why(text: str, limit: int, *, terminated: bool) -> str:
    if text:
        return "was told by a person to stop"
    return "received a termination message" if terminated else f"has given {limit} automatic replies in a row"


DEFAULT_REPLIES: tuple[ReplyFunction, ...] = (termination_and_human, tool_calls, code_blocks, model_answer)
