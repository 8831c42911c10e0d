// Command pgx shows that pgx v5 uses the address it is given as if it were PostgreSQL.
//
// PGMOOR_TEST_URL, PGMOOR_TEST_SSLROOTCERT, PGMOOR_TEST_POOL_MODE and PGMOOR_TEST_SCHEMA say which.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// More than the pool of the gateway under test has.
const connections = 10

var (
	ctx    = context.Background()
	mode   = os.Getenv("PGMOOR_TEST_POOL_MODE")
	schema = "drivers"
)

func config() *pgx.ConnConfig {
	url := os.Getenv("PGMOOR_TEST_URL")
	if root := os.Getenv("PGMOOR_TEST_SSLROOTCERT"); root != "" {
		url += "?sslmode=verify-full&sslrootcert=" + root
	}
	return must(pgx.ParseConfig(url))
}

func connect() *pgx.Conn { return must(pgx.ConnectConfig(ctx, config())) }

// connected runs work with a connection of its own and closes that whatever happens.
func connected(work func(*pgx.Conn)) {
	conn := connect()
	defer conn.Close(ctx)
	work(conn)
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func equal[T comparable](seen, wanted T) {
	if seen != wanted {
		panic(fmt.Sprintf("%v seen, %v expected", seen, wanted))
	}
}

func value[T any](conn *pgx.Conn, sql string, args ...any) T {
	var seen T
	check(conn.QueryRow(ctx, sql, args...).Scan(&seen))
	return seen
}

func execute(conn *pgx.Conn, sql string, args ...any) {
	must(conn.Exec(ctx, sql, args...))
}

func refused(err error, sqlstate string) {
	var refusal *pgconn.PgError
	if !errors.As(err, &refusal) {
		panic(fmt.Sprintf("%s expected: %v", sqlstate, err))
	}
	equal(refusal.Code, sqlstate)
}

func failing(conn *pgx.Conn, sqlstate, sql string, args ...any) {
	_, err := conn.Exec(ctx, sql, args...)
	refused(err, sqlstate)
}

func connects() {
	connected(func(conn *pgx.Conn) {
		equal(value[string](conn, "select current_user"), config().User)
		_, encrypted := conn.PgConn().Conn().(interface{ VerifyHostname(string) error })
		if os.Getenv("PGMOOR_TEST_SSLROOTCERT") != "" {
			equal(encrypted, true)
		}
	})
}

func keepsTypes() {
	connected(func(conn *pgx.Conn) {
		when := time.Date(2024, 2, 29, 12, 30, 1, 5000, time.UTC)
		equal(value[bool](conn, "select $1::bool", true), true)
		equal(value[int32](conn, "select $1::int4", 7), 7)
		equal(value[int64](conn, "select $1::int8", int64(1)<<40), 1<<40)
		equal(value[float64](conn, "select $1::float8", 1.5), 1.5)
		equal(value[string](conn, "select $1::numeric::text", "12.340"), "12.340")
		equal(value[string](conn, "select $1::text", "naïve '\\ text"), "naïve '\\ text")
		equal(value[*string](conn, "select $1::text", nil), nil)
		equal(value[time.Time](conn, "select $1::timestamptz", when).UTC(), when)
		equal(string(value[[]byte](conn, "select $1::bytea", []byte{0, 255})), "\x00\xff")
		equal(fmt.Sprint(value[[]int32](conn, "select $1::int4[]", []int32{1, 2})), "[1 2]")
		equal(value[string](conn, "select $1::uuid::text", [16]byte{15: 9}),
			"00000000-0000-0000-0000-000000000009")
	})
}

func repeatsPreparedStatements() {
	failures := make(chan any, connections)
	var group sync.WaitGroup
	for number := range connections {
		group.Add(1)
		go func() {
			defer group.Done()
			defer func() {
				if failure := recover(); failure != nil {
					failures <- failure
				}
			}()
			connected(func(conn *pgx.Conn) {
				// The same name means another statement on another connection.
				must(conn.Prepare(ctx, "again", fmt.Sprintf("select $1::int4 + %d", number)))
				for i := range 60 {
					equal(value[int](conn, "again", i), i+number)
					equal(value[string](conn, "select $1::text || $2::text", "a", "b"), "ab")
				}
				check(conn.Deallocate(ctx, "again"))
				failing(conn, "26000", "execute again(1)")
			})
		}()
	}
	group.Wait()
	close(failures)
	for failure := range failures {
		panic(failure)
	}
}

func takesTurns() {
	count := connections
	if mode == "session" {
		count = 3
	}
	conns := make([]*pgx.Conn, count)
	for number := range conns {
		conns[number] = connect()
		defer conns[number].Close(ctx)
	}
	servers := map[int]bool{}
	for i := range 10 {
		for number, conn := range conns {
			// Prepared by the driver under a name made of the text, so each has its own.
			sql := fmt.Sprintf("select $1::int4 * %d", number)
			equal(value[int](conn, sql, i), i*number)
			servers[value[int](conn, "select pg_backend_pid()")] = true
		}
	}
	if mode == "transaction" {
		equal(len(servers) < connections, true)
	} else {
		equal(len(servers), count)
	}
}

// waitUntilRunning waits until another connection executes a statement.
func waitUntilRunning(conn *pgx.Conn, statement string) {
	count := "select count(*) from pg_stat_activity where state = 'active' and query = $1"
	for end := time.Now().Add(10 * time.Second); value[int](conn, count, statement) == 0; {
		if time.Now().After(end) {
			panic(statement + " does not run")
		}
	}
}

func forgetsStatementsWhenItsCacheIsFull() {
	settings := config()
	settings.StatementCacheCapacity = 3
	conn := must(pgx.ConnectConfig(ctx, settings))
	defer conn.Close(ctx)
	for i := range 30 {
		equal(value[int](conn, fmt.Sprintf("select %d + $1::int4", i%7), 1), i%7+1)
	}
}

func worksInEveryMode() {
	modes := []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe,
		pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
	}
	connected(func(conn *pgx.Conn) {
		for _, mode := range modes {
			for i := range 5 {
				equal(value[int](conn, "select $1::int4 + 1", mode, i), i+1)
			}
		}
	})
}

