"""Values in migrations: what is replayed leaves the rows that Alembic leaves online."""

import datetime
import itertools
import json
import textwrap

import psycopg2
import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import Range

from harness.alembic_fleet import DRIVER
from harness.projects import write_project
from harness.python_programs import run_export

CODE = """
import datetime, enum, pickle, random, uuid
from datetime import timedelta, timezone
from decimal import Decimal
from ipaddress import IPv4Address
from uuid import UUID
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import Range
nan, inf = float("nan"), float("inf")

class Doubled(sa.types.TypeDecorator):
    impl, cache_ok = sa.Integer, True
    def process_bind_param(self, value, dialect):
        return -1 if value is None else value * 2

class Shouted(sa.types.TypeDecorator):
    impl, cache_ok = sa.Text, True
    def bind_expression(self, value):
        return sa.func.upper(value)

class Mood(enum.Enum):
    ok, sad = "fine", "not so"

def upgrade():
"""


def code(body):
    return CODE + textwrap.indent(textwrap.dedent(body).strip(), "    ")


@pytest.fixture(scope="module")
def database(cluster):
    cluster.create_database("values_both")
    cluster.psql("CREATE EXTENSION hstore", "values_both")
    return cluster.url("values_both")


def exported(folder, bodies):
    """What becomes of each body as a migration: its statements, or a reason."""
    write_project(folder, 0)
    for number, body in enumerate(bodies):
        (folder / "versions" / f"v{number}.py").write_text(
            f"revision, down_revision = 'v{number}', None\n{code(body)}\n\ndef downgrade(): pass\n")
    steps = {each["revision"]: each["upgrade"] for each in run_export(
        folder / "alembic.ini")["revisions"]}
    return [steps[f"v{number}"] for number in range(len(bodies))]


def rows(connection):
    """The rows of `t` as text, and the numbers that are next."""
    found = connection.exec_driver_sql("SELECT t::text FROM t ORDER BY id, t::text").scalars().all()
    return found, connection.exec_driver_sql("SELECT last_value FROM t_id_seq").scalar()


def online(engine, body):
    """What Alembic makes of the body on a connection; None where it fails."""
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE SCHEMA v; SET search_path TO v, public")
        names = {}
        exec(compile(code(body), "online", "exec"), names)
        try:
            with Operations.context(MigrationContext.configure(connection)):
                names["upgrade"]()
            return rows(connection)
        except Exception:
            return None
        finally:
            connection.rollback()


def replayed(url, engine, step):
    """What the step's statements make, each sent as text."""
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE SCHEMA v; SET search_path TO v, public")
        try:
            for statement in step["statements"]:
                connection.connection.cursor().execute(statement["sql"])
            return rows(connection)
        except psycopg2.Error as error:
            return str(error)
        finally:
            connection.rollback()


def compare(folder, url, bodies):
    """All that differs between Alembic and the replay; the reasons of steps that have no SQL."""
    engine = sa.create_engine(url.replace("postgresql", DRIVER, 1))
    different, reasons = [], []
    for body, step in zip(bodies, exported(folder, bodies)):
        expected = online(engine, body)
        if "python" in step:
            reasons.append((body, step["python"], expected is None))
            continue
        found = replayed(url, engine, step)
        if expected is not None and found != expected:
            different.append(f"{body}\nAlembic:  {expected}\nreplayed: {found}\n"
                             + json.dumps(step["statements"][1:], indent=1))
    engine.dispose()
    assert not different, f"{len(different)} of {len(bodies)} differ\n" + "\n".join(different[:3])
    return reasons


