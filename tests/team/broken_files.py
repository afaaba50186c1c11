"""Team files with one thing wrong each: the text, and the line, key and sentence that must be said of it."""

from typing import NamedTuple


class Broken(NamedTuple):
    """A broken file: what is wrong, its text, and the problems as (line, key, message)."""

    what: str
    text: str
    problems: list[tuple[int, str, str]]


TWO = '[models.default]\nmodel = "m"\n[agents.a]\n[agents.b]\n'
"""A right file of four lines; the tables of a test come after it."""

BESIDE = "(beside the team file)"


def one(what: str, added: str, line: int, key: str, message: str) -> Broken:
    """`added` comes after the four lines of `TWO`; `line` counts from the first added line."""
    return Broken(what, TWO + added, [(line + 4, key, message)])


BROKEN = [
    Broken("no TOML", "[team]\nname = \n", [(2, "", "no valid TOML: invalid value (column 8)")]),
    Broken("an unclosed text", '[team]\nname = "x\n', [(2, "", "no valid TOML: illegal character '\\n' (column 10)")]),
    Broken(
        "a key given twice",
        TWO + '[team]\nname = "x"\nname = "y"\n',
        [(7, "", "no valid TOML: cannot overwrite a value (column 11)")],
    ),
    Broken("an empty file", "", [(1, "agents", "a group chat needs at least two agents, and there are none")]),
    Broken(
        "one agent",
        '[models.default]\nmodel = "m"\n\n[agents.a]\n',
        [(4, "agents", "a group chat needs at least two agents, and there is one")],
    ),
    one("an unknown table", "[chats]\n", 1, "chats", 'there is no such key here; did you mean "chat"?'),
    one(
        "an unknown key", "[chat]\nmax_round = 3\n", 2, "chat.max_round", 'there is no such key here; did you mean "max_rounds"?'
    ),
    one(
        "a key like no other",
        "[budget]\nbananas = 3\n",
        2,
        "budget.bananas",
        "there is no such key here; there is tokens, cost, seconds",
    ),
    one(
        "a text for a number",
        '[chat]\nmax_rounds = "12"\n',
        2,
        "chat.max_rounds",
        'expected a whole number of at least 1, found "12"',
    ),
    one("a number for a text", "[team]\nname = 5\n", 2, "team.name", "expected a text, found 5"),
    one(
        "true for a number", "[budget]\ntokens = true\n", 2, "budget.tokens", "expected a whole number of at least 0, found true"
    ),
    one("a fraction for a whole number", "[chat]\nseed = 1.5\n", 2, "chat.seed", "expected a whole number, found 1.5"),
    one(
        "a list for a table",
        "[agents.c]\nkind = []\n",
        2,
        "agents.c.kind",
        "a list is no kind of agent; there is assistant, conversable, handler, teachable, user_proxy",
    ),
    one("too small", "[chat]\nmax_rounds = 0\n", 2, "chat.max_rounds", "expected a whole number of at least 1, found 0"),
    one("not positive", "[chat]\nturn_seconds = 0\n", 2, "chat.turn_seconds", "expected a number of more than 0, found 0"),
    one("an infinite number", "[budget]\ncost = inf\n", 2, "budget.cost", "expected a number of at least 0, found Infinity"),
    one(
        "no replicas",
        "[agents.c]\nreplicas = 0\n",
        2,
        "agents.c.replicas",
        "expected a whole number of at least 1 and at most 100, found 0",
    ),
    one(
        "a kind misspelt",
        '[agents.c]\nkind = "asistant"\n',
        2,
        "agents.c.kind",
        '"asistant" is no kind of agent; did you mean "assistant"?',
    ),
    one(
        "a tool that is nowhere",
        '[agents.c]\ntools = ["books"]\n',
        2,
        "agents.c.tools[0]",
        "there is no [tools.books], and it is no module:name",
    ),
    one(
        "an MCP server reached in two ways",
        '[tools.x]\nuse = "mcp"\nfunctions = ["a"]\ncommand = ["x"]\nurl = "http://x/"\n',
        1,
        "tools.x",
        "a tool that uses mcp needs either `command` or `url`",
    ),
    one(
        "an MCP server of which nothing is granted",
        '[tools.x]\nuse = "mcp"\nurl = "http://x/"\n',
        1,
        "tools.x",
        "a tool that uses mcp needs `functions`",
    ),
    one(
        "a function that no model could call",
        '[tools.x]\nuse = "mcp"\nfunctions = ["a", "b c"]\nurl = "http://x/"\n',
        3,
        "tools.x.functions[1]",
        '"x_b c": a tool is called by letters, digits, _ and -, 64 at most',
    ),
    one("a tool without what it needs", '[tools.web]\nuse = "http"\n', 1, "tools.web", "a tool that uses http needs `hosts`"),
    one(
        "a key of another tool",
        '[tools.web]\nuse = "http"\nhosts = ["a.org"]\nrows = 3\n',
        4,
        "tools.web.rows",
        "a tool that uses http has no such key",
    ),
    one(
        "a database that is not there",
        '[tools.db]\nuse = "sql"\ndatabase = "x.db"\n',
        3,
        "tools.db.database",
        'there is no file "x.db" beside the team file',
    ),
    one(
        "a state that is kept nowhere",
        '[agents.c]\nkind = "teachable"\nstate = "sqllite"\n',
        3,
        "agents.c.state",
        '"sqllite" is no kind of state; did you mean "sqlite"?',
    ),
    one("a wrong word", '[chat]\non_absent = "hang"\n', 2, "chat.on_absent", '"hang" is no on_absent; there is skip, wait'),
    one(
        "a wrong sandbox",
        '[agents.c]\nkind = "user_proxy"\ncode_execution = { sandbox = "bubblewarp" }\n',
        3,
        "agents.c.code_execution.sandbox",
        '"bubblewarp" is no sandbox; did you mean "bubblewrap"?',
    ),
    one(
        "neither a number nor auto",
        '[agents.c]\nkind = "user_proxy"\n[agents.c.code_execution]\nlast_messages = "all"\n',
        4,
        "agents.c.code_execution.last_messages",
        'expected a whole number of at least 1 or "auto", found "all"',
    ),
    one("a bad name", "[agents.Ada]\n", 1, "agents.Ada", '"Ada": a name is a lower-case letter, then at most 62 of a-z 0-9 _ -'),
    one(
        "a quoted name",
        '[agents."a b"]\n',
        1,
        'agents."a b"',
        '"a b": a name is a lower-case letter, then at most 62 of a-z 0-9 _ -',
    ),
    one("a word that is no name", "[agents.everyone]\n", 1, "agents.everyone", '"everyone": this word is reserved'),
    one(
        "the coordinator's name",
        "[agents.coordinator]\n",
        1,
        "agents.coordinator",
        'no agent can be called "coordinator": it is the coordinator\'s own',
    ),
    one(
        "the gateway's name",
        "[agents.models]\n",
        1,
        "agents.models",
        'no agent can be called "models": it is the model gateway\'s own',
    ),
    one("the user's name", "[agents.user]\n", 1, "agents.user", 'no agent can be called "user": it is who gives the task'),
    one(
        "a bad team name",
        '[team]\nname = "My Team"\n',
        2,
        "team.name",
        '"My Team": a name is a lower-case letter, then at most 62 of a-z 0-9 _ -',
    ),
    one("a bad broker", '[team]\nbroker = "tcp://host"\n', 2, "team.broker", '"tcp://host" is neither "ipc" nor tcp://host:port'),
    one(
        "a port too high",
        '[team]\nbroker = "tcp://h:65535"\n',
        2,
        "team.broker",
        '"tcp://h:65535" is neither "ipc" nor tcp://host:port',
    ),
    one(
        "an unknown model",
        '[agents.c]\nmodel = "defualt"\n',
        2,
        "agents.c.model",
        'there is no [models.defualt]; did you mean "default"?',
    ),
    Broken(
        "no model at all",
        '[agents.a]\n[agents.b]\nkind = "conversable"\n',
        [(1, "agents.a", "the assistant names no model, and there is no [models.default]")],
    ),
    one("an openai model without a name", "[models.x]\n", 1, "models.x", 'api = "openai" needs `model`'),
    one("a scripted model without a script", '[models.x]\napi = "scripted"\n', 1, "models.x", 'api = "scripted" needs `script`'),
    one(
        "no such script",
        '[models.x]\napi = "scripted"\nscript = "none.toml"\n',
        3,
        "models.x.script",
        'there is no file "none.toml" beside the team file',
    ),
    one(
        "no such recording",
        '[models.x]\napi = "recorded"\nrecording = "none.jsonl"\n',
        3,
        "models.x.recording",
        'there is no file "none.jsonl" beside the team file',
    ),
    one(
        "a script of an openai model",
        '[models.x]\nmodel = "m"\nscript = "none.toml"\n',
        3,
        "models.x.script",
        'only a model with api = "scripted" has one',
    ),
    one(
        "an unknown fallback",
        '[models.x]\nmodel = "m"\nfallback = ["y"]\n',
        3,
        "models.x.fallback[0]",
        "there is no [models.y]; there is default",
    ),
    one(
        "fallbacks in a circle",
        '[models.x]\nmodel = "m"\nfallback = ["y"]\n[models.y]\nmodel = "m"\nfallback = ["default", "x"]\n',
        3,
        "models.x.fallback",
        "the fallbacks go in a circle: x → y → x",
    ),
    one(
        "a key in the file",
        '[models.x]\nmodel = "m"\napi_key = "abc"\n',
        3,
        "models.x.api_key",
        "a key is never part of the team file: use `api_key_env` or `api_key_file`",
    ),
    one(
        "a key under another name",
        '[models.x]\nmodel = "m"\napi_key_env = "sk-proj-abcdefghijklmnop1234"\n',
        3,
        "models.x.api_key_env",
        "a key is never part of the team file: use `api_key_env` or `api_key_file`",
    ),
    one(
        "a key in a system message",
        '[agents.c]\nsystem_message = """\nUse\nsk-abcdefghijklmnop1234 for it."""\n',
        2,
        "agents.c.system_message",
        "a key is never part of the team file: use `api_key_env` or `api_key_file`",
    ),
    one(
        "two places for a key",
        '[models.x]\nmodel = "m"\napi_key_env = "A"\napi_key_file = "f"\n',
        1,
        "models.x",
        "`api_key_env` and `api_key_file` exclude each other",
    ),
    one(
        "a handler without handler",
        '[agents.c]\nkind = "handler"\n',
        1,
        "agents.c",
        "an agent of the kind handler needs `handler`",
    ),
    one(
        "a handler of an assistant",
        '[agents.c]\nhandler = "things:work"\n',
        2,
        "agents.c.handler",
        "an assistant has no such key",
    ),
    one(
        "code run by an assistant",
        "[agents.c]\ncode_execution = {}\n",
        2,
        "agents.c.code_execution",
        "an assistant has no such key",
    ),
    one(
        "a model for a person",
        '[agents.c]\nkind = "user_proxy"\nmodel = "default"\n',
        3,
        "agents.c.model",
        "a user_proxy has no such key",
    ),
    one(
        "tools of a person",
        '[agents.c]\nkind = "user_proxy"\ntools = ["things:work"]\n',
        3,
        "agents.c.tools",
        "a user_proxy has no such key",
    ),
    one(
        "a system message for a handler",
        '[agents.c]\nkind = "handler"\nhandler = "things:work"\nsystem_message = "x"\n',
        4,
        "agents.c.system_message",
        "a handler has no such key",
    ),
    one("no reference", '[agents.c]\ntools = ["things.work"]\n', 2, "agents.c.tools[0]", '"things.work" is no module:name'),
    one(
        "an unknown module",
        '[agents.c]\ntools = [\n  "things:work",\n  "thinks:work",\n]\n',
        4,
        "agents.c.tools[1]",
        'there is no module "thinks", neither beside the team file nor on the Python path',
    ),
    one(
        "an unknown name in a module",
        '[agents.c]\nexecutes = ["things:wrok"]\n',
        2,
        "agents.c.executes[0]",
        '"things" defines no "wrok"; did you mean "work"?',
    ),
    one(
        "a module that does not compile",
        '[agents.c]\nkind = "handler"\nhandler = "torn:work"\n',
        3,
        "agents.c.handler",
        "the module \"torn\" does not compile: torn.py, line 2: expected ':'",
    ),
    one(
        "a folder without code",
        '[agents.c]\ntools = ["folder:work"]\n',
        2,
        "agents.c.tools[0]",
        '"folder" is a folder without code of its own',
    ),
    one(
        "two tools of one name",
        '[agents.c]\ntools = ["things:work", "folder.more:work"]\n',
        2,
        "agents.c.tools[1]",
        'the tool "work" is already "things:work": names of tools are unique',
    ),
    one(
        "an unknown selection",
        '[chat]\nselection = "round-robin"\n',
        2,
        "chat.selection",
        '"round-robin" is no way to select a speaker; did you mean "round_robin"?',
    ),
    one(
        "a selection that is not there",
        '[chat]\nselection = "things:choose"\n',
        2,
        "chat.selection",
        '"things" defines no "choose"; there is no_such_module, work',
    ),
    one("an unknown admin", '[chat]\nadmin = "adam"\n', 2, "chat.admin", "there is no [agents.adam]; there is a, b"),
    one(
        "an unknown name in repeat",
        '[chat]\nrepeat = ["a", "bb"]\n',
        2,
        "chat.repeat[1]",
        'there is no [agents.bb]; did you mean "b"?',
    ),
    one(
        "a bad stop expression",
        "[chat]\nstop = 'text(\"TERMINATE\") | tokens(0)'\n",
        2,
        "chat.stop",
        "column 28 of the expression: tokens takes a positive whole number",
    ),
    one(
        "both allowed and disallowed",
        "[chat.transitions]\nallowed = {}\ndisallowed = {}\n",
        1,
        "chat.transitions",
        "give either `allowed` or `disallowed`, not both",
    ),
    one("neither of the two", "[chat.transitions]\n", 1, "chat.transitions", "give `allowed` or `disallowed`"),
    one(
        "a graph key that is no member",
        '[chat.transitions.allowed]\na = ["b"]\nbob = ["a"]\n',
        3,
        "chat.transitions.allowed.bob",
        "there is no [agents.bob]; there is a, b",
    ),
    one(
        "a follower that is no member",
        '[chat.transitions.allowed]\na = [\n  "b",\n  "bob"]\n',
        4,
        "chat.transitions.allowed.a[1]",
        "there is no [agents.bob]; there is a, b",
    ),
    one(
        "a member that no transition names",
        '[chat.transitions.allowed]\na = ["b"]\n[agents.c]\n',
        1,
        "chat.transitions.allowed",
        '"c" can never speak: no transition names it',
    ),
    Broken(
        "an island in the graph",
        TWO + '[chat.transitions.allowed]\na = ["b"]\nc = ["d"]\nd = ["c"]\n[agents.c]\n[agents.d]\n',
        [
            (5, "chat.transitions.allowed", '"c" can never speak: nobody who can speak may hand over to it'),
            (5, "chat.transitions.allowed", '"d" can never speak: nobody who can speak may hand over to it'),
        ],
    ),
    one(
        "a member that everybody is kept from",
        '[chat.transitions.disallowed]\na = ["b"]\nb = ["b"]\n',
        1,
        "chat.transitions.disallowed",
        '"b" can never speak: nobody may hand over to it',
    ),
    Broken(
        "many things at once",
        TWO + '[chat]\nmax_rounds = -1\nadmin = "x"\n[agents.c]\nkind = "asistant"\nmodel = 1\n[budget]\ncosts = 1\n',
        [
            (6, "chat.max_rounds", "expected a whole number of at least 1, found -1"),
            (7, "chat.admin", "there is no [agents.x]; there is a, b, c"),
            (9, "agents.c.kind", '"asistant" is no kind of agent; did you mean "assistant"?'),
            (10, "agents.c.model", "expected a text, found 1"),
            (12, "budget.costs", 'there is no such key here; did you mean "cost"?'),
        ],
    ),
]
