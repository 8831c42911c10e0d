// node-postgres uses the address it is given as if it were PostgreSQL.
//
// PGMOOR_TEST_URL, PGMOOR_TEST_SSLROOTCERT, PGMOOR_TEST_POOL_MODE and PGMOOR_TEST_SCHEMA say which.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

// Installed beside a copy of package.json, not beside this file.
const installed = createRequire(process.env.PGMOOR_TEST_NODE_MODULES ?? import.meta.url);
const pg = installed("pg");
const Cursor = installed("pg-cursor");
const copy = installed("pg-copy-streams");

const url = process.env.PGMOOR_TEST_URL;
const root = process.env.PGMOOR_TEST_SSLROOTCERT;
const mode = process.env.PGMOOR_TEST_POOL_MODE ?? "direct";
const schema = process.env.PGMOOR_TEST_SCHEMA ?? "drivers";
const connections = 10; // more than the pool of the gateway under test has

async function connect(options = {}) {
  const ssl = root ? { ca: readFileSync(root, "utf8"), rejectUnauthorized: true } : false;
  const client = new pg.Client({ connectionString: url, ssl, ...options });
  // An idle connection that ends must not end this process.
  client.on("error", () => {});
  await client.connect();
  return client;
}

/** Runs `work` with a client of its own and ends that whatever happens. */
async function connected(work, options) {
  const client = await connect(options);
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}

async function value(client, text, values) {
  const { rows } = await client.query({ text, values, rowMode: "array" });
  return rows[0][0];
}

const refused = (sqlstate) => (error) => {
  assert.equal(error.code, sqlstate, String(error));
  return true;
};

