import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.StringReader;
import java.math.BigDecimal;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.Random;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.postgresql.Driver;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;

/**
 * JDBC uses the address it is given as if it were PostgreSQL.
 *
 * <p>PGMOOR_TEST_URL, PGMOOR_TEST_SSLROOTCERT, PGMOOR_TEST_POOL_MODE and PGMOOR_TEST_SCHEMA say
 * which.
 */
public final class Suite {
  /** More than the pool of the gateway under test has. */
  private static final int CONNECTIONS = 10;

  private static final URI ADDRESS = URI.create(System.getenv("PGMOOR_TEST_URL"));
  private static final String ROOT = System.getenv("PGMOOR_TEST_SSLROOTCERT");
  private static final String MODE =
      Objects.requireNonNullElse(System.getenv("PGMOOR_TEST_POOL_MODE"), "direct");
  private static final String SCHEMA =
      Objects.requireNonNullElse(System.getenv("PGMOOR_TEST_SCHEMA"), "drivers");

  private interface Fact {
    void hold() throws Exception;
  }

  private interface Work {
    void with(Connection connection) throws Exception;
  }

  private static Connection connect(String... parameters) throws SQLException {
    String[] login = ADDRESS.getUserInfo().split(":", 2);
    Properties properties = new Properties();
    properties.setProperty("user", login[0]);
    properties.setProperty("password", login[1]);
    properties.setProperty("sslmode", ROOT == null ? "disable" : "verify-full");
    if (ROOT != null) {
      properties.setProperty("sslrootcert", ROOT);
    }
    for (int i = 0; i < parameters.length; i += 2) {
      properties.setProperty(parameters[i], parameters[i + 1]);
    }
    String host = ADDRESS.getHost() + ":" + ADDRESS.getPort();
    return DriverManager.getConnection("jdbc:postgresql://" + host + ADDRESS.getPath(), properties);
  }

  /** Runs work with a connection of its own and closes that whatever happens. */
  private static void connected(Work work, String... parameters) throws Exception {
    try (Connection connection = connect(parameters)) {
      work.with(connection);
    }
  }