TABLE = "t = op.create_table('t', sa.Column('id', sa.Integer, primary_key=True), {})\n"
# What has been rendered otherwise than Alembic sends it; each leaves a row that tells.
KNOWN = [
    ("sa.Column('x', sa.Text, default='open')", "op.bulk_insert(t, [{'id': 1}, {'id': 2}])"),
    ("sa.Column('x', sa.Text, default='open')", "op.execute(t.insert().values(id=1))"),
    ("sa.Column('x', sa.Integer, default=lambda: 7)", "op.bulk_insert(t, [{}, {}])"),
    ("sa.Column('x', sa.Integer, default=lambda c: c.get_current_parameters()['id'] + 1)",
     "op.bulk_insert(t, [{'id': 1}, {'id': 5}])"),
    ("sa.Column('x', sa.Text, default=sa.func.upper('a'))", "op.bulk_insert(t, [{}, {}])"),
    ("sa.Column('x', sa.Text, onupdate='late'), sa.Column('y', sa.Integer)",
     "op.bulk_insert(t, [{'id': 1, 'x': 'early'}])\nop.execute(t.update().values(y=1))"),
    ("sa.Column('x', sa.Text)",
     "b = op.get_bind()\nb.execute(t.insert(), [{'x': 'a'}, {'x': 'b'}])\n"
     "b.execute(sa.text('UPDATE t SET x = :x WHERE id = :id'), {'x': 'c', 'id': 1})"),
    ("sa.Column('x', sa.Text)",
     "op.get_bind().execute(t.insert().returning(t.c.id), [{'x': str(n)} for n in range(1500)])"),
    ("sa.Column('j', sa.JSON), sa.Column('k', sa.JSON(none_as_null=True))",
     "op.bulk_insert(t, [{'j': None, 'k': None}, {'j': {'a': [None]}, 'k': []}])"),
    ("sa.Column('j', postgresql.JSONB)", "op.bulk_insert(t, [{'j': None}, {'j': 'x'}, {'j': 1}])"),
    ("sa.Column('x', sa.Interval)",
     "op.bulk_insert(t, [{'x': timedelta(days=1, hours=2)}, {'x': timedelta(hours=-1)}])"),
    ("sa.Column('x', sa.Float)", "op.bulk_insert(t, [{'x': inf}, {'x': -inf}, {'x': nan}])"),
    ("sa.Column('x', sa.Numeric)", "op.bulk_insert(t, [{'x': nan}, {'x': Decimal('-1E+3')}])"),
    ("sa.Column('x', sa.ARRAY(sa.Text))", "op.bulk_insert(t, [{'x': []}, {'x': [None, 'a']}])"),
    ("sa.Column('x', sa.ARRAY(sa.Integer, dimensions=2))", "op.bulk_insert(t, [{'x': [[1], [-2]]}])"),
    ("sa.Column('x', sa.ARRAY(sa.Enum('a', 'b', name='e')))", "op.bulk_insert(t, [{'x': ['a']}])"),
    ("sa.Column('x', sa.Enum(Mood, name='m'))", "op.bulk_insert(t, [{'x': Mood.sad}, {'x': 'ok'}])"),
    ("sa.Column('x', postgresql.HSTORE)", "op.bulk_insert(t, [{'x': {'a': 'b\"', 'c': None}}])"),
    ("sa.Column('x', postgresql.INT4RANGE)", "op.bulk_insert(t, [{'x': Range(1, 4)}, {'x': None}])"),
    ("sa.Column('x', postgresql.INET)", "op.bulk_insert(t, [{'x': '10.0.0.1/8'}])"),
    ("sa.Column('x', sa.PickleType)", "op.bulk_insert(t, [{'x': {'a': 1}}, {'x': None}])"),
    ("sa.Column('x', sa.LargeBinary)", "op.bulk_insert(t, [{'x': b'\\x00\\xff'}, {'x': b''}])"),
    ("sa.Column('x', Doubled)", "op.bulk_insert(t, [{'x': 2}, {'x': None}])"),
    ("sa.Column('x', Shouted)", "op.bulk_insert(t, [{'x': 'a'}])"),
    ("sa.Column('x', sa.Uuid), sa.Column('y', sa.Uuid(native_uuid=False))",
     "op.bulk_insert(t, [{'x': UUID(int=7), 'y': UUID(int=8)}])"),
    ("sa.Column('x', sa.SmallInteger)", "op.bulk_insert(t, [{'x': -32768}])"),
    ("sa.Column('x', sa.Integer)", "op.bulk_insert(t, [{'x': 1}])\n"
     "op.execute(t.update().where(t.c.x.in_([1, 2])).values(x=10 - sa.bindparam('y', -3)))"),
    ("sa.Column('x', sa.Text)", "op.bulk_insert(t, [{'x': 'a', 'id': 1}, {'x': 'b', 'id': 2, 'z': 3}])"),
    ("sa.Column('x', sa.Integer, sa.Sequence('s'))",
     "op.execute('CREATE SEQUENCE s')\nop.bulk_insert(t, [{}, {}])\nop.execute(t.insert())"),
]


def test_known_values_are_sent_as_alembic_sends_them(tmp_path, database):
    reasons = compare(tmp_path, database, [TABLE.format(column) + body for column, body in KNOWN])
    assert reasons == []


@pytest.mark.parametrize("column, body, expected", [
    ("default=uuid.uuid4", "op.bulk_insert(t, [{}])", "renders otherwise each time"),
    ("default=lambda: uuid.uuid4().hex", "op.execute(t.insert())", "renders otherwise each time"),
    ("default=random.random", "op.execute(t.insert())", "renders otherwise each time"),
    ("", "op.bulk_insert(t, [{'x': 'a'}, {'id': 7}])", "A value is required for bind parameter"),
    ("", "op.bulk_insert(t, [{'x': 'a\\0b'}])", "NUL"),
    ("", "op.execute(t.insert().values(x=Mood.ok))", "Mood"),
])
def test_what_cannot_be_written_says_so(tmp_path, column, body, expected):
    steps = exported(tmp_path, [TABLE.format(f"sa.Column('x', sa.Text, {column})") + body])
    assert expected in steps[0].get("python", ""), steps


