#!/usr/bin/env python3
"""Writes libpq's own answers to the inputs below: how it parses (corpus.json), which values it refuses
when it connects (checks.json), which password it finds in a password file (passwords.json).

    python3 -m venv venv && venv/bin/pip install 'psycopg[binary]'
    venv/bin/python crates/pgmoor/tests/conninfo/generate.py

The committed files are from libpq 18.6. Add inputs here, never answers in the files.
"""

import json
import os
import pathlib
import tempfile

from psycopg import Error, pq

INPUTS = [
    # URIs: the parts
    "postgresql://", "postgres://", "postgresql:///", "postgresql://h", "postgresql://h/", "postgresql://h/d",
    "postgres://u@h/d", "postgresql://u:p@h:5433/d", "postgresql://u:@h/d", "postgresql://:p@h/d",
    "postgresql://@h/d", "postgresql://:@h/d", "postgresql://u@", "postgresql://u:p@/d", "postgresql://:5433",
    "postgresql://:5433/d", "postgresql:///d", "postgresql://h:/d", "postgresql:///d?host=/tmp&port=5433",
    "postgresql://%2Ftmp%2Fsock/d", "postgresql://%2ftmp:5433/d", "postgresql:///d?user=u&password=p",
    "postgresql://h/a/b", "postgresql://h//d", "postgresql://h/d/", "postgresql://h?user=u", "postgresql://h?",
    "postgresql://h/?", "postgresql://h/d?", "postgresql://?host=h", "postgresql://?", "postgresql:///?",
    # schemes
    "POSTGRES://h/d", "Postgresql://h/d", " postgres://h/d", "postgres:/h/d", "postgres:h", "postgresql//h",
    "postgresql+psycopg2://u:p@h/d", "jdbc:postgresql://h/d", "mysql://h/d", "postgres://h/d ", "postgres://h/d\n",
    # user info
    "postgresql://u:p:q@h/d", "postgresql://u%40x:p%40y@h/d", "postgresql://u:p#q@h/d", "postgresql://u:p?q@h/d",
    "postgresql://u:p[q@h/d", "postgresql://u:p/q@h/d", "postgresql://u@x@h/d", "postgresql://u:p@x@h/d",
    "postgresql://u:p@x@h:5433/d", "postgresql://u:p+q@h/d", "postgresql://u+v:p@h/d", "postgresql://u:p%2Fq@h/d",
    "postgresql://u:%20p@h/d", "postgresql://u:p q@h/d", "postgresql:// u@h/d", "postgresql://u @h/d",
    "postgresql://sa%40proj.iam:p@h/d", "postgresql://us%C3%A9r:p%C3%A4ss@h/d", "postgresql://usér:päss@h/d",
    "postgresql://u;v:p;q@h/d", "postgresql://u:p=q@h/d", "postgresql://u:p&q@h/d", "postgresql://u:p,q@h/d",
    # percent escapes
    "postgresql://u:p%@h/d", "postgresql://u:p%2@h/d", "postgresql://u:p%zz@h/d", "postgresql://u:p%00q@h/d",
    "postgresql://h/%64", "postgresql://h/d%25", "postgresql://h/d?%75ser=u", "postgresql://h/d?user=%75",
    "postgresql://h/d?user=%", "postgresql://h/%ff", "postgresql://%68:%35/d", "postgresql://h%2Ch2/d",
    # lists
    "postgresql://h1,h2/d", "postgresql://h1:1,h2:2/d", "postgresql://h1:1,h2/d", "postgresql://h1,h2:2/d",
    "postgresql://u:p@h1:1,h2:2,h3:3/d?target_session_attrs=read-write", "postgresql://h1,,h3/d", "postgresql://,/d",
    "postgresql://h1,h2/d?port=5433", "postgresql://h1,h2/d?host=h3", "postgresql://:1,:2/d",
    # IPv6
    "postgresql://[::1]/d", "postgresql://[::1]:5433/d", "postgresql://u:p@[2001:db8::1]:5433/d",
    "postgresql://[::1],[::2]:2/d", "postgresql://[fe80::1%25eth0]/d", "postgresql://[]/d", "postgresql://[::1/d",
    "postgresql://[::1]z/d", "postgresql://[::1]?user=u", "postgresql://[nonsense]/d", "postgresql://[::1",
    "postgresql://::1/d", "postgresql://h,[::1]/d", "postgresql://[a/b]/d",
    # query
    "postgresql://h/d?sslmode=require", "postgresql://h/d?ssl=true", "postgresql://h/d?ssl=false",
    "postgresql://h/d?ssl=True", "postgresql://h/d?ssl=1", "postgresql://h/d?sslmode=disable&ssl=true",
    "postgresql://h/d?requiressl=1", "postgresql://h/d?requiressl=0", "postgresql://h/d?requiressl=yes",
    "postgresql://h/d?unknown=1", "postgresql://h/d?sslmode", "postgresql://h/d?sslmode=", "postgresql://h/d?=x",
    "postgresql://h/d?&", "postgresql://h/d?user=u&", "postgresql://h/d?&user=u", "postgresql://h/d?user=u&&port=1",
    "postgresql://h/d?user=a=b", "postgresql://h/d?options=-c%20a%3Db", "postgresql://h/d?options=-ca=b",
    "postgresql://h/d?user=u+v", "postgresql://h/d?user=u#frag", "postgresql://h/d#frag", "postgresql://h#frag",
    "postgresql://h/d?application_name=my%20app", "postgresql://h/d?application_name=my app",
    "postgresql://h/d? user = u ", "postgresql://h/d?host=h2&host=h3", "postgresql://h:1/d?port=2",
    "postgresql://u@h/d?user=v", "postgresql://h/d?dbname=e", "postgresql://h/d?USER=u", "postgresql://h/d?user=a?b",
    "postgresql://h/d?user=me@example.org", "postgresql://h/d?search_path=x", "postgresql://h/d?password=p%26q",
    "postgresql://h/d?hostaddr=127.0.0.1", "postgresql://h/d?connect_timeout=10&keepalives=0",
    "postgresql://h/d?sslrootcert=system", "postgresql://h/d?sslmode=nonsense", "postgresql://h:port/d",
    "postgresql://h:99999/d", "postgresql://h/d?service=s", "postgresql://h/d@e",
    # keyword/value
    "", " ", "host=h", "host=h port=5433 dbname=d user=u password=p", "host = h", "host= h", "host =h", "host=",
    "host= port=1", "host='h'", "host='h h'", "host=h\\ h", "host=h\\", "host='h\\'h'", "host='h\\\\h'", "host='h",
    "host='h\\'", "host=''", "password='it''s'", "password='a'b", "password='a'user=u", "password=a'b", "password=a\"b",
    "password=a\\'b", "password=\\'a", "password=a=b", "password==", "password='='", "password=' a '",
    "host=h\tport=1", "host=h\nport=1", "host=h\x0bport=1", "host=h\x0cport=1", "host=h\rport=1",
    "host=h\u00a0port=1", "host", "host h", "h=", "=h", "host=h user", "host=h user =u", "host=h,user=u", "Host=h",
    "host=a host=b", "unknown=1", "host=h;port=1", "host=h password=a;b", "ssl=true", "requiressl=1", "requiressl=0",
    "sslmode=x", "port=x", "dbname='a b' options='-c a=b -c c=d'", "options=-c\\ a=b", "user=usér password='pä ss'",
    "dbname=postgres://h/d", "host=/tmp,/run port=1,2", "host=@abstract", "# comment", "host=h # comment",
    "host=h -- x=y", "'host'=h", "password=p%40q", "host=[::1]", "hostaddr=::1 host=h", "mydb", "/tmp", "localhost",
    "h:5432", "u:p@h:5432/d", "u:p@h/d?sslmode=require", "service=s", "sslrootcert=system", "sslnegotiation=direct",
    "scram_client_key=AAAA", "oauth_issuer=https://x", "min_protocol_version=3.2", "sslkeylogfile=/tmp/k",
]


