"""Names that a database may take for one are counted as one: what real databases say."""

from __future__ import annotations

import random
import secrets
from collections import Counter

import pytest
import sqlalchemy as sa

from flask_jwt._login.names import normalize_astral, normalize_username
from flask_jwt.testing import Clock
from tests.support import User, make_app

CHARACTERS = [chr(n) for n in range(1, 0x110000) if not 0xD800 <= n <= 0xDFFF]


# Single characters


@pytest.fixture(scope="module")
def mariadb_engine(mariadb_url):
    engine = sa.create_engine(mariadb_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        execute = connection.exec_driver_sql
        execute("CREATE TABLE characters (c CHAR(1) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin)")
        for start in range(0, len(CHARACTERS), 20_000):
            some = CHARACTERS[start : start + 20_000]
            rows = ",".join(f"(_utf8mb4 x'{c.encode().hex()}')" for c in some)
            execute(f"INSERT INTO characters VALUES {rows}")
    yield engine
    engine.dispose()


@pytest.mark.slow
@pytest.mark.servers
@pytest.mark.parametrize(
    "collation", ["general_ci", "unicode_ci", "unicode_520_ci", "uca1400_ai_ci"]
)
def test_characters_that_mariadb_takes_for_one_are_one(mariadb_engine, collation):
    query = (
        f"SELECT HEX(WEIGHT_STRING(c COLLATE utf8mb4_{collation})) AS weight, "
        "GROUP_CONCAT(HEX(c)) FROM characters GROUP BY weight HAVING count(*) > 1 OR weight = ''"
    )
    with mariadb_engine.connect() as connection:
        connection.exec_driver_sql("SET group_concat_max_len = 16000000")
        groups = {
            weight: [bytes.fromhex(character).decode() or " " for character in group.split(",")]
            for weight, group in connection.exec_driver_sql(query)
        }
    ignored = [c for c in groups.pop("", []) if c != " "]
    is_older = collation in ("general_ci", "unicode_ci")
    check_groups(groups.values(), ignored, astral_are_one=is_older)


@pytest.mark.slow
@pytest.mark.servers
@pytest.mark.parametrize("options", ["ks-level1", "ks-level2", "ks-level1-ka-shifted"])
def test_characters_that_icu_takes_for_one_are_one(icu_postgres_url, options):
    engine = sa.create_engine(icu_postgres_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        execute = connection.exec_driver_sql
        execute('CREATE TABLE IF NOT EXISTS characters (c text COLLATE "C")')
        if execute("SELECT count(*) FROM characters").scalar() == 0:
            execute(
                "INSERT INTO characters SELECT chr(n) FROM generate_series(1, 1114111) n "
                "WHERE n NOT BETWEEN 55296 AND 57343"
            )
        execute(
            f"CREATE COLLATION \"{options}\" (provider = icu, locale = 'und-u-{options}', "
            "deterministic = false)"
        )
        found = execute(
            f'SELECT array_agg(c) FROM characters GROUP BY c COLLATE "{options}" '
            "HAVING count(*) > 1"
        )
        groups = [row[0] for row in found]
        ignored = set(
            execute(f"SELECT c FROM characters WHERE c = '' COLLATE \"{options}\"").scalars()
        )
    engine.dispose()
    check_groups([g for g in groups if g[0] not in ignored], ignored)


KEPT = set("\u1cf2\u1cf3\ufe73")
"""Three letters that are ignored by databases, and counted as letters."""

EXCEPT = KEPT | set("\u0345\u037a")
"""The iota subscript, too: older collations ignore it behind a letter, newer ones take it for one.
It is ignored everywhere."""


def check_groups(groups, ignored, *, astral_are_one=False):
    """Check that the characters of each group are one name, and ignored ones none."""
    assert {c for c in ignored if normalize_username(c)} <= KEPT
    assert len(ignored) > 900 or astral_are_one
    apart = Counter()
    for group in groups:
        within = [c for c in group if c not in EXCEPT and (c <= "\uffff" or not astral_are_one)]
        names = Counter(normalize_username(c) for c in within)
        if len(names) > 1:
            apart.update(c for c in within if normalize_username(c) != names.most_common(1)[0][0])
        if astral_are_one:
            assert len({normalize_astral(c) for c in group if c > "\uffff"}) <= 1
    assert not apart, [f"{ord(c):x}" for c in apart][:50]


# Hours of guessing

PARTS = {
    "j": ["j", "J", "\uff4a", "\U0001d423", "\u24d9", "\u02b2", "j\u030c"],
    "o": [
        "o",
        "O",
        "\u00f6",
        "\u00f8",
        "\u00d3",
        "\uff4f",
        "\u014d",
        "\u1e4f",
        "\U0001d428",
        "\u0366",
    ],
    "e": ["e", "E", "\u00e9", "\u0119", "\u212f", "\uff45", "\u1ec5", "\u0364"],
}
IGNORED = [
    "\x01", "\x07", "\x1f", "\x7f", "\u200b", "\u00ad", "\u2060", "\u200e", "\ufe0f", "\u0301",
    "\U000e0061", "\U000e0100", "\u034f", "\ufeff", "\u0345",
]  # fmt: skip
PADDING = ["", " ", "   "]


def spell(choose, how):
    """Return a form of the name "joe" that some database may take for it."""
    letters = [choose.choice(PARTS[c]) if how != "ignored" else c for c in "joe"]
    if how != "folded":
        for _ in range(choose.randrange(1, 5)):
            letters.insert(choose.randrange(len(letters) + 1), choose.choice(IGNORED))
    return "".join(letters) + choose.choice(PADDING)


def forms_of(how):
    choose = random.Random(how)
    return ["joe", "JOE", "Joe", "jOe", "joE", *(spell(choose, how) for _ in range(500))]


DATABASES = [
    pytest.param(("sqlite", "NOCASE"), id="sqlite"),
    pytest.param(("mariadb", "utf8mb4_unicode_ci"), id="mariadb", marks=pytest.mark.servers),
    pytest.param(("icu_postgres", '"guessed"'), id="icu", marks=pytest.mark.servers),
]


@pytest.fixture(params=DATABASES)
def database(request, tmp_path):
    """Return the URI of a database with the accounts of joe and of the attacker."""
    name, collation = request.param
    uri = (
        f"sqlite:///{tmp_path}/a.db" if name == "sqlite" else request.getfixturevalue(f"{name}_url")
    )
    engine = sa.create_engine(uri, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        execute = connection.exec_driver_sql
        execute("DROP TABLE IF EXISTS accounts")
        if name == "icu_postgres":
            execute(
                "CREATE COLLATION IF NOT EXISTS guessed (provider = icu, "
                "locale = 'und-u-ks-level1', deterministic = false)"
            )
        execute(f"CREATE TABLE accounts (id INT, name VARCHAR(200) COLLATE {collation})")
        execute("INSERT INTO accounts VALUES (1, 'joe'), (2, 'mallory')")
    yield engine, uri
    engine.dispose()


def close(app):
    app.extensions["flask-jwt"].sessions.close()


class Attack:
    """A login form on a database, and what an attacker does with it for some hours."""

    def __init__(self, database, names, hours):
        self.engine, uri = database
        self.clock = Clock()
        # The server is shared: the strikes of another test must not count.
        space = secrets.token_hex(4)
        self.app = make_app(clock=self.clock, JWT_STORAGE_URI=uri, JWT_STORAGE_NAMESPACE=space)
        self.app.jwt.authentication_handler(self.authenticate)
        self.end = self.clock() + hours * 3600
        with self.engine.connect() as connection:
            query = sa.text("SELECT count(*) FROM accounts WHERE id = 1 AND name = :name")
            self.names = [
                name for name in names if connection.execute(query, {"name": name}).scalar() == 1
            ]
        self.guesses = []
        """The time, and the name, of each password that was compared with joe's."""

    def authenticate(self, username, password):
        with self.engine.connect() as connection:
            found = connection.execute(
                sa.text("SELECT id FROM accounts WHERE name = :name"), {"name": username}
            ).scalar()
        if found == 1:
            self.guesses.append((self.clock(), username))
        return User(2, "mallory") if found == 2 and password == "own" else None

    def post(self, username, password="guess"):
        return self.app.test_client().post(
            "/auth",
            json={"username": username, "password": password},
            environ_base={"REMOTE_ADDR": "203.0.113.7"},
        )

    def most_within(self, seconds):
        times = [time for time, _ in self.guesses]
        return max(sum(t <= u < t + seconds for u in times) for t in times)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["folded", "ignored", "mixed"])
def test_hours_of_guessing_are_limited_for_all_forms_of_a_name(database, how):
    choose = random.Random(how)
    attack = Attack(database, forms_of(how), hours=6)
    while attack.clock() < attack.end:
        response = attack.post(choose.choice(attack.names))
        if response.status_code == 429:
            attack.clock.tick(int(response.headers["Retry-After"]))
        elif choose.random() < 0.1:
            # Its own success from the same address gives no further guesses.
            assert attack.post("mallory", "own").status_code == 200
        attack.clock.tick(choose.choice([0.01, 0.5, 3]))
    assert attack.most_within(60) <= 10
    assert attack.most_within(3600) <= 100
    names = {name for _, name in attack.guesses}
    assert len(attack.guesses) > 50, "the attacker doesn't give up"
    close(attack.app)
    print(
        f"\n{how} on {attack.engine.dialect.name}: {len(attack.guesses)} guesses in 6 h, "
        f"at most {attack.most_within(3600)} in an hour, in {len(names)} forms of the name"
    )


@pytest.mark.slow
@pytest.mark.parametrize("pace", [6.1, 37])
def test_guessing_slowly_is_limited_too(database, pace):
    """Ten a minute are never exceeded, but a hundred an hour are."""
    choose = random.Random(pace)
    attack = Attack(database, forms_of("mixed"), hours=3)
    while attack.clock() < attack.end:
        response = attack.post(choose.choice(attack.names))
        attack.clock.tick(int(response.headers.get("Retry-After", 0)) + pace)
    assert attack.most_within(3600) <= 100
    assert len(attack.guesses) > 20
    close(attack.app)
