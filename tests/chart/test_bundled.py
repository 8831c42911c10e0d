"""The bundled PostgreSQL's own scripts, run as its container runs them, with real servers of two majors."""

import unittest

from harness.secrets import PASSWORD
from harness.servers import Volume


class Bundled(unittest.TestCase):
    def setUp(self):
        self.volume = Volume()
        self.addCleanup(self.volume.close)

    def test_an_empty_volume_becomes_a_database_that_the_application_owns(self):
        with self.volume.serving(17, "-c", "wal_level=logical"):
            facts = self.volume.sql(
                "select current_user, current_setting('wal_level'), current_setting('data_checksums'),"
                " current_setting('server_encoding'), rolsuper, pg_get_userbyid(datdba)"
                " from pg_roles, pg_database where rolname = current_user and datname = current_database()"
            )

        self.assertEqual(facts, "app|logical|on|UTF8|f|app")

    def test_data_and_a_changed_password_are_there_after_a_restart(self):
        with self.volume.serving(17):
            self.volume.sql("create table kept as select 7 as a")
        self.volume.password("new'; \\echo it's \"changed\"")

        with self.volume.serving(17):
            kept = self.volume.sql("select a from kept", "new'; \\echo it's \"changed\"")
            old = self.volume.sql("select a from kept", PASSWORD)

        self.assertEqual(kept, "7")
        self.assertIn("password authentication failed", old)

    def test_nobody_is_superuser_from_outside(self):
        with self.volume.serving(17):
            said = self.volume.sql("select 1", name="postgres")

        self.assertIn("pg_hba.conf rejects connection", said)

    def test_the_password_is_in_no_log(self):
        with self.volume.serving(17, "-c", "log_statement=all", "-c", "log_min_duration_statement=0"):
            self.volume.sql("select 1")
        self.volume.password("second-secret")
        with self.volume.serving(17, "-c", "log_statement=all"):
            self.volume.sql("select 1", "second-secret")

        log = (self.volume.home / "log").read_text()
        self.assertIn("select 1", log)
        self.assertNotIn("second-secret", log)
        self.assertNotIn(PASSWORD, log)

    def test_data_of_another_major_version_is_refused_and_not_touched(self):
        with self.volume.serving(16):
            pass
        before = self.volume.files()

        said = self.volume.refusal(17)

        self.assertIn("the data on the volume is PostgreSQL 16's, and bundled.major is 17", said)
        self.assertIn("pgmoor move", said)
        self.assertEqual(self.volume.files(), before)
        with self.volume.serving(16):
            self.assertEqual(self.volume.sql("select 1"), "1")

    def test_an_image_of_another_major_version_is_refused(self):
        said = self.volume.refusal(17, wanted=16)

        self.assertIn("the image has PostgreSQL 17, and bundled.major is 16", said)
        self.assertFalse(self.volume.data.exists())

    def test_a_directory_that_is_no_database_is_left_alone(self):
        self.volume.data.mkdir()
        (self.volume.data / "something").write_text("of somebody")
        self.volume.own()

        said = self.volume.refusal(17)

        self.assertIn("is no PostgreSQL's", said)
        self.assertEqual((self.volume.data / "something").read_text(), "of somebody")

    def test_half_a_cluster_of_a_start_that_was_interrupted_is_made_anew(self):
        half = self.volume.data.with_name("data.new")
        half.mkdir()
        (half / "PG_VERSION").write_text("17\n")
        self.volume.own()

        with self.volume.serving(17):
            self.assertEqual(self.volume.sql("select 1"), "1")
        self.assertFalse(half.exists())

    def test_the_guard_stops_an_upgrade_to_another_major_while_the_server_runs(self):
        with self.volume.serving(16):
            same, other = self.volume.guard(16), self.volume.guard(17)
            still = self.volume.sql("select 1")

        self.assertEqual(same, (0, "ok: the bundled PostgreSQL has major version 16\n"))
        self.assertEqual(other[0], 1)
        self.assertIn("has major version 16, and bundled.major is now 17", other[1])
        self.assertIn("pgmoor move", other[1])
        self.assertEqual(still, "1")

    def test_the_guard_does_not_stop_an_upgrade_because_nothing_answers(self):
        code, said = self.volume.guard(17)

        self.assertEqual(code, 0)
        self.assertIn("was not asked for its version", said)
