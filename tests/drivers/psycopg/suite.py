"""psycopg 3 uses the address it is given as if it were PostgreSQL.

PGMOOR_TEST_URL, PGMOOR_TEST_SSLROOTCERT, PGMOOR_TEST_POOL_MODE and PGMOOR_TEST_SCHEMA say which.
"""

import contextlib
import datetime
import decimal
import os
import sys
import threading
import time
import traceback
import uuid

import psycopg
from psycopg import errors, sql

URL = os.environ["PGMOOR_TEST_URL"]
ROOT = os.environ.get("PGMOOR_TEST_SSLROOTCERT")
MODE = os.environ.get("PGMOOR_TEST_POOL_MODE", "direct")
SCHEMA = os.environ.get("PGMOOR_TEST_SCHEMA", "drivers")
CONNECTIONS = 10  # more than the pool of the gateway under test has
FACTS = []


def fact(check):
    """Notes a function as a fact; its name is the sentence."""
    FACTS.append(check)
    return check


def connect(**parameters):
    if ROOT:
        parameters.update(sslmode="verify-full", sslrootcert=ROOT)
    return psycopg.connect(URL, connect_timeout=30, autocommit=True, **parameters)


def value(connection, statement, *parameters):
    return connection.execute(statement, parameters).fetchone()[0]


def table(name):
    return sql.Identifier(SCHEMA, name)


def expect(error, act):
    try:
        act()
    except error as raised:
        return raised
    raise AssertionError(f"{error.__name__} expected")


def wait_until_running(connection, statement):
    """Waits until another connection executes a statement."""
    count = "select count(*) from pg_stat_activity where state = 'active' and query = %s"
    end = time.monotonic() + 10
    while value(connection, count, statement) == 0:
        assert time.monotonic() < end, f"{statement} does not run"


def in_threads(work):
    failures = []

    def guarded(number):
        try:
            work(number)
        except BaseException:  # noqa: B902, told below
            failures.append(traceback.format_exc())

    threads = [threading.Thread(target=guarded, args=(n,)) for n in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]


@fact
def it_connects_and_with_tls_if_asked():
    with connect() as connection:
        assert value(connection, "select current_user") == connection.info.user
        assert connection.info.server_version >= 120000
        assert connection.pgconn.ssl_in_use or not ROOT


@fact
def parameters_and_results_keep_their_types():
    values = [
        True, 7, 2**40, 1.5, decimal.Decimal("12.340"), "naïve '\\ text", b"\x00\xff",
        datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 12, 30, 1, 5),
        datetime.timedelta(days=1, seconds=2), uuid.uuid4(), [1, 2, None], None,
    ]  # fmt: skip
    types = "bool int4 int8 float8 numeric text bytea date timestamp interval uuid int4[] text"
    columns = ", ".join(f"%s::{name}" for name in types.split())
    with connect() as connection:
        for binary in (False, True):
            row = connection.execute(f"select {columns}", values, binary=binary).fetchone()
            assert list(row) == values, row


@fact
def prepared_statements_are_repeated_on_more_connections_than_the_pool_has():
    def work(number):
        with connect() as connection:
            for i in range(60):
                # The default: the sixth time, psycopg prepares by a name such as _pg3_0, which is
                # another statement on another connection.
                assert value(connection, f"select %s::int4 + {number}", i) == i + number
                assert value(connection, "select %s::text || %s", "a", number) == f"a{number}"
            connection.execute("deallocate all")
            assert value(connection, "select %s::int8", 1) == 1

    in_threads(work)


@fact
def connections_that_are_open_at_the_same_time_take_turns():
    count = 3 if MODE == "session" else CONNECTIONS
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connect()) for _ in range(count)]
        servers = set()
        for i in range(10):
            for number, connection in enumerate(connections):
                connection.prepare_threshold = 0
                assert value(connection, f"select %s::int4 * {number}", i) == i * number
                servers.add(value(connection, "select pg_backend_pid()"))
        assert len(servers) < CONNECTIONS if MODE == "transaction" else len(servers) == count