func commitsOrRollsBack() {
	connected(func(conn *pgx.Conn) {
		execute(conn, "create table "+schema+".tx (a int)")
		insert := "insert into " + schema + ".tx values ($1)"
		tx := must(conn.Begin(ctx))
		must(tx.Exec(ctx, insert, 1))
		nested := must(tx.Begin(ctx))
		must(nested.Exec(ctx, insert, 2))
		check(nested.Rollback(ctx))
		check(tx.Commit(ctx))
		tx = must(conn.Begin(ctx))
		must(tx.Exec(ctx, insert, 3))
		check(tx.Rollback(ctx))
		equal(value[int](conn, "select sum(a) from "+schema+".tx"), 1)
	})
}

func survivesErrors() {
	connected(func(conn *pgx.Conn) {
		failing(conn, "22012", "select 1/$1::int4", 0)
		failing(conn, "42601", "selec")
		tx := must(conn.Begin(ctx))
		failing(conn, "42P01", "select * from nowhere")
		failing(conn, "25P02", "select 1")
		check(tx.Rollback(ctx))
		equal(value[int](conn, "select 1"), 1)
	})
}

func batchFailsAsAWhole() {
	connected(func(conn *pgx.Conn) {
		execute(conn, "create table "+schema+".batch (a int primary key)")
		insert := "insert into " + schema + ".batch values ($1)"
		batch := &pgx.Batch{}
		for _, key := range []int{1, 2, 1, 3} {
			batch.Queue(insert, key)
		}
		refused(conn.SendBatch(ctx, batch).Close(), "23505")
		equal(value[int](conn, "select count(*) from "+schema+".batch"), 0)
		batch = &pgx.Batch{}
		for key := range 500 {
			batch.Queue(insert, key)
		}
		check(conn.SendBatch(ctx, batch).Close())
		equal(value[int](conn, "select count(*) from "+schema+".batch"), 500)
	})
}

func pipelineGoesOnBehindTheSync() {
	connected(func(conn *pgx.Conn) {
		pipeline := conn.PgConn().StartPipeline(ctx)
		pipeline.SendPrepare("one", "select $1::int4", nil)
		pipeline.SendQueryPrepared("one", [][]byte{[]byte("1")}, nil, nil)
		check(pipeline.Sync())
		pipeline.SendQueryPrepared("nobody", nil, nil, nil)
		pipeline.SendQueryPrepared("one", [][]byte{[]byte("2")}, nil, nil)
		check(pipeline.Sync())
		pipeline.SendQueryPrepared("one", [][]byte{[]byte("3")}, nil, nil)
		check(pipeline.Sync())
		seen := ""
		for range 7 {
			results, err := pipeline.GetResults()
			switch results := results.(type) {
			case *pgconn.StatementDescription:
				seen += "S"
			case *pgconn.ResultReader:
				seen += string(results.Read().Rows[0][0])
			case *pgconn.PipelineSync:
				seen += "Z"
			default:
				refused(err, "26000")
				seen += "E"
			}
		}
		check(pipeline.Close())
		equal(seen, "S1ZEZ3Z")
	})
}