# Values that libpq checks when it connects, each next to host=127.0.0.1 unless it names a host itself.
CHECKS = [
    "", "port=0", "port=1", "port=65535", "port=65536", "port=-1", "port=x", "port=5432x", "port=' 7 '", "port=''",
    "port=1,2", "port=,", "host=127.0.0.1,127.0.0.2 port=1,2", "host=127.0.0.1,127.0.0.2 port=1",
    "host=127.0.0.1,127.0.0.2 port=1,2,3", "host=127.0.0.1,127.0.0.2 port=,1", "hostaddr=127.0.0.1",
    "hostaddr=127.0.0.1,127.0.0.2", "host=a,b hostaddr=127.0.0.1,127.0.0.2", "hostaddr=nonsense", "hostaddr=''",
    "sslmode=disable", "sslmode=allow", "sslmode=prefer", "sslmode=require", "sslmode=verify-ca", "sslmode=verify-full",
    "sslmode=x", "sslmode=''", "sslmode=REQUIRE", "sslmode=no-verify", "sslrootcert=system",
    "sslrootcert=system sslmode=verify-full", "sslrootcert=system sslmode=verify-ca",
    "sslrootcert=system sslmode=require", "sslrootcert=system sslmode=disable", "sslrootcert=SYSTEM",
    "sslnegotiation=postgres", "sslnegotiation=direct", "sslnegotiation=direct sslmode=prefer",
    "sslnegotiation=direct sslmode=require", "sslnegotiation=direct sslrootcert=system", "sslnegotiation=x",
    "sslnegotiation=requiredirect", "sslcertmode=disable", "sslcertmode=allow", "sslcertmode=require", "sslcertmode=x",
    "sslsni=0", "sslsni=1", "sslsni=2", "sslsni=x", "sslcompression=0", "sslcompression=1", "sslcompression=x",
    "ssl_min_protocol_version=TLSv1.2", "ssl_min_protocol_version=tlsv1.3", "ssl_min_protocol_version=TLSv1",
    "ssl_min_protocol_version=x", "ssl_min_protocol_version=''", "ssl_max_protocol_version=TLSv1.3",
    "ssl_max_protocol_version=TLSv1.1", "ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2",
    "channel_binding=disable", "channel_binding=prefer", "channel_binding=require", "channel_binding=x",
    "channel_binding=require sslmode=disable", "require_auth=scram-sha-256", "require_auth=md5,password",
    "require_auth=!md5", "require_auth=!md5,!password", "require_auth=md5,!password", "require_auth=md5,md5",
    "require_auth=x", "require_auth=none", "require_auth=!none", "require_auth=gss", "require_auth=oauth",
    "require_auth=md5,", "require_auth=MD5", "require_auth='md5, password'", "target_session_attrs=any",
    "target_session_attrs=read-write", "target_session_attrs=read-only", "target_session_attrs=primary",
    "target_session_attrs=standby", "target_session_attrs=prefer-standby", "target_session_attrs=x",
    "load_balance_hosts=disable", "load_balance_hosts=random", "load_balance_hosts=x", "connect_timeout=10",
    "connect_timeout=0", "connect_timeout=-1", "connect_timeout=' 5 '", "connect_timeout=x", "connect_timeout=5s",
    "connect_timeout=1.5", "connect_timeout=99999999999", "keepalives=0", "keepalives=1", "keepalives=2", "keepalives=x",
    "gssencmode=disable", "gssencmode=prefer", "gssencmode=require", "gssencmode=x", "client_encoding=auto",
    "client_encoding=UTF8", "min_protocol_version=3.0", "min_protocol_version=3.2", "min_protocol_version=latest",
    "min_protocol_version=3.1", "max_protocol_version=3.0", "max_protocol_version=latest", "max_protocol_version=4.0",
    "min_protocol_version=3.2 max_protocol_version=3.0", "scram_client_key=AAAA",
    "scram_client_key=MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "scram_client_key=*", "replication=database",
    "service=none", "requirepeer=postgres", "krbsrvname=x",
]