@fact
def statements_are_prepared_again_after_deallocate():
    with connect() as connection:
        connection.prepare_threshold = 0
        connection.prepared_max = 3
        for i in range(20):
            assert value(connection, f"select {i} + %s::int4", 1) == i + 1


@fact
def a_transaction_commits_or_rolls_back_as_a_whole():
    with connect() as connection:
        connection.execute(sql.SQL("create table {} (a int)").format(table("tx")))
        with connection.transaction():
            connection.execute(sql.SQL("insert into {} values (1)").format(table("tx")))
            with connection.transaction(force_rollback=True):
                connection.execute(sql.SQL("insert into {} values (2)").format(table("tx")))
        with connection.transaction(force_rollback=True):
            connection.execute(sql.SQL("insert into {} values (3)").format(table("tx")))
        rows = connection.execute(sql.SQL("select a from {}").format(table("tx"))).fetchall()
        assert rows == [(1,)], rows


@fact
def an_error_leaves_the_connection_usable():
    with connect() as connection:
        error = expect(errors.DivisionByZero, lambda: connection.execute("select 1/%s", (0,)))
        assert error.sqlstate == "22012"
        expect(errors.SyntaxError, lambda: connection.execute("selec"))
        with connection.transaction(force_rollback=True):
            expect(errors.UndefinedTable, lambda: connection.execute("select * from nowhere"))
            expect(errors.InFailedSqlTransaction, lambda: connection.execute("select 1"))
        assert value(connection, "select 1") == 1


@fact
def an_error_in_a_pipeline_aborts_what_follows_up_to_the_sync():
    with connect() as connection:
        connection.execute(sql.SQL("create table {} (a int primary key)").format(table("pl")))
        insert = sql.SQL("insert into {} values (%s)").format(table("pl"))

        def failing():
            with connection.pipeline():
                for key in (1, 2, 1, 3):
                    connection.execute(insert, (key,))

        expect(errors.UniqueViolation, failing)
        with connection.pipeline() as pipeline:
            cursors = [connection.execute("select %s::int4", (i,)) for i in range(100)]
            pipeline.sync()
            assert [cursor.fetchone()[0] for cursor in cursors] == list(range(100))
        cursor = connection.cursor()
        cursor.executemany(insert, [(key,) for key in range(10, 1010)])
        count = sql.SQL("select count(*) from {}").format(table("pl"))
        assert value(connection, count) == 1000


@fact
def copy_goes_in_and_out_and_can_be_given_up():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute(sql.SQL("create table {} (a int, b text)").format(table("cp")))
        into = sql.SQL("copy {} from stdin").format(table("cp"))
        with cursor.copy(into) as copy:
            for i in range(10_000):
                copy.write_row((i, f"row\t{i}\n"))

        def given_up():
            with cursor.copy(into) as copy:
                copy.write_row((1, "never"))
                raise RuntimeError("given up")

        expect(RuntimeError, given_up)

        def wrong():
            with cursor.copy(into) as copy:
                copy.write("no number\tx\n")

        expect(errors.InvalidTextRepresentation, wrong)
        with cursor.copy(sql.SQL("copy {} to stdout").format(table("cp"))) as copy:
            rows = list(copy.rows())
        assert len(rows) == 10_000 and rows[17][1] == "row\t17\n"


@fact
def a_result_of_200000_rows_arrives_whole():
    with connect() as connection:
        rows = connection.execute("select g, 'row ' || g from generate_series(1, 200000) g")
        assert sum(row[0] for row in rows) == 200_000 * 200_001 // 2


@fact
def a_value_of_16_mb_goes_there_and_back():
    sent = os.urandom(1 << 20) * 16
    with connect() as connection:
        cursor = connection.execute("select %b::bytea, length(%b)", (sent, sent), binary=True)
        received, length = cursor.fetchone()
        assert length == len(sent) and received == sent


@fact
def a_cursor_fetches_by_portions_in_a_transaction():
    with connect() as connection, connection.transaction():
        with connection.cursor("portions") as cursor:
            cursor.itersize = 100
            cursor.execute("select generate_series(1, 1000)")
            assert cursor.fetchmany(10)[-1] == (10,)
            assert sum(row[0] for row in cursor) == 500_500 - 55