func copies() {
	connected(func(conn *pgx.Conn) {
		execute(conn, "create table "+schema+".cp (a int, b text)")
		rows := pgx.CopyFromSlice(10_000, func(i int) ([]any, error) {
			return []any{i, fmt.Sprintf("row\t%d\n", i)}, nil
		})
		name := pgx.Identifier{schema, "cp"}
		equal(must(conn.CopyFrom(ctx, name, []string{"a", "b"}, rows)), 10_000)
		givenUp := pgx.CopyFromFunc(func() ([]any, error) { return nil, errors.New("given up") })
		if _, err := conn.CopyFrom(ctx, name, []string{"a", "b"}, givenUp); err == nil {
			panic("a COPY that was given up succeeded")
		}
		var out bytes.Buffer
		must(conn.PgConn().CopyTo(ctx, &out, "copy "+schema+".cp to stdout"))
		equal(bytes.Count(out.Bytes(), []byte("\n")), 10_000)
	})
}

func readsManyRows() {
	connected(func(conn *pgx.Conn) {
		rows := must(conn.Query(ctx, "select g, 'row ' || g from generate_series(1, 200000) g"))
		sum, number, text := 0, 0, ""
		must(pgx.ForEachRow(rows, []any{&number, &text}, func() error {
			sum += number
			return nil
		}))
		equal(sum, 20_000_100_000)
	})
}

func sendsAndReadsALargeValue() {
	sent := make([]byte, 16<<20)
	must(rand.Read(sent))
	connected(func(conn *pgx.Conn) {
		equal(bytes.Equal(value[[]byte](conn, "select $1::bytea", sent), sent), true)
	})
}

func fetchesFromACursor() {
	connected(func(conn *pgx.Conn) {
		tx := must(conn.Begin(ctx))
		defer tx.Rollback(ctx)
		must(tx.Exec(ctx, "declare portions cursor for select generate_series(1, 1000)"))
		sum, portions := 0, 0
		for {
			rows := must(tx.Query(ctx, "fetch 100 from portions"))
			numbers := must(pgx.CollectRows(rows, pgx.RowTo[int]))
			if len(numbers) == 0 {
				break
			}
			portions++
			for _, number := range numbers {
				sum += number
			}
		}
		equal(sum, 500_500)
		equal(portions, 10)
	})
}

func deliversNotices() {
	notices := ""
	settings := config()
	settings.OnNotice = func(_ *pgconn.PgConn, notice *pgconn.Notice) { notices += notice.Message }
	conn := must(pgx.ConnectConfig(ctx, settings))
	defer conn.Close(ctx)
	execute(conn, "do $$ begin raise notice 'hello %', 7; end $$")
	equal(notices, "hello 7")
}

func cancels() {
	connected(func(conn *pgx.Conn) {
		sleep := "select pg_sleep(30), '" + schema + "'"
		cancelled := make(chan any, 1)
		go connected(func(other *pgx.Conn) {
			defer func() { cancelled <- recover() }()
			waitUntilRunning(other, sleep)
			check(conn.PgConn().CancelRequest(ctx))
		})
		failing(conn, "57014", sleep)
		equal(<-cancelled, nil)
		equal(value[int](conn, "select 1"), 1)

		started := time.Now()
		deadline, stop := context.WithTimeout(ctx, 200*time.Millisecond)
		defer stop()
		if _, err := conn.Exec(deadline, "select pg_sleep(30)"); !errors.Is(err, context.DeadlineExceeded) {
			panic(fmt.Sprintf("deadline expected: %v", err))
		}
		equal(time.Since(started) < 10*time.Second, true)
	})
}

func listens() {
	connected(func(listener *pgx.Conn) {
		connected(func(sender *pgx.Conn) {
			execute(listener, "listen driver_news")
			server := value[int](listener, "select pg_backend_pid()")
			for _, payload := range []string{"1", "2", "3"} {
				execute(sender, "select pg_notify('driver_news', $1)", payload)
				deadline, stop := context.WithTimeout(ctx, 10*time.Second)
				note := must(listener.WaitForNotification(deadline))
				stop()
				equal(note.Payload, payload)
			}
			equal(value[int](listener, "select pg_backend_pid()"), server)
		})
	})
}

