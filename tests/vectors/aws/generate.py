"""Prints login tokens of botocore under a frozen clock, as JSON: what pgmoor's own are compared with.

    $(tests/fetch-clients)/python/bin/python tests/vectors/aws/generate.py > tests/vectors/aws/tokens.json
"""

import datetime
import json
import sys
from unittest import mock

import botocore
import botocore.auth
import botocore.session
from botocore.credentials import Credentials

NOW = datetime.datetime(2026, 2, 28, 23, 59, 59, tzinfo=datetime.timezone.utc)
LONG = {"key": "AKIDEXAMPLE", "secret": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "token": None}
SESSION = {"key": "ASIDEXAMPLE", "secret": "geheim/+=geheim/+=geheim", "token": "IQoJ" + "ab/+=" * 240}

RESERVED = "".join(chr(code) for code in range(0x20, 0x7F) if not chr(code).isalnum())
CASES = [
    ("db.c0ffee.eu-central-1.rds.amazonaws.com", 5432, "app", "eu-central-1", LONG),
    ("db.c0ffee.eu-central-1.rds.amazonaws.com", 5432, "app", "eu-central-1", SESSION),
    ("DB.C0FFEE.EU-Central-1.RDS.amazonaws.com", 6543, "Mixed.Case", "eu-central-1", SESSION),
    ("db.c0ffee.rds.cn-north-1.amazonaws.com.cn", 5432, "app", "cn-north-1", LONG),
    ("db.internal", 1, "a&DBUser=admin", "us-gov-east-1", LONG),
    ("db.internal", 65535, RESERVED, "us-east-1", SESSION),
    ("db.internal", 5432, "na\u00efve \U0001f418", "us-east-1", LONG),
    ("db.internal", 5432, "100%25 / + ~", "us-east-1", SESSION),
]


def frozen():
    return mock.patch.object(botocore.auth, "get_current_datetime", lambda: NOW.replace(tzinfo=None))


def token(host, port, user, region, keys):
    session = botocore.session.Session()
    session._credentials = Credentials(keys["key"], keys["secret"], keys["token"])
    client = session.create_client("rds", region_name=region)
    return client.generate_db_auth_token(DBHostname=host, Port=port, DBUsername=user, Region=region)


def dsql(host, region, keys, admin):
    session = botocore.session.Session()
    session._credentials = Credentials(keys["key"], keys["secret"], keys["token"])
    client = session.create_client("dsql", region_name=region)
    make = client.generate_db_connect_admin_auth_token if admin else client.generate_db_connect_auth_token
    return make(Hostname=host, Region=region)


def main():
    vectors = []
    with frozen():
        for host, port, user, region, keys in CASES:
            text = token(host, port, user, region, keys)
            vectors.append({"host": host, "port": port, "user": user, "region": region, "keys": keys, "token": text})
        host = "abc123.dsql.us-east-1.on.aws"
        for user, keys in [("admin", LONG), ("app", SESSION)]:
            text = dsql(host, "us-east-1", keys, user == "admin")
            vectors.append({"host": host, "port": 5432, "user": user, "region": "us-east-1", "keys": keys, "token": text})
    meta = {"made_by": f"botocore {botocore.__version__}", "now": int(NOW.timestamp())}
    json.dump({"meta": meta, "vectors": vectors}, sys.stdout, indent=1)
    print()


main()
