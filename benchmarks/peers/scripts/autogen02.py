"""AutoGen 0.2's GroupChat: four agents in one process, nothing on disk."""

import contextlib
import io
import logging
import time

from autogen import ConversableAgent, GroupChat, GroupChatManager
from roles import main

logging.disable(logging.CRITICAL)
TEXT = "x" * 500
ENDLESS = 10**9


def chat(turns):
    members = [
        ConversableAgent(
            f"agent{number}",
            llm_config=False,
            human_input_mode="NEVER",
            default_auto_reply=TEXT,
            max_consecutive_auto_reply=ENDLESS,
        )
        for number in range(4)
    ]
    group = GroupChat(agents=members, messages=[], max_round=turns + 1, speaker_selection_method="round_robin")
    manager = GroupChatManager(groupchat=group, llm_config=False, human_input_mode="NEVER", max_consecutive_auto_reply=ENDLESS)
    with contextlib.redirect_stdout(io.StringIO()):
        began = time.perf_counter()
        members[0].initiate_chat(manager, message=TEXT, silent=True)
        took = time.perf_counter() - began
    return {"turns_s": (len(group.messages) - 1) / took, "turns": len(group.messages) - 1}


if __name__ == "__main__":
    main({"chat": chat})