func reconnects() {
	for range 6 {
		conn := connect()
		if _, err := conn.Exec(ctx, "select pg_terminate_backend(pg_backend_pid())"); err == nil {
			panic("a connection that was ended went on")
		}
		conn.Close(ctx)
	}
	connected(func(conn *pgx.Conn) { equal(value[int](conn, "select 1"), 1) })
}

func keepsStartupParameters() {
	settings := config()
	settings.RuntimeParams["search_path"] = schema
	settings.RuntimeParams["statement_timeout"] = "54321"
	settings.RuntimeParams["application_name"] = "driver suite"
	settings.RuntimeParams["options"] = "-c work_mem=5MB"
	special := must(pgx.ConnectConfig(ctx, settings))
	defer special.Close(ctx)
	connected(func(plain *pgx.Conn) {
		other := value[string](plain, "show work_mem")
		equal(other != "5MB", true)
		for range 10 {
			equal(value[string](special, "show search_path"), schema)
			equal(value[string](special, "show statement_timeout"), "54321ms")
			equal(value[string](special, "show application_name"), "driver suite")
			equal(value[string](special, "show work_mem"), "5MB")
			equal(value[string](plain, "show work_mem"), other)
			equal(value[string](plain, "show statement_timeout"), "0")
		}
	})
}

func keepsWhatSetHasSet() {
	connected(func(conn *pgx.Conn) {
		connected(func(other *pgx.Conn) {
			execute(conn, "set work_mem = '6MB'")
			for range 5 {
				equal(value[string](conn, "show work_mem"), "6MB")
				equal(value[string](other, "show work_mem") != "6MB", true)
			}
		})
	})
}

func servesThePoolOfTheDriver() {
	settings := must(pgxpool.ParseConfig(""))
	settings.ConnConfig = config()
	settings.MaxConns = 3
	pool := must(pgxpool.NewWithConfig(ctx, settings))
	defer pool.Close()
	for i := range 100 {
		var seen int
		check(pool.QueryRow(ctx, "select $1::int4", i).Scan(&seen))
		equal(seen, i)
	}
}

var facts = []struct {
	sentence string
	hold     func()
}{
	{"it connects, and with TLS if asked", connects},
	{"parameters and results keep their types", keepsTypes},
	{"prepared statements are repeated on more connections than the pool has", repeatsPreparedStatements},
	{"connections that are open at the same time take turns", takesTurns},
	{"statements are prepared again when the driver's cache is full", forgetsStatementsWhenItsCacheIsFull},
	{"every way of the driver to run a query works", worksInEveryMode},
	{"a transaction commits or rolls back as a whole", commitsOrRollsBack},
	{"an error leaves the connection usable", survivesErrors},
	{"an error in a batch fails the batch as a whole", batchFailsAsAWhole},
	{"an error in a pipeline aborts what follows up to the sync", pipelineGoesOnBehindTheSync},
	{"COPY goes in and out and can be given up", copies},
	{"a result of 200000 rows arrives whole", readsManyRows},
	{"a value of 16 MB goes there and back", sendsAndReadsALargeValue},
	{"a cursor fetches by portions in a transaction", fetchesFromACursor},
	{"a notice is delivered", deliversNotices},
	{"a running query is ended by a cancel request or by a deadline", cancels},
	{"a listener is notified and keeps its server connection", listens},
	{"the server may end a connection and the next one works", reconnects},
	{"a pool of the driver gets what it asks for", servesThePoolOfTheDriver},
	{"startup parameters hold for their connection only", keepsStartupParameters},
	{"what SET has set stays for the session", keepsWhatSetHasSet},
}

func holds(sentence string, hold func()) (held bool) {
	defer func() {
		if failure := recover(); failure != nil {
			fmt.Printf("FAIL  %s\n%v\n%s\n", sentence, failure, debug.Stack())
		}
	}()
	hold()
	fmt.Println("ok   ", sentence)
	return true
}

func main() {
	if name := os.Getenv("PGMOOR_TEST_SCHEMA"); name != "" {
		schema = name
	}
	connected(func(conn *pgx.Conn) {
		execute(conn, "drop schema if exists "+schema+" cascade")
		execute(conn, "create schema "+schema)
	})
	held := 0
	for _, fact := range facts {
		if holds(fact.sentence, fact.hold) {
			held++
		}
	}
	fmt.Printf("pgx v5: %d of %d facts hold\n", held, len(facts))
	if held < len(facts) {
		os.Exit(1)
	}
}
