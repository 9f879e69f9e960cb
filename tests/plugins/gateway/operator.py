"""An admin port with everything behind it: a state of two users, an audit in memory, traffic of all kinds."""

from typing import Any

from attrs import define, field

from unbroken import ConfigurationError, Problem
from unbroken_gateway.admin import AdminApp
from unbroken_gateway.audit import Audit
from unbroken_gateway.config.settings import Plan, Settings
from unbroken_gateway.replies.errors import Problem as Answer
from unbroken_gateway.state import StateUnavailable
from unbroken_gateway.traffic import PHASES, Traffic
from unbroken_gateway.values import Allowance, AuditEnd, AuditStart, Rate, Standing

CREDENTIAL = "correct-horse-battery-staple-4711-operator"
CANARY = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
FREE = Allowance(requests=Rate(20, 60.0), tokens=Rate(40_000, 60.0), streams=2, budget=Rate(1_000_000, 86400.0))
TROUBLE = Answer(
    name="operator_fault", status=502, anthropic="api_error", openai="upstream_unavailable", message="", alert=True
)


def settings(**changes: Any) -> Settings:
    given: dict[str, Any] = {
        "admin_listen": "127.0.0.1:0",
        "admin_credential": CREDENTIAL,
        "plans": {"free": Plan(name="free", models=("*",), allowance=FREE)},
        **changes,
    }
    return Settings(**given)


@define(eq=False)
class FakeState:
    """What the admin port asks of a state."""

    standings: dict[str, Standing] = field(factory=dict)
    revoked: list[tuple[str, str, float, float | None]] = field(factory=list)
    down: bool = False

    async def users(self) -> list[str]:
        self._answer()
        return list(self.standings)

    async def standing(self, user: str, allowance: Allowance) -> Standing:
        self._answer()
        return self.standings[user]

    async def revoke(self, kind: Any, value: str, until: float, before: float | None = None) -> None:
        self._answer()
        self.revoked.append((kind, value, until, before))

    def _answer(self) -> None:
        if self.down:
            raise StateUnavailable


@define(eq=False)
class Operator:
    """Everything, and the app over it."""

    traffic: Traffic
    audit: Audit
    state: FakeState = field(factory=FakeState)
    settings: Settings = field(factory=settings)
    broken: list[str] = field(factory=list)
    """Problems of the configuration that is read again."""
    reloads: int = 0
    interval: float = 1.0
    now: float = 0.0
    """Of the monotonic clock by which guesses are counted."""
    app: AdminApp = field(init=False)

    def __attrs_post_init__(self) -> None:
        state: Any = self.state
        self.app = AdminApp(
            settings=self.settings,
            traffic=self.traffic,
            state=state,
            audit=self.audit,
            reload=self.reload,
            interval=self.interval,
            now=lambda: self.now,
        )

    async def reload(self) -> Settings:
        if self.broken:
            raise ConfigurationError.of(*(Problem("gateway.listen", each) for each in self.broken))
        self.reloads += 1
        return self.settings


def started(id: str, **changes: Any) -> AuditStart:
    given: dict[str, Any] = {
        "at": 1_800_000_000.0,
        "user": "keys|alice",
        "issuer": "keys",
        "plan": "free",
        "route": "/v1/messages",
        "dialect": "anthropic",
        "model": "default",
        "upstream": "claude",
        "streamed": True,
        **changes,
    }
    return AuditStart(request_id=id, **given)


def ended(id: str, **changes: Any) -> AuditEnd:
    given: dict[str, Any] = {"at": 1_800_000_002.5, "ending": "success", "status": 200, "duration": 2.5, **changes}
    return AuditEnd(request_id=id, **given)


async def populate(it: Operator) -> None:
    """Make traffic of all kinds."""
    it.state.standings = {
        "keys|alice": Standing(user="keys|alice", streams=1, requests=7, tokens=31_000, micro_usd=412_300),
        "https://id.example.com|0197f2c4": Standing(
            user="https://id.example.com|0197f2c4", streams=2, requests=20, tokens=40_000, micro_usd=1_004_000
        ),
        CANARY: Standing(user=CANARY, requests=1),
    }
    users = [*it.state.standings]
    for number in range(24):
        id, user = f"req-{number:02}-{'0197f2c4a1b27c3e'}", users[number % 2]
        await it.audit.start(started(id, user=user, issuer=user.rpartition("|")[0]))
        entry = it.traffic.begin(id, user, "/v1/messages", "claude", "default", plan="free")
        bad = number % 8 == 5
        endings = {"ending": "failed", "status": 502, "error": "ServerError"} if bad else {}
        if number % 11 == 10:
            endings = {"ending": "cancelled", "error": ""}
        end = ended(
            id,
            input_tokens=1200 + number,
            output_tokens=340 * number,
            micro_usd=3600 + 5100 * number,
            first_byte=0.31 + number / 90,
            **endings,
        )
        entry.end(end)
        await it.audit.end(end)
    for number, phase in enumerate(PHASES):
        user, model = (users[number % 2], "default") if number else (CANARY, CANARY)
        entry = it.traffic.begin(f"open-{number}-0197f2c4a1b2", user, "/v1/messages", "claude", model, plan="free")
        entry.phase, entry.count = phase, (170 * number).__int__
    await it.audit.start(started("canary", user=CANARY, issuer="", model=CANARY))
    it.traffic.refused(Answer(name="user_limit", status=429, anthropic="", openai="", message=""))
    it.traffic.alert(TROUBLE, upstream="claude-b", request_id="req-05")