PASSFILE = """\
# db.example:5432:app:app:in a comment
 # db.example:5432:app:app:not a comment
db.example:5432:app:app:exact
db.example:5432:*:app:any database\r
*:6432:*:*:any but the port
c\\:olon:5432:back\\\\slash:us\\er:p\\:a\\\\ss\\w
::1:5432:app:app:bare ipv6
2001\\:db8\\:\\:1:5432:app:app:escaped ipv6
localhost:5432:app:app:local:trailing
short:5432:app
empty:5432:app:app:
empty:5432:app:app:second
/run/pg:5432:app:app:socket
end:5432:app:app:back\\
*:*:*:st\\*r:star
*:*:*:*x:no star
127.0.0.9:5432:app:app:address
*:*:*:last:l\u00e4st"""

LOOKUPS = [
    ("db.example", "5432", "app", "app"), ("db.example", "5432", "other", "app"), ("db.example", "6432", "app", "app"),
    ("db.example", "5433", "app", "app"), ("c:olon", "5432", "back\\slash", "user"), ("::1", "5432", "app", "app"),
    ("2001:db8::1", "5432", "app", "app"), ("", "5432", "app", "app"), ("short", "5432", "app", "app"),
    ("empty", "5432", "app", "app"), ("/run/pg", "5432", "app", "app"), ("/var/run/postgresql", "5432", "app", "app"),
    ("end", "5432", "app", "app"), ("x", "1", "y", "st*r"), ("x", "1", "y", "*x"), ("x", "1", "y", "zx"),
    ("127.0.0.9", "5432", "app", "app"), ("anything", "1", "at", "last"), ("localhost", "5432", "app", "app"),
]


