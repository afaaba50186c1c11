"""The ground floor: names, frames, messages, errors, the session of a peer, and the client that drives it."""

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
from .client import Client
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
from .keys import KeyRing, NoKey
from .names import BROKER, COORDINATOR, GATEWAY
from .service import Service
from .subscription import ReceivedEvent, Subscription
from .transport import Listener, Transport
from .voting import BadProposal, Ballot, Proposal, Tally
from .zmq_transport import ZmqTransport, open_transport

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
