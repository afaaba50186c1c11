"""The ground floor: names, frames, messages, errors, the session of a peer, and the client that drives it.

What needs an event loop or ZeroMQ is loaded when it is first used: whoever only reads a team file connects to nothing.
"""

from typing import TYPE_CHECKING

from .address import events_address
from .chat import (
    Answer,
    ChatMessage,
    History,
    HistoryRequest,
    Member,
    Question,
    ToolCall,
    ToolResponse,
    Turn,
    TurnReply,
    Usage,
)
from .directory import BrokerStats, Peer, Presence
from .effects import Incoming, Lettered
from .errors import (
    BadMessage,
    BadName,
    BrokerLost,
    Cancelled,
    MailboxFull,
    NoSuchAgent,
    PeerLost,
    RateLimited,
    Refused,
    RemoteError,
    RequestError,
    RostraError,
    Stopping,
    StorageFull,
    Superseded,
    TimedOut,
    TooLarge,
    Unsupported,
)
from .lazily import lazily
from .names import BROKER, COORDINATOR, GATEWAY
from .transport import Listener, Transport
from .voting import BadProposal, Ballot, Proposal, Tally

if TYPE_CHECKING:
    from .client import Client
    from .keys import KeyRing, NoKey
    from .service import Service
    from .subscription import ReceivedEvent, Subscription
    from .zmq_transport import ZmqTransport, open_transport

_HOMES = {
    "Client": "client",
    "KeyRing": "keys",
    "NoKey": "keys",
    "ReceivedEvent": "subscription",
    "Service": "service",
    "Subscription": "subscription",
    "ZmqTransport": "zmq_transport",
    "open_transport": "zmq_transport",
}

__all__ = [
    "BROKER",
    "COORDINATOR",
    "GATEWAY",
    "Answer",
    "BadMessage",
    "BadName",
    "BadProposal",
    "Ballot",
    "BrokerLost",
    "BrokerStats",
    "Cancelled",
    "ChatMessage",
    "Client",
    "History",
    "HistoryRequest",
    "Incoming",
    "KeyRing",
    "Lettered",
    "Listener",
    "MailboxFull",
    "Member",
    "NoKey",
    "NoSuchAgent",
    "Peer",
    "PeerLost",
    "Presence",
    "Proposal",
    "Question",
    "RateLimited",
    "ReceivedEvent",
    "Refused",
    "RemoteError",
    "RequestError",
    "RostraError",
    "Service",
    "Stopping",
    "StorageFull",
    "Subscription",
    "Superseded",
    "Tally",
    "TimedOut",
    "TooLarge",
    "ToolCall",
    "ToolResponse",
    "Transport",
    "Turn",
    "TurnReply",
    "Unsupported",
    "Usage",
    "ZmqTransport",
    "events_address",
    "open_transport",
]


__getattr__, __dir__ = lazily(__name__, _HOMES)