async function soon(what, look) {
  const end = Date.now() + 10_000;
  while (!(await look())) {
    assert.ok(Date.now() < end, `waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const facts = {
  "it connects, and with TLS if asked": () =>
    connected(async (client) => {
      assert.equal(await value(client, "select current_user"), client.user);
      assert.equal(Boolean(client.connection.stream.encrypted), Boolean(root));
    }),

  "parameters and results keep their types": () =>
    connected(async (client) => {
      const when = new Date("2024-02-29T12:30:01.005Z");
      const sent = [true, 7, "9007199254740993", 1.5, "12.340", "naïve '\\ text", null];
      const text =
        "select $1::bool, $2::int4, $3::int8, $4::float8, $5::numeric, $6::text, $7::text, " +
        "$8::timestamptz, $9::bytea, $10::int4[], $11::jsonb";
      const more = [when, Buffer.from([0, 255]), [1, null, 3], { a: [1] }];
      const { rows } = await client.query({ text, values: [...sent, ...more], rowMode: "array" });
      assert.deepEqual(rows[0], [...sent, ...more]);
    }),

  "prepared statements are repeated on more connections than the pool has": () =>
    Promise.all(
      Array.from({ length: connections }, (_, number) =>
        connected(async (client) => {
          for (let i = 0; i < 60; i++) {
            // The same name means another statement on another connection.
            const query = { name: "again", text: `select $1::int4 + ${number} as n`, values: [i] };
            assert.equal((await client.query(query)).rows[0].n, i + number);
            assert.equal(await value(client, "select $1::text || $2", ["a", number]), `a${number}`);
          }
        }),
      ),
    ),

  "connections that are open at the same time take turns": async () => {
    const count = mode === "session" ? 3 : connections;
    const clients = await Promise.all(Array.from({ length: count }, () => connect()));
    try {
      const servers = new Set();
      for (let i = 0; i < 10; i++) {
        for (const [number, client] of clients.entries()) {
          const query = { name: "turn", text: `select $1::int4 * ${number} as n`, values: [i] };
          assert.equal((await client.query(query)).rows[0].n, i * number);
          servers.add(await value(client, "select pg_backend_pid()"));
        }
      }
      const shared = servers.size < connections;
      assert.ok(mode === "transaction" ? shared : servers.size === count, `${servers.size} servers`);
    } finally {
      await Promise.all(clients.map((client) => client.end()));
    }
  },

  "a transaction commits or rolls back as a whole": () =>
    connected(async (client) => {
      const insert = (a) => client.query(`insert into ${schema}.tx values ($1)`, [a]);
      await client.query(`create table ${schema}.tx (a int)`);
      for (const [a, end] of [[1, "commit"], [2, "rollback"]]) {
        await client.query("begin");
        await insert(a);
        await client.query(end);
      }
      const { rows } = await client.query(`select a from ${schema}.tx`);
      assert.deepEqual(rows, [{ a: 1 }]);
    }),

  "an error leaves the connection usable": () =>
    connected(async (client) => {
      await assert.rejects(client.query("select 1/$1::int4", [0]), refused("22012"));
      await assert.rejects(client.query("selec"), refused("42601"));
      await client.query("begin");
      await assert.rejects(client.query("select * from nowhere"), refused("42P01"));
      await assert.rejects(client.query("select 1"), refused("25P02"));
      await client.query("rollback");
      assert.equal(await value(client, "select 1"), 1);
    }),

  "an error among queued queries fails that one only": () =>
    connected(async (client) => {
      const queries = [1, 0, 2, 0, 4].map((d) => client.query("select 8/$1::int4 as n", [d]));
      const results = await Promise.allSettled(queries);
      const seen = results.map((r) => r.value?.rows[0].n ?? r.reason.code);
      assert.deepEqual(seen, [8, "22012", 4, "22012", 2]);
      // Several statements in one Query message are one transaction.
      await client.query(`create table ${schema}.batch (a int)`);
      const batch = `insert into ${schema}.batch values (1); select 1/0`;
      await assert.rejects(client.query(batch), refused("22012"));
      assert.equal(await value(client, `select count(*) from ${schema}.batch`), "0");
    }),

  "COPY goes in and out and can be given up": () =>
    connected(async (client) => {
      await client.query(`create table ${schema}.cp (a int, b text)`);
      const into = () => client.query(copy.from(`copy ${schema}.cp from stdin`));
      const lines = Array.from({ length: 10_000 }, (_, i) => `${i}\trow ${i}\n`);
      await pipeline(Readable.from(lines), into());
      await assert.rejects(pipeline(Readable.from(["no number\tx\n"]), into()), refused("22P02"));
      const broken = Readable.from(
        (function* () {
          yield "1\tnever\n";
          throw new Error("given up");
        })(),
      );
      await assert.rejects(pipeline(broken, into()), /given up/);
      let received = "";
      const out = client.query(copy.to(`copy ${schema}.cp to stdout`));
      for await (const chunk of out) received += chunk;
      assert.equal(received, lines.join(""));
    }),

  "a result of 200000 rows arrives whole": () =>
    connected(async (client) => {
      const text = "select g, 'row ' || g as t from generate_series(1, 200000) g";
      const { rows } = await client.query(text);
      assert.equal(rows.reduce((sum, row) => sum + row.g, 0), 20_000_100_000);
    }),

  "a value of 16 MB goes there and back": () =>
    connected(async (client) => {
      const sent = Buffer.concat(Array(16).fill(randomBytes(1 << 20)));
      assert.ok(sent.equals(await value(client, "select $1::bytea", [sent])));
    }),

  "a cursor fetches by portions in a transaction": () =>
    connected(async (client) => {
      await client.query("begin");
      const cursor = client.query(new Cursor("select generate_series(1, 1000) as g"));
      let [sum, portions] = [0, 0];
      for (let rows; (rows = await cursor.read(100)).length > 0; portions++) {
        sum += rows.reduce((s, row) => s + row.g, 0);
      }
      await cursor.close();
      await client.query("commit");
      assert.deepEqual([sum, portions], [500_500, 10]);
    }),

  "a notice is delivered": () =>
    connected(async (client) => {
      const notices = [];
      client.on("notice", (notice) => notices.push(notice.message));
      await client.query("do $$ begin raise notice 'hello %', 7; end $$");
      await soon("the notice", () => notices.length === 1);
      assert.deepEqual(notices, ["hello 7"]);
    }),

  "a running query is ended by its timeout or by a cancel request": () =>
    connected(async (client) => {
      await client.query("begin");
      await client.query("set local statement_timeout = 50");
      await assert.rejects(client.query("select pg_sleep(30)"), refused("57014"));
      await client.query("rollback");
      const sleep = `select pg_sleep(30), '${schema}'`;
      const ended = assert.rejects(client.query(sleep), refused("57014"));
      await connected(async (other) => {
        const running = "select 1 from pg_stat_activity where state = 'active' and query = $1";
        const look = async () => (await other.query(running, [sleep])).rowCount > 0;
        await soon("the query to run", look);
      });
      await cancel(client);
      await ended;
      assert.equal(await value(client, "select 1"), 1);
    }),

  "a listener is notified and keeps its server connection": () =>
    connected((listener) =>
      connected(async (sender) => {
        const notes = [];
        listener.on("notification", (note) => notes.push(note.payload));
        await listener.query("listen driver_news");
        const server = await value(listener, "select pg_backend_pid()");
        for (const payload of ["1", "2", "3"]) {
          await sender.query("select pg_notify('driver_news', $1)", [payload]);
          await soon("the notification", () => notes.includes(payload));
        }
        assert.deepEqual(notes, ["1", "2", "3"]);
        assert.equal(await value(listener, "select pg_backend_pid()"), server);
      }),
    ),

  "the server may end a connection and the next one works": async () => {
    for (let i = 0; i < 6; i++) {
      const client = await connect();
      await assert.rejects(client.query("select pg_terminate_backend(pg_backend_pid())"));
      await client.end().catch(() => {});
    }
    await connected(async (client) => assert.equal(await value(client, "select 1"), 1));
  },

  "a pool of the driver gets what it asks for": async () => {
    const ssl = root ? { ca: readFileSync(root, "utf8") } : false;
    const pool = new pg.Pool({ connectionString: url, ssl, max: 3 });
    const queries = Array.from({ length: 100 }, (_, i) => pool.query("select $1::int4 as n", [i]));
    const results = await Promise.all(queries);
    assert.deepEqual(results.map((r) => r.rows[0].n), [...Array(100).keys()]);
    await pool.end();
  },

  "startup parameters hold for their connection only": () => {
    const special = {
      application_name: "driver suite",
      statement_timeout: 54321,
      lock_timeout: 4321,
      options: `-c search_path=${schema} -c work_mem=5MB`,
    };
    const one = async (client) =>
      connected(async (plain) => {
        const other = await value(plain, "show work_mem");
        assert.notEqual(other, "5MB");
        for (let i = 0; i < 10; i++) {
          assert.equal(await value(client, "show search_path"), schema);
          assert.equal(await value(client, "show work_mem"), "5MB");
          assert.equal(await value(client, "show statement_timeout"), "54321ms");
          assert.equal(await value(client, "show lock_timeout"), "4321ms");
          assert.equal(await value(client, "show application_name"), "driver suite");
          assert.equal(await value(plain, "show work_mem"), other);
          assert.equal(await value(plain, "show statement_timeout"), "0");
        }
      });
    return connected(one, special);
  },

  "what SET has set stays for the session": () =>
    connected((client) =>
      connected(async (other) => {
        await client.query("set work_mem = '6MB'");
        for (let i = 0; i < 5; i++) {
          assert.equal(await value(client, "show work_mem"), "6MB");
          assert.notEqual(await value(other, "show work_mem"), "6MB");
        }
      }),
    ),
};

/** Cancels over TLS if asked, which the driver's own `cancel` does not. */
async function cancel({ processID, secretKey, host, port }) {
  const ssl = root ? { ca: readFileSync(root, "utf8") } : false;
  const connection = new pg.Connection({ ssl });
  const closed = new Promise((resolve) => connection.once("end", resolve));
  connection.on("error", () => {});
  if (root) connection.once("connect", () => connection.requestSsl());
  connection.once(root ? "sslconnect" : "connect", () => connection.cancel(processID, secretKey));
  connection.connect(port, host);
  await closed;
}

await connected(async (client) => {
  await client.query(`drop schema if exists ${schema} cascade; create schema ${schema}`);
});
let failed = 0;
for (const [sentence, check] of Object.entries(facts)) {
  try {
    await check();
    console.log(`ok    ${sentence}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${sentence}\n${error.stack}`);
  }
}
const all = Object.keys(facts).length;
const { version } = installed("pg/package.json");
console.log(`node-postgres ${version}: ${all - failed} of ${all} facts hold`);
process.exit(failed ? 1 : 0);
