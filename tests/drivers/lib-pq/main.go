// Command lib-pq shows that lib/pq uses the address it is given as if it were PostgreSQL.
//
// PGMOOR_TEST_URL, PGMOOR_TEST_SSLROOTCERT, PGMOOR_TEST_POOL_MODE and PGMOOR_TEST_SCHEMA say which.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/lib/pq"
)

// More than the pool of the gateway under test has.
const connections = 10

var (
	ctx    = context.Background()
	mode   = os.Getenv("PGMOOR_TEST_POOL_MODE")
	schema = "drivers"
)

// address adds startup parameters, in pairs, to the address under test.
func address(parameters ...string) string {
	parsed := must(url.Parse(os.Getenv("PGMOOR_TEST_URL")))
	query := url.Values{"sslmode": {"disable"}}
	if root := os.Getenv("PGMOOR_TEST_SSLROOTCERT"); root != "" {
		query.Set("sslmode", "verify-full")
		query.Set("sslrootcert", root)
	}
	for i := 0; i < len(parameters); i += 2 {
		query.Set(parameters[i], parameters[i+1])
	}
	parsed.RawQuery = query.Encode()
	return parsed.String()
}

// connected runs work with a connection of its own and closes that whatever happens.
func connected(work func(*sql.Conn), parameters ...string) {
	database := must(sql.Open("postgres", address(parameters...)))
	defer database.Close()
	conn := must(database.Conn(ctx))
	defer conn.Close()
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

func value[T any](conn *sql.Conn, statement string, args ...any) T {
	var seen T
	check(conn.QueryRowContext(ctx, statement, args...).Scan(&seen))
	return seen
}

func execute(conn *sql.Conn, statement string, args ...any) {
	must(conn.ExecContext(ctx, statement, args...))
}

func refused(err error, sqlstate string) {
	var refusal *pq.Error
	if !errors.As(err, &refusal) {
		panic(fmt.Sprintf("%s expected: %v", sqlstate, err))
	}
	equal(string(refusal.Code), sqlstate)
}

func failing(conn *sql.Conn, sqlstate, statement string, args ...any) {
	_, err := conn.ExecContext(ctx, statement, args...)
	refused(err, sqlstate)
}

func connects() {
	connected(func(conn *sql.Conn) {
		user := must(url.Parse(os.Getenv("PGMOOR_TEST_URL"))).User.Username()
		equal(value[string](conn, "select current_user"), user)
	})
}

func keepsTypes() {
	connected(func(conn *sql.Conn) {
		when := time.Date(2024, 2, 29, 12, 30, 1, 5000, time.UTC)
		equal(value[bool](conn, "select $1::bool", true), true)
		equal(value[int64](conn, "select $1::int8", int64(1)<<40), 1<<40)
		equal(value[float64](conn, "select $1::float8", 1.5), 1.5)
		equal(value[string](conn, "select $1::numeric", "12.340"), "12.340")
		equal(value[string](conn, "select $1::text", "naïve '\\ text"), "naïve '\\ text")
		equal(value[sql.NullString](conn, "select $1::text", nil).Valid, false)
		equal(value[time.Time](conn, "select $1::timestamptz", when).UTC(), when)
		equal(string(value[[]byte](conn, "select $1::bytea", []byte{0, 255})), "\x00\xff")
		equal(fmt.Sprint(value[pq.Int64Array](conn, "select $1::int4[]", pq.Array([]int{1, 2}))), "[1 2]")
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
			connected(func(conn *sql.Conn) {
				// The driver counts: the same name means another statement on another connection.
				again := must(conn.PrepareContext(ctx, fmt.Sprintf("select $1::int4 + %d", number)))
				for i := range 60 {
					var seen int
					check(again.QueryRow(i).Scan(&seen))
					equal(seen, i+number)
					equal(value[string](conn, "select $1::text || $2::text", "a", "b"), "ab")
				}
				check(again.Close())
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
	databases := make([]*sql.DB, count)
	prepared := make([]*sql.Stmt, count)
	for number := range databases {
		databases[number] = must(sql.Open("postgres", address()))
		defer databases[number].Close()
		databases[number].SetMaxOpenConns(1)
		prepared[number] = must(databases[number].Prepare(fmt.Sprintf("select $1::int4 * %d", number)))
	}
	servers := map[int]bool{}
	for i := range 10 {
		for number, database := range databases {
			seen, server := 0, 0
			check(prepared[number].QueryRow(i).Scan(&seen))
			equal(seen, i*number)
			check(database.QueryRow("select pg_backend_pid()").Scan(&server))
			servers[server] = true
		}
	}
	if mode == "transaction" {
		equal(len(servers) < connections, true)
	} else {
		equal(len(servers), count)
	}
}

func sendsBinaryParameters() {
	connected(func(conn *sql.Conn) {
		for i := range 10 {
			equal(value[int](conn, "select $1::int4", i), i)
			equal(string(value[[]byte](conn, "select $1::bytea", []byte{0, byte(i)})), "\x00"+string(rune(i)))
		}
	}, "binary_parameters", "yes")
}

func commitsOrRollsBack() {
	connected(func(conn *sql.Conn) {
		execute(conn, "create table "+schema+".tx (a int)")
		insert := "insert into " + schema + ".tx values ($1)"
		tx := must(conn.BeginTx(ctx, nil))
		must(tx.Exec(insert, 1))
		check(tx.Commit())
		tx = must(conn.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable}))
		must(tx.Exec(insert, 3))
		check(tx.Rollback())
		equal(value[int](conn, "select sum(a) from "+schema+".tx"), 1)
	})
}

func survivesErrors() {
	connected(func(conn *sql.Conn) {
		failing(conn, "22012", "select 1/$1::int4", 0)
		failing(conn, "42601", "selec")
		tx := must(conn.BeginTx(ctx, nil))
		_, err := tx.Exec("select * from nowhere")
		refused(err, "42P01")
		_, err = tx.Exec("select 1")
		refused(err, "25P02")
		check(tx.Rollback())
		equal(value[int](conn, "select 1"), 1)
	})
}

func batchFailsAsAWhole() {
	connected(func(conn *sql.Conn) {
		execute(conn, "create table "+schema+".batch (a int)")
		failing(conn, "22012", "insert into "+schema+".batch values (1); select 1/0; select 2")
		equal(value[int](conn, "select count(*) from "+schema+".batch"), 0)
		rows := must(conn.QueryContext(ctx, "select 1; select 2"))
		defer rows.Close()
		seen, last := 0, 0
		for more := true; more; more = rows.NextResultSet() {
			for rows.Next() {
				check(rows.Scan(&last))
				seen = 10*seen + last
			}
		}
		equal(seen, 12)
	})
}

func copies() {
	connected(func(conn *sql.Conn) {
		execute(conn, "create table "+schema+".cp (a int, b text)")
		tx := must(conn.BeginTx(ctx, nil))
		copy := must(tx.Prepare(pq.CopyInSchema(schema, "cp", "a", "b")))
		for i := range 10_000 {
			must(copy.Exec(i, fmt.Sprintf("row\t%d\n", i)))
		}
		must(copy.Exec())
		check(copy.Close())
		check(tx.Commit())
		tx = must(conn.BeginTx(ctx, nil))
		copy = must(tx.Prepare(pq.CopyInSchema(schema, "cp", "a", "b")))
		must(copy.Exec("no number", "x"))
		_, err := copy.Exec()
		refused(err, "22P02")
		copy.Close()
		check(tx.Rollback())
		equal(value[int](conn, "select count(*) from "+schema+".cp where b like E'row\\t%\\n'"), 10_000)
	})
}

func readsManyRows() {
	connected(func(conn *sql.Conn) {
		rows := must(conn.QueryContext(ctx, "select g, 'row ' || g from generate_series(1, 200000) g"))
		defer rows.Close()
		sum, number, text := 0, 0, ""
		for rows.Next() {
			check(rows.Scan(&number, &text))
			sum += number
		}
		check(rows.Err())
		equal(sum, 20_000_100_000)
	})
}

func sendsAndReadsALargeValue() {
	sent := make([]byte, 16<<20)
	must(rand.Read(sent))
	connected(func(conn *sql.Conn) {
		equal(bytes.Equal(value[[]byte](conn, "select $1::bytea", sent), sent), true)
	})
}

func fetchesFromACursor() {
	connected(func(conn *sql.Conn) {
		tx := must(conn.BeginTx(ctx, nil))
		defer tx.Rollback()
		must(tx.Exec("declare portions cursor for select generate_series(1, 1000)"))
		sum, portions := 0, 0
		for {
			rows := must(tx.Query("fetch 100 from portions"))
			number, count := 0, 0
			for ; rows.Next(); count++ {
				check(rows.Scan(&number))
				sum += number
			}
			check(rows.Err())
			if count == 0 {
				break
			}
			portions++
		}
		equal(sum, 500_500)
		equal(portions, 10)
	})
}

func deliversNotices() {
	notices := ""
	connector := must(pq.NewConnector(address()))
	noting := pq.ConnectorWithNoticeHandler(connector, func(notice *pq.Error) {
		notices += notice.Message
	})
	database := sql.OpenDB(noting)
	defer database.Close()
	must(database.Exec("do $$ begin raise notice 'hello %', 7; end $$"))
	equal(notices, "hello 7")
}

func cancels() {
	connected(func(conn *sql.Conn) {
		started := time.Now()
		deadline, stop := context.WithTimeout(ctx, 300*time.Millisecond)
		defer stop()
		_, err := conn.ExecContext(deadline, "select pg_sleep(30)")
		if err == nil {
			panic("a query that was cancelled succeeded")
		}
		equal(time.Since(started) < 10*time.Second, true)
	})
	connected(func(conn *sql.Conn) {
		tx := must(conn.BeginTx(ctx, nil))
		must(tx.Exec("set local statement_timeout = 50"))
		_, err := tx.Exec("select pg_sleep(30)")
		refused(err, "57014")
		check(tx.Rollback())
		equal(value[int](conn, "select 1"), 1)
	})
}

func listens() {
	listener := pq.NewListener(address(), time.Second, time.Second, nil)
	defer listener.Close()
	check(listener.Listen("driver_news"))
	connected(func(sender *sql.Conn) {
		for _, payload := range []string{"1", "2", "3"} {
			execute(sender, "select pg_notify('driver_news', $1)", payload)
			select {
			case note := <-listener.Notify:
				equal(note.Extra, payload)
			case <-time.After(10 * time.Second):
				panic("no notification in ten seconds")
			}
			check(listener.Ping())
		}
	})
}

func reconnects() {
	database := must(sql.Open("postgres", address()))
	defer database.Close()
	database.SetMaxOpenConns(1)
	for range 6 {
		conn := must(database.Conn(ctx))
		_, err := conn.ExecContext(ctx, "select pg_terminate_backend(pg_backend_pid())")
		if err == nil {
			panic("a connection that was ended went on")
		}
		conn.Close()
	}
	var seen int
	check(database.QueryRow("select 1").Scan(&seen))
	equal(seen, 1)
}

func servesThePoolOfTheDriver() {
	database := must(sql.Open("postgres", address()))
	defer database.Close()
	database.SetMaxOpenConns(3)
	again := must(database.Prepare("select $1::int4"))
	defer again.Close()
	var group sync.WaitGroup
	failures := make(chan error, 100)
	for i := range 100 {
		group.Add(1)
		go func() {
			defer group.Done()
			var seen int
			if err := again.QueryRow(i).Scan(&seen); err != nil || seen != i {
				failures <- fmt.Errorf("%d seen, %d expected: %w", seen, i, err)
			}
		}()
	}
	group.Wait()
	close(failures)
	for failure := range failures {
		panic(failure)
	}
}

func keepsStartupParameters() {
	connected(func(special *sql.Conn) {
		connected(func(plain *sql.Conn) {
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
	}, "search_path", schema, "statement_timeout", "54321", "application_name", "driver suite",
		"options", "-c work_mem=5MB")
}

func keepsWhatSetHasSet() {
	connected(func(conn *sql.Conn) {
		connected(func(other *sql.Conn) {
			execute(conn, "set work_mem = '6MB'")
			for range 5 {
				equal(value[string](conn, "show work_mem"), "6MB")
				equal(value[string](other, "show work_mem") != "6MB", true)
			}
		})
	})
}

var facts = []struct {
	sentence string
	hold     func()
}{
	{"it connects, and with TLS if asked", connects},
	{"parameters and results keep their types", keepsTypes},
	{"prepared statements are repeated on more connections than the pool has", repeatsPreparedStatements},
	{"connections that are open at the same time take turns", takesTurns},
	{"parameters may be binary", sendsBinaryParameters},
	{"a transaction commits or rolls back as a whole", commitsOrRollsBack},
	{"an error leaves the connection usable", survivesErrors},
	{"an error in a batch fails the batch as a whole", batchFailsAsAWhole},
	{"COPY goes in and may fail", copies},
	{"a result of 200000 rows arrives whole", readsManyRows},
	{"a value of 16 MB goes there and back", sendsAndReadsALargeValue},
	{"a cursor fetches by portions in a transaction", fetchesFromACursor},
	{"a notice is delivered", deliversNotices},
	{"a running query is ended by a deadline or by its timeout", cancels},
	{"a listener is notified and answers between", listens},
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
	connected(func(conn *sql.Conn) {
		execute(conn, "drop schema if exists "+schema+" cascade")
		execute(conn, "create schema "+schema)
	})
	held := 0
	for _, fact := range facts {
		if holds(fact.sentence, fact.hold) {
			held++
		}
	}
	fmt.Printf("lib/pq: %d of %d facts hold\n", held, len(facts))
	if held < len(facts) {
		os.Exit(1)
	}
}