def quote(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def parsed(text: str) -> dict:
    try:
        options = pq.Conninfo.parse(text.encode())
    except Error as error:
        return {"input": text, "error": str(error).strip()}
    values = {o.keyword.decode(): o.val.decode(errors="replace") for o in options if o.val is not None}
    return {"input": text, "values": values}


def checked(text: str) -> dict:
    """What libpq says about the values before it sends a byte."""
    address = text if "host=" in text or "hostaddr=" in text else f"host=127.0.0.1 {text}".strip()
    conn = pq.PGconn.connect_start(address.encode())
    message = conn.get_error_message().strip() if conn.status == pq.ConnStatus.BAD else ""
    conn.finish()
    about_network = message.startswith("connection to server") or "could not translate host name" in message
    return {"input": address, "error": None if about_network or not message else message}


def looked_up(path: str, host: str, port: str, database: str, user: str) -> dict:
    address = f"host={quote(host)} port={port} dbname={quote(database)} user={quote(user)} passfile={quote(path)}"
    conn = pq.PGconn.connect_start(address.encode())
    password = conn.password.decode()
    conn.finish()
    return {"host": host, "port": int(port), "database": database, "user": user, "password": password or None}


def write(name: str, answers: list[dict]) -> None:
    lines = ",\n".join(json.dumps(a, ensure_ascii=False, sort_keys=True) for a in answers)
    path = pathlib.Path(__file__).with_name(name)
    path.write_text(f"[\n{lines}\n]\n")
    print(f"{len(answers)} answers of libpq {pq.version()} in {path}")


def main() -> None:
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]
    write("corpus.json", [parsed(text) for text in INPUTS])
    write("checks.json", [checked(text) for text in CHECKS])
    pathlib.Path(__file__).with_name("passfile").write_text(PASSFILE)
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(PASSFILE)
        file.flush()
        write("passwords.json", [looked_up(file.name, *lookup) for lookup in LOOKUPS])


main()