  private static Object value(Connection connection, String sql, Object... arguments)
      throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      for (int i = 0; i < arguments.length; i++) {
        statement.setObject(i + 1, arguments[i]);
      }
      try (ResultSet rows = statement.executeQuery()) {
        rows.next();
        return rows.getObject(1);
      }
    }
  }

  private static void execute(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  private static void equal(Object seen, Object wanted) {
    if (!Objects.deepEquals(seen, wanted)) {
      throw new AssertionError(seen + " seen, " + wanted + " expected");
    }
  }

  private static SQLException refused(String sqlstate, Fact act) throws Exception {
    try {
      act.hold();
    } catch (SQLException refusal) {
      equal(refusal.getSQLState(), sqlstate);
      return refusal;
    }
    throw new AssertionError(sqlstate + " expected, nothing was refused");
  }

  private static void connects() throws Exception {
    connected(
        connection -> {
          equal(value(connection, "select current_user"), connection.getMetaData().getUserName());
          equal(connection.isValid(5), true);
        });
  }

  private static void keepsTypes() throws Exception {
    Object when = OffsetDateTime.of(2024, 2, 29, 12, 30, 1, 5000, ZoneOffset.UTC);
    Object[] values = {
      true, 7, 1L << 40, 1.5, new BigDecimal("12.340"), "naïve '\\ text", UUID.randomUUID(),
    };
    connected(
        connection -> {
          // From the fifth time on the driver prepares by name and asks for binary results.
          for (int i = 0; i < 8; i++) {
            for (Object sent : values) {
              equal(value(connection, "select ?", sent), sent);
            }
            byte[] bytes = {0, (byte) 255};
            equal(value(connection, "select ?::bytea", (Object) bytes), bytes);
            equal(value(connection, "select ?::text", (Object) null), null);
            try (PreparedStatement statement = connection.prepareStatement("select ?, ?")) {
              statement.setObject(1, when);
              statement.setArray(2, connection.createArrayOf("int4", new Integer[] {1, null}));
              try (ResultSet rows = statement.executeQuery()) {
                rows.next();
                equal(rows.getObject(1, OffsetDateTime.class), when);
                equal(rows.getArray(2).getArray(), new Integer[] {1, null});
              }
            }
          }
        });
  }

  private static void repeatsPreparedStatements() throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(CONNECTIONS);
    List<Future<Object>> all = new ArrayList<>();
    for (int n = 0; n < CONNECTIONS; n++) {
      int number = n;
      Callable<Object> work =
          () -> {
            connected(
                connection -> {
                  // The driver counts: S_1 means another statement on another connection.
                  String sql = "select ?::int4 + " + number;
                  try (PreparedStatement again = connection.prepareStatement(sql)) {
                    for (int i = 0; i < 60; i++) {
                      again.setInt(1, i);
                      try (ResultSet rows = again.executeQuery()) {
                        rows.next();
                        equal(rows.getInt(1), i + number);
                      }
                      equal(value(connection, "select ?::text || ?::text", "a", "b"), "ab");
                    }
                  }
                });
            return null;
          };
      all.add(threads.submit(work));
    }
    for (Future<Object> one : all) {
      one.get();
    }
    threads.shutdown();
  }

  private static void takesTurns() throws Exception {
    int count = MODE.equals("session") ? 3 : CONNECTIONS;
    List<Connection> open = new ArrayList<>();
    Set<Object> servers = new HashSet<>();
    try {
      List<PreparedStatement> prepared = new ArrayList<>();
      for (int number = 0; number < count; number++) {
        // Prepared by name the first time, not only the fifth.
        open.add(connect("prepareThreshold", "1"));
        prepared.add(open.get(number).prepareStatement("select ?::int4 * " + number));
      }
      for (int i = 0; i < 10; i++) {
        for (int number = 0; number < count; number++) {
          prepared.get(number).setInt(1, i);
          try (ResultSet rows = prepared.get(number).executeQuery()) {
            rows.next();
            equal(rows.getInt(1), i * number);
          }
          servers.add(value(open.get(number), "select pg_backend_pid()"));
        }
      }
    } finally {
      for (Connection connection : open) {
        connection.close();
      }
    }
    boolean right =
        MODE.equals("transaction") ? servers.size() < CONNECTIONS : servers.size() == count;
    equal(right ? "" : servers.size() + " server connections", "");
  }

  private static void worksInEveryQueryMode() throws Exception {
    for (String mode : List.of("simple", "extended", "extendedForPrepared")) {
      connected(
          connection -> {
            for (int i = 0; i < 8; i++) {
              equal(value(connection, "select ?::int4", i), i);
            }
          },
          "preferQueryMode",
          mode);
    }
  }

  private static void commitsOrRollsBack() throws Exception {
    String table = SCHEMA + ".tx";
    connected(
        connection -> {
          execute(connection, "create table " + table + " (a int)");
          connection.setAutoCommit(false);
          execute(connection, "insert into " + table + " values (1)");
          var savepoint = connection.setSavepoint();
          execute(connection, "insert into " + table + " values (2)");
          connection.rollback(savepoint);
          connection.commit();
          execute(connection, "insert into " + table + " values (3)");
          connection.rollback();
          connection.setAutoCommit(true);
          equal(value(connection, "select sum(a) from " + table), 1L);
        });
  }

  private static void survivesErrors() throws Exception {
    connected(
        connection -> {
          refused("22012", () -> value(connection, "select 1/?", 0));
          refused("42601", () -> execute(connection, "selec"));
          connection.setAutoCommit(false);
          refused("42P01", () -> execute(connection, "select * from nowhere"));
          refused("25P02", () -> execute(connection, "select 1"));
          connection.rollback();
          connection.setAutoCommit(true);
          equal(value(connection, "select 1"), 1);
        });
  }

  private static void batchFailsAsAWhole() throws Exception {
    String table = SCHEMA + ".batch";
    connected(
        connection -> {
          execute(connection, "create table " + table + " (a int primary key)");
          String insert = "insert into " + table + " values (?)";
          try (PreparedStatement batch = connection.prepareStatement(insert)) {
            connection.setAutoCommit(false);
            for (int key : new int[] {1, 2, 1, 3}) {
              batch.setInt(1, key);
              batch.addBatch();
            }
            try {
              batch.executeBatch();
              throw new AssertionError("a batch with a duplicate key succeeded");
            } catch (BatchUpdateException refusal) {
              equal(refusal.getSQLState(), "23505");
            }
            connection.rollback();
            for (int key = 0; key < 1000; key++) {
              batch.setInt(1, key);
              batch.addBatch();
            }
            equal(Arrays.stream(batch.executeBatch()).sum(), 1000);
            connection.commit();
            connection.setAutoCommit(true);
          }
          equal(value(connection, "select count(*) from " + table), 1000L);
        });
  }

  private static void copies() throws Exception {
    String table = SCHEMA + ".cp";
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < 10_000; i++) {
      lines.append(i).append("\trow ").append(i).append('\n');
    }
    connected(
        connection -> {
          execute(connection, "create table " + table + " (a int, b text)");
          var copy = connection.unwrap(PGConnection.class).getCopyAPI();
          String into = "copy " + table + " from stdin";
          equal(copy.copyIn(into, new StringReader(lines.toString())), 10_000L);
          refused("22P02", () -> copy.copyIn(into, new StringReader("no number\tx\n")));
          var givenUp = copy.copyIn(into);
          givenUp.writeToCopy("1\tnever\n".getBytes(StandardCharsets.UTF_8), 0, 8);
          givenUp.cancelCopy();
          ByteArrayOutputStream out = new ByteArrayOutputStream();
          copy.copyOut("copy " + table + " to stdout", out);
          equal(out.toString(StandardCharsets.UTF_8), lines.toString());
        });
  }

  private static void readsManyRows() throws Exception {
    String sql = "select g, 'row ' || g from generate_series(1, 200000) g";
    connected(
        connection -> {
          try (Statement statement = connection.createStatement();
              ResultSet rows = statement.executeQuery(sql)) {
            long sum = 0;
            while (rows.next()) {
              sum += rows.getInt(1);
            }
            equal(sum, 20_000_100_000L);
          }
        });
  }

  private static void sendsAndReadsALargeValue() throws Exception {
    byte[] sent = new byte[16 << 20];
    new Random().nextBytes(sent);
    connected(
        connection -> {
          try (PreparedStatement statement = connection.prepareStatement("select ?::bytea")) {
            statement.setBinaryStream(1, new ByteArrayInputStream(sent), sent.length);
            try (ResultSet rows = statement.executeQuery()) {
              rows.next();
              equal(Arrays.equals(rows.getBytes(1), sent), true);
            }
          }
        });
  }

  /** With a fetch size the driver keeps a portal open and executes it again and again. */
  private static void fetchesFromAPortal() throws Exception {
    connected(
        connection -> {
          connection.setAutoCommit(false);
          try (Statement statement = connection.createStatement()) {
            statement.setFetchSize(100);
            long sum = 0;
            try (ResultSet rows = statement.executeQuery("select generate_series(1, 1000)")) {
              while (rows.next()) {
                sum += rows.getInt(1);
                if (rows.getInt(1) % 250 == 0) {
                  // Another statement runs while the portal is open.
                  equal(value(connection, "select 7"), 7);
                }
              }
            }
            equal(sum, 500_500L);
          }
          connection.commit();
        });
  }

  private static void deliversNotices() throws Exception {
    connected(
        connection -> {
          try (Statement statement = connection.createStatement()) {
            statement.execute("do $$ begin raise notice 'hello %', 7; end $$");
            equal(statement.getWarnings().getMessage(), "hello 7");
          }
        });
  }

  private static void cancels() throws Exception {
    connected(
        connection -> {
          try (Statement statement = connection.createStatement()) {
            // The driver counts the seconds and sends a CancelRequest.
            statement.setQueryTimeout(1);
            long started = System.nanoTime();
            refused("57014", () -> statement.execute("select pg_sleep(30)"));
            equal(System.nanoTime() - started < 10_000_000_000L, true);
          }
          equal(value(connection, "select 1"), 1);
        });
  }

  private static void listens() throws Exception {
    connected(
        listener ->
            connected(
                sender -> {
                  execute(listener, "listen driver_news");
                  Object server = value(listener, "select pg_backend_pid()");
                  for (String payload : List.of("1", "2", "3")) {
                    value(sender, "select pg_notify('driver_news', ?)::text", payload);
                    PGNotification[] notes =
                        listener.unwrap(PGConnection.class).getNotifications(10_000);
                    equal(notes == null ? 0 : notes.length, 1);
                    equal(notes[0].getParameter(), payload);
                  }
                  equal(value(listener, "select pg_backend_pid()"), server);
                }));
  }

  private static void reconnects() throws Exception {
    for (int i = 0; i < 6; i++) {
      try (Connection connection = connect()) {
        value(connection, "select pg_terminate_backend(pg_backend_pid())");
        throw new AssertionError("a connection that was ended went on");
      } catch (SQLException refusal) {
        // 57P01 from the server, or 08… from the driver that finds the connection closed.
        equal(refusal.getSQLState().matches("57P01|08...") ? "" : refusal.getSQLState(), "");
      }
    }
    connected(connection -> equal(value(connection, "select 1"), 1));
  }

  private static void keepsStartupParameters() throws Exception {
    connected(
        special ->
            connected(
                plain -> {
                  Object other = value(plain, "show work_mem");
                  equal(other.equals("5MB"), false);
                  for (int i = 0; i < 10; i++) {
                    equal(value(special, "show search_path"), SCHEMA);
                    equal(value(special, "show statement_timeout"), "54321ms");
                    equal(value(special, "show work_mem"), "5MB");
                    equal(value(special, "show application_name"), "driver suite");
                    equal(value(plain, "show work_mem"), other);
                    equal(value(plain, "show statement_timeout"), "0");
                  }
                }),
        "currentSchema",
        SCHEMA,
        "ApplicationName",
        "driver suite",
        "options",
        "-c statement_timeout=54321 -c work_mem=5MB");
  }

  private static void keepsWhatSetHasSet() throws Exception {
    connected(
        connection ->
            connected(
                other -> {
                  execute(connection, "set work_mem = '6MB'");
                  connection.setSchema(SCHEMA);
                  for (int i = 0; i < 5; i++) {
                    equal(value(connection, "show work_mem"), "6MB");
                    equal(connection.getSchema(), SCHEMA);
                    equal(value(other, "show work_mem").equals("6MB"), false);
                  }
                }));
  }

  private static Map<String, Fact> facts() {
    Map<String, Fact> facts = new LinkedHashMap<>();
    facts.put("it connects, and with TLS if asked", Suite::connects);
    facts.put("parameters and results keep their types", Suite::keepsTypes);
    facts.put(
        "prepared statements are repeated on more connections than the pool has",
        Suite::repeatsPreparedStatements);
    facts.put("connections that are open at the same time take turns", Suite::takesTurns);
    facts.put("every way of the driver to run a query works", Suite::worksInEveryQueryMode);
    facts.put("a transaction commits or rolls back as a whole", Suite::commitsOrRollsBack);
    facts.put("an error leaves the connection usable", Suite::survivesErrors);
    facts.put("an error in a batch fails the batch as a whole", Suite::batchFailsAsAWhole);
    facts.put("COPY goes in and out and can be given up", Suite::copies);
    facts.put("a result of 200000 rows arrives whole", Suite::readsManyRows);
    facts.put("a value of 16 MB goes there and back", Suite::sendsAndReadsALargeValue);
    facts.put("a portal is fetched by portions in a transaction", Suite::fetchesFromAPortal);
    facts.put("a notice is delivered", Suite::deliversNotices);
    facts.put("a running query is ended by the driver's timeout", Suite::cancels);
    facts.put("a listener is notified and keeps its server connection", Suite::listens);
    facts.put("the server may end a connection and the next one works", Suite::reconnects);
    facts.put("startup parameters hold for their connection only", Suite::keepsStartupParameters);
    facts.put("what SET has set stays for the session", Suite::keepsWhatSetHasSet);
    return facts;
  }

  public static void main(String[] arguments) throws Exception {
    connected(
        connection -> {
          execute(connection, "drop schema if exists " + SCHEMA + " cascade");
          execute(connection, "create schema " + SCHEMA);
        });
    int held = 0;
    for (Map.Entry<String, Fact> fact : facts().entrySet()) {
      try {
        fact.getValue().hold();
        System.out.println("ok    " + fact.getKey());
        held++;
      } catch (Throwable failure) {
        System.out.println("FAIL  " + fact.getKey());
        failure.printStackTrace(System.out);
      }
    }
    String name = "JDBC " + Driver.class.getPackage().getImplementationVersion();
    int all = facts().size();
    System.out.println(name + ": " + held + " of " + all + " facts hold");
    System.exit(held < all ? 1 : 0);
  }
}
