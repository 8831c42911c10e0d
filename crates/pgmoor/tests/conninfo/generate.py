#!/usr/bin/env python3
"""Writes corpus.json: what libpq's PQconninfoParse makes of the inputs below.

    python3 -m venv venv && venv/bin/pip install 'psycopg[binary]'
    venv/bin/python crates/pgmoor/tests/conninfo/generate.py

The committed file is from libpq 18.6. Add inputs here, never answers there.
"""

import json
import pathlib

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


def answer(text: str) -> dict:
    try:
        options = pq.Conninfo.parse(text.encode())
    except Error as error:
        return {"input": text, "error": str(error).strip()}
    values = {o.keyword.decode(): o.val.decode(errors="replace") for o in options if o.val is not None}
    return {"input": text, "values": values}


def main() -> None:
    answers = [answer(text) for text in INPUTS]
    lines = ",\n".join(json.dumps(a, ensure_ascii=False, sort_keys=True) for a in answers)
    path = pathlib.Path(__file__).with_name("corpus.json")
    path.write_text(f"[\n{lines}\n]\n")
    print(f"{len(answers)} answers of libpq {pq.version()} in {path}")


main()