# MARK: Generated

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
ZONES = st.timezones() | st.just(datetime.timezone.utc)
YEARS = {"min_value": datetime.datetime(1000, 1, 1), "max_value": datetime.datetime(9000, 1, 1)}
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT.filter(lambda text: "\0" not in text),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(TEXT, each, max_size=3), max_leaves=4)
SMALL = st.integers(-2 ** 31, 2 ** 31 - 1)
# How a type is written, and its values.
TYPES = {
    "sa.Text": TEXT,
    "sa.Integer": SMALL,
    "sa.BigInteger": st.integers(-2 ** 63, 2 ** 63 - 1),
    "sa.Boolean": st.booleans(),
    "sa.Float": st.floats(),
    "sa.Numeric": st.decimals(allow_infinity=False) | st.integers(),
    "sa.Date": st.dates(datetime.date(1000, 1, 1)),
    "sa.Time": st.times(),
    "sa.DateTime": st.datetimes(**YEARS),
    "sa.DateTime(timezone=True)": st.datetimes(**YEARS, timezones=st.just(datetime.timezone.utc)),
    "sa.Interval": st.timedeltas(datetime.timedelta(-10 ** 4), datetime.timedelta(10 ** 4)),
    "sa.LargeBinary": st.binary(max_size=8),
    "sa.Uuid": st.uuids(),
    "sa.JSON": JSONS,
    "postgresql.JSONB": JSONS,
    "sa.Enum('a', \"b'c\", name='e')": st.sampled_from(["a", "b'c"]),
    "sa.ARRAY(sa.Integer)": st.lists(st.none() | SMALL, max_size=3),
    "sa.ARRAY(sa.Text)": st.lists(st.none() | TEXT, max_size=3),
    "postgresql.ARRAY(postgresql.UUID)": st.lists(st.uuids(), max_size=2),
    "postgresql.HSTORE": st.dictionaries(TEXT, st.none() | TEXT, max_size=3),
    "postgresql.INT8RANGE": st.builds(
        lambda low, size, bounds: Range(low, low + size, bounds=bounds),
        SMALL, st.integers(0, 9), st.sampled_from(["[)", "[]", "(]", "()"])),
    "sa.PickleType": JSONS,
    "Doubled": st.integers(-2 ** 30, 2 ** 30 - 1),
    "Shouted": TEXT,
}
DEFAULTS = ["", "", ", default={}", ", default=lambda: {}", ", default=lambda c: {}",
            ", default=sa.null()", ", default=sa.literal({}, {})", ", server_default=sa.null()"]
WAYS = [
    "op.bulk_insert(t, {rows})", "op.bulk_insert(t, {rows}, multiinsert=False)",
    "op.get_bind().execute(t.insert(), {rows})",
    "op.get_bind().execute(t.insert().returning(t.c.id), {rows})",
    "op.execute(t.insert().values({rows}))", "op.execute(t.insert().values({row}))",
    "op.bulk_insert(t, {rows})\nop.execute(t.update().where(t.c.id > 1).values({row}))",
]


@st.composite
def migrations(draw):
    names = draw(st.lists(st.sampled_from(sorted(TYPES)), min_size=1, max_size=3))
    columns, values = [], {}
    for number, kind in enumerate(names):
        values[f"c{number}"] = st.none() | TYPES[kind]
        default = draw(st.sampled_from(DEFAULTS)).format(repr(draw(TYPES[kind])), kind)
        columns.append(f"sa.Column('c{number}', {kind}{default})")
    given = draw(st.lists(st.sampled_from(sorted(values)), unique=True))
    made = [{name: draw(values[name]) for name in given} for _ in range(draw(st.integers(1, 3)))]
    if draw(st.integers(0, 9)) == 0:
        made[-1].pop(given[0], None) if given else made[-1].update(c0=draw(values["c0"]))
    way = draw(st.sampled_from(WAYS)).format(rows=repr(made), row=repr(made[0]))
    return TABLE.format(", ".join(columns)) + way


_folders = itertools.count()


@settings(max_examples=3, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
          suppress_health_check=list(HealthCheck))
@given(bodies=st.lists(migrations(), min_size=60, max_size=60))
def test_generated_values_are_sent_as_alembic_sends_them(tmp_path_factory, database, bodies):
    reasons = compare(tmp_path_factory.mktemp(f"p{next(_folders)}"), database, bodies)
    # Nothing of this is beyond SQL but what fails with Alembic, too.
    assert [each for each in reasons if not each[2]] == []