@fact
def a_notice_is_delivered():
    notices = []
    with connect() as connection:
        # What the handler gets is valid only while it runs.
        note = lambda notice: notices.append((notice.severity, notice.message_primary))
        connection.add_notice_handler(note)
        connection.execute("do $$ begin raise notice 'hello %', 7; end $$")
    assert notices == [("NOTICE", "hello 7")], notices


@fact
def a_running_query_is_cancelled_and_no_other():
    with connect() as connection, connect() as bystander:
        sleep = f"select pg_sleep(30), '{SCHEMA}'"
        failures = []

        def cancel():
            try:
                wait_until_running(bystander, sleep)
                connection.cancel_safe()
            except BaseException as failure:  # noqa: B902, told below
                failures.append(failure)

        canceller = threading.Thread(target=cancel)
        canceller.start()
        expect(errors.QueryCanceled, lambda: connection.execute(sleep))
        canceller.join()
        assert not failures, failures
        assert value(connection, "select 1") == 1
        assert value(bystander, "select pg_sleep(0.1)::text") == ""
        with connection.transaction(force_rollback=True):
            connection.execute("set local statement_timeout = 50")
            expect(errors.QueryCanceled, lambda: connection.execute("select pg_sleep(30)"))


@fact
def a_listener_is_notified_and_keeps_its_server_connection():
    with connect() as listener, connect() as sender:
        listener.execute("listen driver_news")
        server = value(listener, "select pg_backend_pid()")
        for number in range(3):
            sender.execute("select pg_notify('driver_news', %s)", (str(number),))
            note = next(listener.notifies(timeout=10, stop_after=1))
            assert (note.channel, note.payload) == ("driver_news", str(number))
        assert value(listener, "select pg_backend_pid()") == server
        listener.execute("unlisten *")


@fact
def the_server_may_end_a_connection_and_the_next_one_works():
    for _ in range(6):
        connection = connect()
        end = lambda: connection.execute("select pg_terminate_backend(pg_backend_pid())")
        error = expect(psycopg.OperationalError, end)
        assert error.sqlstate in ("57P01", None), error.sqlstate
        connection.close()
    with connect() as connection:
        assert value(connection, "select 1") == 1


@fact
def startup_parameters_hold_for_their_connection_only():
    options = f"-c search_path={SCHEMA} -c statement_timeout=54321 -c work_mem=5MB"
    with connect(options=options, application_name="driver suite") as special, connect() as plain:
        default = value(plain, "show work_mem")
        for _ in range(10):
            assert value(special, "show search_path") == SCHEMA
            assert value(special, "show statement_timeout") == "54321ms"
            assert value(special, "show work_mem") == "5MB"
            assert value(special, "show application_name") == "driver suite"
            assert value(plain, "show work_mem") == default != "5MB"
            assert value(plain, "show statement_timeout") == "0"


@fact
def what_set_has_set_stays_for_the_session():
    with connect() as connection, connect() as other:
        connection.execute("set work_mem = '6MB'")
        connection.execute("create temp table mine (a int)")
        for _ in range(5):
            assert value(connection, "show work_mem") == "6MB"
            assert value(connection, "select count(*) from mine") == 0
            assert value(other, "show work_mem") != "6MB"
    with connect() as connection:
        assert value(connection, "show work_mem") != "6MB"


def main():
    with connect() as connection:
        connection.execute(f"drop schema if exists {SCHEMA} cascade")
        connection.execute(f"create schema {SCHEMA}")
    failed = 0
    for check in FACTS:
        sentence = check.__name__.replace("_", " ")
        try:
            check()
            print(f"ok    {sentence}", flush=True)
        except BaseException:  # noqa: B902, a fact that cannot be told is a failure
            failed += 1
            print(f"FAIL  {sentence}\n{traceback.format_exc()}", flush=True)
    print(f"psycopg {psycopg.__version__}: {len(FACTS) - failed} of {len(FACTS)} facts hold")
    sys.exit(1 if failed else 0)


main()
